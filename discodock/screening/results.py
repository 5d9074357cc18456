"""The files of a screen, written from its ledger: each whole or not at all, as often as one likes."""

from __future__ import annotations

import csv
import gzip
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from discodock.config import dump_config
from discodock.errors import ConfigError, InputError
from discodock.files import replacing, write_json
from discodock.inference.outputs import REMEDY, package_versions
from discodock.screening.columns import Kind, ResultColumn, Value, result_columns, table_row
from discodock.screening.config import ScreeningConfig
from discodock.screening.filters import Filter
from discodock.screening.ledger import LEDGER_FILE, Ledger
from discodock.screening.library import load_pyarrow
from discodock.screening.ranking import RANKINGS
from discodock.text import table_cell

TABLE_FILE: Final = "results.parquet"
CSV_FILE: Final = "results.csv"
TOP_FILE: Final = "top.sdf"
FAILURES_FILE: Final = "failures.csv"
RUN_FILE: Final = "run.json"
SETTINGS_FILE: Final = "screening.yaml"
RECEPTOR_FILE: Final = "receptor.pdb"
REPORT_FILE: Final = "report.html"
POSES_PATTERN: Final = "poses-{:05d}.sdf.gz"

SETTINGS_COMMENT: Final = "Settings of a screen that discodock used; --config reads them. Written anew by every run."

LIGANDS_IN_CHUNK: Final = 1_000
"""Ligands in each file of poses."""

ROWS_AT_ONCE: Final = 10_000
"""Rows of the results in memory, and in a row group of the table."""

NOT_AN_AFFINITY: Final = (
    "Ranks by a docking score, which is no binding affinity: look at the best ligands before you buy."
)


@dataclass(frozen=True)
class Files:
    """Which files of a screen to write.

    Attributes:
        top: best ligands whose best pose goes into `top.sdf`.
        csv: write the results as CSV too.
        poses: write the poses of all ligands, in chunks.
    """

    top: int = 100
    csv: bool = False
    poses: bool = False


def check_output(out: Path) -> None:
    """Refuse to screen into a folder where files of a screen would replace something else.

    Raises:
        InputError: such a file is there, and no ledger; it is named.
    """
    if (out / LEDGER_FILE).exists():
        return
    tables = (TABLE_FILE, CSV_FILE, FAILURES_FILE)
    own = (*tables, TOP_FILE, RUN_FILE, SETTINGS_FILE, RECEPTOR_FILE, REPORT_FILE, POSES_PATTERN.format(1))
    foreign = next((out / name for name in own if (out / name).exists() or (out / name).is_symlink()), None)
    if foreign is not None:
        raise InputError(f"{foreign}: is in the way of a screen, and is not one of its files; {REMEDY}")


def check_top_files(sdf: Path, table: Path) -> None:
    """Refuse to write the best ligands where the table, whose name nobody gave, would replace something else.

    Raises:
        ConfigError: the file has not the ending of an SDF file.
        InputError: a table is there that was not written beside such a file.
    """
    if sdf.suffix.lower() != ".sdf":
        raise ConfigError(f"--out {sdf}: give a name that ends in .sdf; a table that ends in .csv is put beside it")
    if table.exists() and not sdf.exists():
        raise InputError(f"{table}: is in the way of the table beside {sdf.name}; {REMEDY}")


def read_config(ledger: Ledger) -> ScreeningConfig:
    """How a screen was done, from its ledger.

    Raises:
        ConfigError: it is of a version that this one does not understand.
    """
    return ScreeningConfig.checked(ledger.noted("config") or {}, str(ledger.path))


def write_files(ledger: Ledger, out: Path, files: Files, command: Sequence[str] = ()) -> tuple[str, ...]:
    """Write the files of a screen, as far as it is.

    Args:
        ledger: the screen.
        out: folder to write them into.
        files: choice of the files.
        command: command line, for the record.

    Returns:
        What could not be written as asked, one sentence each.

    Raises:
        OSError: the folder cannot be written.
    """
    config = read_config(ledger)
    columns = result_columns(config)
    notes = []
    as_csv = files.csv or (out / CSV_FILE).exists()  # one of an earlier run must not stay as it was
    try:
        _write_parquet(out / TABLE_FILE, columns, rows(ledger, config))
    except ConfigError as error:
        notes.append(f"{error}; the results are in {CSV_FILE}")
        as_csv = True
    if as_csv:
        _write_csv(out / CSV_FILE, [column.name for column in columns], rows(ledger, config))
    best = (result.number for result in islice(ledger.results(), files.top))
    _write_poses(out / TOP_FILE, ledger, best, only_first=True)
    if files.poses:
        write_pose_chunks(ledger, out)
    names = [stage.name for stage in config.stages]
    failures = (
        {"id": f.id, "stage": names[f.stage], "source": f.source, "reason": f.reason} for f in ledger.failures()
    )
    _write_csv(out / FAILURES_FILE, ["id", "stage", "source", "reason"], failures)
    dump_config(config, out / SETTINGS_FILE, SETTINGS_COMMENT)
    write_json(out / RUN_FILE, run_record(ledger, config, command))
    return tuple(notes)


def rows(ledger: Ledger, config: ScreeningConfig, keeps: Filter | None = None) -> Iterator[dict[str, Value]]:
    """Rows of the results, best first; ranks are those among all.

    Args:
        ledger: the screen.
        config: settings of the screen.
        keeps: rows to keep; None keeps all.
    """
    for rank, result in enumerate(ledger.results(), start=1):
        row = table_row(result, rank, config)
        if keeps is None or keeps(row):
            yield row


def write_top(ledger: Ledger, num: int, keeps: Filter | None, sort_by: str | None, sdf: Path, table: Path) -> int:
    """Write the best ligands that a filter keeps, as SDF and as CSV.

    Args:
        ledger: the screen.
        num: number of ligands.
        keeps: rows to keep; None keeps all.
        sort_by: column to sort by, largest first, or smallest first with a minus before it; None keeps the ranking.
        sdf: file of their best poses.
        table: file of their rows.

    Returns:
        Number of ligands that were written.

    Raises:
        ConfigError: there is no such column, or it has no numbers.
    """
    config = read_config(ledger)
    columns = result_columns(config)
    found = rows(ledger, config, keeps)
    chosen = list(islice(found, num)) if sort_by is None else heapq.nsmallest(num, found, _sort_key(sort_by, columns))
    _write_csv(table, [column.name for column in columns], iter(chosen))
    _write_poses(sdf, ledger, (int(str(row["record"])) - 1 for row in chosen), only_first=True)
    return len(chosen)


def write_pose_chunks(ledger: Ledger, out: Path) -> None:
    """Write the poses of all ligands, `LIGANDS_IN_CHUNK` of them in a file, in the order of the library."""
    numbers = ledger.docked_numbers()
    index = 0
    while chunk := list(islice(numbers, LIGANDS_IN_CHUNK)):
        index += 1
        _write_poses(out / POSES_PATTERN.format(index), ledger, iter(chunk), only_first=False)


def run_record(ledger: Ledger, config: ScreeningConfig, command: Sequence[str]) -> dict[str, Any]:
    """What a later reader needs to understand and to repeat a screen."""
    stages = []
    for index, stage in enumerate(config.stages):
        count = ledger.count(index)
        each = count.seconds / count.done if count.done else None
        stages.append(
            {
                "name": stage.name,
                "fraction": stage.fraction,
                "at_least": stage.at_least,
                "docked": count.done,
                "failed": count.failed,
                "waiting": count.waiting,
                "seconds": round(count.seconds, 1),
                "seconds_per_ligand": None if each is None else round(each, 3),
            }
        )
    return {
        "versions": package_versions(),
        "command": list(command),
        "num_ligands": ledger.num_ligands(),
        "ranked_by": {"score": config.rank_by, "meaning": RANKINGS[config.rank_by].meaning, "note": NOT_AN_AFFINITY},
        "stages": stages,
        "warnings": ledger.noted("warnings") or [],
        **(ledger.noted("identity") or {}),
    }


def _sort_key(sort_by: str, columns: Sequence[ResultColumn]) -> Callable[[Mapping[str, Value]], tuple[bool, float]]:
    name = sort_by.removeprefix("-")
    numeric = [column.name for column in columns if column.kind != "text"]
    if name not in numeric:
        raise ConfigError(f"--sort-by {sort_by}: no such column of numbers; there are {', '.join(numeric)}")
    sign = 1.0 if sort_by.startswith("-") else -1.0

    def key(row: Mapping[str, Value]) -> tuple[bool, float]:
        value = row.get(name)
        if not isinstance(value, int | float):
            return True, 0.0  # empty ones come last
        return False, sign * value

    return key


def _write_poses(path: Path, ledger: Ledger, numbers: Iterator[int], *, only_first: bool) -> None:
    """Write poses of ligands as SDF, gzipped for `.gz`; of each the best or all that were kept."""
    with replacing(path) as draft, draft.open("wb") as raw:
        stream = gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) if path.suffix == ".gz" else raw
        for number in numbers:
            text = ledger.poses(number)
            first, end, _ = text.partition("$$$$\n")
            stream.write((first + end if only_first else text).encode())
        if stream is not raw:
            stream.close()


def _write_csv(path: Path, columns: Sequence[str], found: Iterator[Mapping[str, Value]]) -> None:
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([table_cell(row.get(name)) for name in columns] for row in found)


def _write_parquet(path: Path, columns: Sequence[ResultColumn], found: Iterator[Mapping[str, Value]]) -> None:
    """Write the table, some rows at a time.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    parquet = load_pyarrow(path)
    import pyarrow

    types: dict[Kind, Any] = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "check": pyarrow.bool_(),
    }
    schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
    with replacing(path) as draft, parquet.ParquetWriter(draft, schema) as writer:
        while block := list(islice(found, ROWS_AT_ONCE)):
            values = {column.name: [row.get(column.name) for row in block] for column in columns}
            writer.write_table(pyarrow.table(values, schema=schema))
