"""Redocking of crystal complexes: success rates, resumable, failures counted as failures."""

from __future__ import annotations

import heapq
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from discodock.data.crystal import list_complexes, read_complex
from discodock.data.datasets.source import SkippedComplex, SourceComplex
from discodock.data.datasets.split_table import SplitTable
from discodock.errors import InputError
from discodock.evaluation.displacement import seed_of
from discodock.evaluation.groups import group_rates
from discodock.evaluation.metrics import compute_metrics
from discodock.evaluation.report import GROUPS_FILE, REPORT_FILE, write_report
from discodock.evaluation.rows import COLUMNS, complex_values, failure_values, redocking_of
from discodock.evaluation.sources import PoseSource, PredictionConfig
from discodock.failures import concerns_all, reason_of
from discodock.files import remove_drafts, write_json
from discodock.inference.outputs import OWN_FILE, REMEDY, foreign_docking, read_table, write_docking, write_table
from discodock.input_files import read_json
from discodock.locks import exclusive

METRICS_FILE: Final = "metrics.json"
TABLE_FILE: Final = "per_complex.csv"
RUN_FILE: Final = "run.json"

WRITE_INTERVAL: Final = 5.0  # s between two writings of the table, the work that a kill can lose
IDENTITY: Final = ("settings", "checkpoint", "poses")
"""Entries of the record that must be equal for rows of an earlier run to be taken over."""

NOT_IDENTITY: Final = ("limit", "split", "batch_size", "threads", "path", "info")
"""Settings among them that no row depends on."""


class EvaluationConfig(PredictionConfig):
    """What is redocked, and how."""

    split: str | None = Field(None, description="only complexes of this split; none: all")
    limit: int | None = Field(None, ge=1, description="a random subset of this many complexes, fixed by the seed")


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found: `metrics` by name, one row of `per_complex.csv` for each complex, rates of `groups`."""

    metrics: dict[str, float]
    rows: list[dict[str, str]]
    groups: list[dict[str, Any]]


class EvaluationListener:
    """Told how an evaluation goes; the base class ignores it."""

    def planned(self, num_complexes: int) -> None:
        """The number of complexes is known."""

    def finished(self, row: dict[str, str], *, is_kept: bool) -> None:
        """A complex is done, now or (`is_kept`) in an earlier run."""


def evaluate(
    poses: PoseSource,
    source: Path,
    out: Path,
    config: EvaluationConfig,
    *,
    table: SplitTable | None = None,
    listener: EvaluationListener | None = None,
) -> Evaluation:
    """Judge poses of a source's complexes; write metrics, tables, settings, report and plots.

    In pocket mode the centre is the crystal ligand's centroid moved by `config.offset` in a direction that depends on
    the seed and the complex's id alone; in blind mode the site model searches the whole protein. Starting conformers
    are always built afresh. Complexes that an earlier run with the same settings, checkpoint and files has finished are
    not done again.

    Args:
        poses: docking, or a folder of poses.
        source: folder of complexes, folder of shards, or one shard.
        out: output folder.
        config: choice of complexes, and of what is measured.
        table: splits and protein families in place of the source's own; tells what was seen in training.
        listener: receiver of progress.

    Raises:
        InputError: there is nothing to evaluate, `out` holds an evaluation with other settings, or another process is
            at work there.
    """
    listener = listener or EvaluationListener()
    record = poses.record(config) | {"source": str(source)}
    rows = _earlier_rows(out, record)
    if (problem := foreign_docking(out)) is not None:
        raise InputError(problem)
    entries = list_complexes(source, config.split, table)
    chosen = choose_complexes(entries, config.limit, config.docking.seed)
    listener.planned(len(chosen))
    if not chosen:
        raise InputError(_nothing_there(source, config.split, table))
    with exclusive(out):
        remove_drafts(out)
        write_json(out / RUN_FILE, record)
        write_docking(config.docking, out)
        last_written = time.monotonic()
        try:
            for entry in chosen:
                is_kept = _is_done(rows.get(entry.id), entry, poses)
                row = rows[entry.id] if is_kept else _cells(redock(poses, entry, config, out))
                rows[entry.id] = row | _cells(_labels(entry, table))
                listener.finished(rows[entry.id], is_kept=is_kept)
                if time.monotonic() - last_written > WRITE_INTERVAL:
                    write_table(out / TABLE_FILE, COLUMNS, rows.values())
                    last_written = time.monotonic()
        finally:
            write_table(out / TABLE_FILE, COLUMNS, rows.values())
        return _summarise([rows[entry.id] for entry in chosen], out, record)


def _nothing_there(source: Path, split: str | None, table: SplitTable | None) -> str:
    """That there is nothing to evaluate, and what to do."""
    if split is None:
        return f"{source}: no complexes; check the path"
    if table is not None:
        return f"{source}: no complexes that --splits puts into {split}; check its ids and the path"
    return f"{source}: no complexes of split {split}; give --splits, which says what belongs to it, or another --split"


def choose_complexes(
    entries: Iterable[SourceComplex | SkippedComplex], limit: int | None, seed: int, per_cluster: int | None = None
) -> list[SourceComplex | SkippedComplex]:
    """A random subset in random order that depends on the seed and the ids alone, so that any start of it is fair.

    Args:
        entries: all complexes there are; memory is taken only for those chosen.
        limit: number of complexes to choose; None takes all.
        seed: seed of the order.
        per_cluster: most complexes of one protein family; None takes all. A family that is not known has one complex.
    """

    def place(entry: SourceComplex | SkippedComplex) -> tuple[int, str]:
        return seed_of(seed, entry.id, "order"), entry.id

    if per_cluster is not None:
        families: dict[str, list[SourceComplex | SkippedComplex]] = defaultdict(list)
        for entry in entries:
            cluster = entry.id if isinstance(entry, SkippedComplex) else entry.cluster or entry.id
            families[cluster] = heapq.nsmallest(per_cluster, [*families[cluster], entry], key=place)
        entries = [entry for family in families.values() for entry in family]
    return sorted(entries, key=place) if limit is None else heapq.nsmallest(limit, entries, key=place)


def redock(
    poses: PoseSource, entry: SourceComplex | SkippedComplex, config: PredictionConfig, out: Path
) -> dict[str, Any]:
    """Judge the poses of one complex; a failure becomes a row with its reason.

    Args:
        poses: docking, or a folder of poses.
        entry: the complex.
        config: settings of the prediction.
        out: output folder, for the log of unexpected failures.

    Returns:
        Row of `per_complex.csv`.
    """
    started, cpu_started = time.monotonic(), time.process_time()
    seconds = cpu_seconds = math.nan
    if isinstance(entry, SkippedComplex):
        values = failure_values(entry.reason)
    else:
        try:
            crystal = read_complex(entry, keep=config.docking.receptor.keep, drop=config.docking.receptor.drop)
            predicted = poses.predict(entry.id, crystal, config)
            seconds, cpu_seconds = predicted.seconds, predicted.cpu_seconds
            values = complex_values(crystal, predicted, blind=config.mode == "blind")
            values |= {"status": "ok", "fingerprint": poses.fingerprint(entry)}
        except Exception as error:
            if isinstance(error, OSError) and concerns_all(error):
                raise
            values = failure_values(reason_of(error, entry.id, out))
            seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_started
    times = {"seconds": seconds, "cpu_seconds": cpu_seconds}
    return {"id": entry.id} | values | {name: "" if math.isnan(t) else round(t, 3) for name, t in times.items()}


def _labels(entry: SourceComplex | SkippedComplex, table: SplitTable | None) -> dict[str, Any]:
    """What is known of a complex beforehand."""
    if isinstance(entry, SkippedComplex):
        return {"split": entry.split}
    seen = {} if table is None else {"is_seen": table.is_seen(entry.id, entry.cluster)}
    return {"split": entry.split, "cluster": entry.cluster} | seen


def _cells(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as a table has them, so that a row that was kept is equal to the one that was made."""
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in values.items()}


def _summarise(rows: list[dict[str, str]], out: Path, record: Mapping[str, Any]) -> Evaluation:
    """Compute and write everything that follows from the rows."""
    redockings = [redocking_of(row) for row in rows]
    metrics = compute_metrics(redockings)
    groups = group_rates(redockings)
    finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
    write_json(out / METRICS_FILE, finite | {"groups": groups})
    found = Evaluation(metrics, rows, groups)
    write_report(out, redockings, found.metrics, groups, rows, record)
    return found


def _is_done(row: Mapping[str, str] | None, entry: SourceComplex | SkippedComplex, poses: PoseSource) -> bool:
    """Whether an earlier row is of the very same files."""
    return row is not None and isinstance(entry, SourceComplex) and row.get("fingerprint") == poses.fingerprint(entry)


def _earlier_rows(out: Path, record: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Finished rows of an earlier run with the same settings and checkpoint; failures are tried again.

    Raises:
        InputError: the folder holds an evaluation that is another one, or files that are not of any.
    """
    try:
        earlier = read_json(out / RUN_FILE, OWN_FILE)
    except InputError:
        _refuse_foreign(out)
        return {}
    if _identity(earlier) != _identity(record):
        raise InputError(f"{out}: holds an evaluation with other settings or another checkpoint; choose another --out")
    finished = [row for row in read_table(out / TABLE_FILE) if row.get("status") == "ok" and _is_readable(row)]
    return {row["id"]: {"fingerprint": row.get("stamp", "")} | row for row in finished}  # "stamp" of earlier versions


def _is_readable(row: Mapping[str, str]) -> bool:
    """Whether a row of an earlier run is whole, so that metrics can be computed from it."""
    try:
        return bool(redocking_of(row).rmsds)
    except (KeyError, ValueError):
        return False


def _refuse_foreign(out: Path) -> None:
    """Refuse to write tables and figures over those of somebody else.

    Raises:
        InputError: a file of a name that an evaluation writes is there without the record of one.
    """
    for name in (TABLE_FILE, METRICS_FILE, REPORT_FILE, GROUPS_FILE):
        if (out / name).exists():
            raise InputError(f"{out / name}: is in the way, and {RUN_FILE} of an evaluation is not there; {REMEDY}")


def _identity(record: Any) -> Any:
    """What must be equal for rows to be taken over; the subset may grow."""
    if not isinstance(record, Mapping):
        return record
    top = IDENTITY if "settings" in record else record.keys()
    return {key: _identity(record[key]) for key in top if key in record and key not in NOT_IDENTITY}
