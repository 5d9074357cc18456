"""`discodock screen`: one protein and a library; `top` picks from what is done, `merge` joins shards."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from discodock.cli import options
from discodock.cli.docking_options import option_help
from discodock.cli.progress import ScreenProgress
from discodock.cli.runtime import hide_reader_notes
from discodock.errors import ConfigError
from discodock.screening.config import DEFAULT_PRESET, PRESETS, ScreeningConfig, preset_config
from discodock.screening.ranking import RANKINGS

if TYPE_CHECKING:
    from discodock.screening.inputs import ScreenInputs
    from discodock.screening.library import LibraryRecord
    from discodock.screening.results import Files
    from discodock.screening.run import Shard

HELP = """Dock a library of any length into a protein, in stages: all ligands cheaply, the best of them again in full,
the best of these relaxed by a force field.

What is done is kept in --out, in a ledger that a kill or a full disk leaves whole: the same command goes on, and
several may work on one folder at the same time. At the end, and when interrupted, the results are written:
results.parquet (one row a ligand), top.sdf (the best pose of the best ligands), failures.csv (what could not be docked,
and why), run.json, screening.yaml (the settings, which --config reads) and report.html, a page to look at.

Ligands are ranked by a docking score. It is no binding affinity.

Exit code: 0 all docked, 1 some ligands failed, 2 the command line or an input is unusable, 130 interrupted."""

TOP_HELP = """Write the best ligands of a screen, chosen by columns of its results: top.sdf and top.csv in its folder.

Examples: --where "pb_valid and heavy_atoms < 35", --where "logp < 3 and stage == 'refined'", --sort-by vina_per_atom
(largest first; -vina_score is smallest first)."""

MERGE_HELP = """Join the folders of shards (screen --shard 1/8, 2/8, ...) into one.

`discodock screen` without --shard then goes on with the joined folder, where anything is left to do."""

app = typer.Typer(invoke_without_command=True, help=HELP)

Library = Annotated[
    str | None,
    typer.Option(
        "--library",
        "-l",
        metavar="PATH",
        help="Ligands: SDF, SMILES, CSV, TSV or MOL2 file, gzipped or not, Parquet, a folder, or - for standard input.",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", metavar="NAME", help=f"{', '.join(PRESETS)} [default: {DEFAULT_PRESET}]."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings (YAML) in place of a preset, such as screening.yaml."),
]
RankBy = Annotated[
    str | None, typer.Option("--rank-by", metavar="NAME", help=f"Score to rank ligands by: {', '.join(RANKINGS)}.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", "-w", min=1, metavar="N", help="Processes [default: one a core, or a GPU].")
]
ShardOption = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Dock only part I of N of the library; `merge` joins the parts.")
]
SmilesColumn = Annotated[
    str | None, typer.Option("--smiles-column", metavar="NAME", help="Column of a table with the SMILES.")
]
NameColumn = Annotated[
    str | None, typer.Option("--name-column", metavar="NAME", help="Column of a table with the ligands' names.")
]
Top = Annotated[int, typer.Option("--top", min=1, metavar="N", help="Ligands in top.sdf.")]
Csv = Annotated[bool, typer.Option("--csv", help="Write results.csv too.")]
Poses = Annotated[
    int | None,
    typer.Option("--poses", min=1, metavar="N", help="Write the N best poses of every ligand, poses-00001.sdf.gz, ..."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, metavar="N", help=option_help("seed"))]
Keep = Annotated[list[str] | None, typer.Option("--keep", metavar="RESIDUE", help=option_help("keep"))]
Drop = Annotated[list[str] | None, typer.Option("--drop", metavar="RESIDUE", help=option_help("drop"))]
Cofactors = Annotated[Path | None, typer.Option("--cofactors", metavar="FILE", help=option_help("cofactors"))]
Radius = Annotated[float | None, typer.Option("--pocket-radius", metavar="X", help=option_help("pocket_radius"))]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of `discodock screen`.")]


@app.callback()
def screen(
    context: typer.Context,
    protein: options.Protein = None,
    library: Library = None,
    pocket_ligand: options.PocketLigand = None,
    pocket_center: options.PocketCenter = None,
    pocket_residues: options.PocketResidues = None,
    pocket_radius: Radius = None,
    out: options.Out = Path("screened"),
    preset: Preset = None,
    config: Config = None,
    rank_by: RankBy = None,
    workers: Workers = None,
    shard: ShardOption = "1/1",
    smiles_column: SmilesColumn = None,
    name_column: NameColumn = None,
    top: Top = 100,
    csv: Csv = False,
    poses: Poses = None,
    seed: Seed = None,
    keep: Keep = None,
    drop: Drop = None,
    cofactors: Cofactors = None,
    device: options.Device = "auto",
    checkpoint: options.Checkpoint = None,
    center_x: options.CenterX = None,
    center_y: options.CenterY = None,
    center_z: options.CenterZ = None,
) -> int:
    """Screen what the command line says; returns the exit code."""
    if context.invoked_subcommand is not None:
        return 0
    if protein is None or library is None:
        raise ConfigError(f"{'--protein' if protein is None else '--library'} is missing; a screen needs both")
    given: dict[str, Any] = {"seed": seed, "keep": keep or None, "drop": drop or None, "cofactors": cofactors}
    given |= {"pocket_radius": pocket_radius}
    settings = _settings(preset, config, {name: value for name, value in given.items() if value is not None})
    changed = {"rank_by": rank_by, "poses": poses}
    settings = ScreeningConfig.checked(
        settings.model_dump() | {name: value for name, value in changed.items() if value is not None}, "screening"
    )
    from discodock.inference.network import default_checkpoint
    from discodock.inference.pocket import pocket_spec
    from discodock.screening.inputs import ScreenInputs
    from discodock.screening.library import iter_library
    from discodock.screening.results import Files

    center = options.merge_center(pocket_center, (center_x, center_y, center_z))
    residues = [word.strip() for word in (pocket_residues or "").split(",") if word.strip()]
    spec = pocket_spec(pocket_ligand, center, residues, settings.docking.pocket_radius)
    weights = default_checkpoint() if checkpoint is None else checkpoint
    inputs = ScreenInputs(protein, spec, settings, weights, device)
    records = iter_library(library, smiles_column=smiles_column, name_column=name_column)
    files = Files(top, csv, poses is not None)
    return _run(inputs, records, out, _shard(shard), workers, files)


@app.command("top", help=TOP_HELP)
def top(
    folder: Folder,
    num: Annotated[int, typer.Option("-n", "--num", min=1, metavar="N", help="Ligands to write.")] = 100,
    where: Annotated[str | None, typer.Option("--where", metavar="FILTER", help="Filter on columns.")] = None,
    sort_by: Annotated[
        str | None, typer.Option("--sort-by", metavar="COLUMN", help="Column to sort by [default: the ranking].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="SDF file; a table of the same name beside it.")
    ] = None,
) -> int:
    """Write the best ligands of a screen; returns the exit code."""
    from discodock.screening.columns import result_columns
    from discodock.screening.filters import parse_filter
    from discodock.screening.ledger import Ledger
    from discodock.screening.results import TOP_FILE, check_top_files, read_config, write_top

    sdf = folder / TOP_FILE if out is None else out
    check_top_files(sdf, sdf.with_suffix(".csv"))
    with Ledger(folder) as ledger, ledger.snapshot():
        columns = [column.name for column in result_columns(read_config(ledger))]
        keeps = None if where is None else parse_filter(where, columns)
        num_written = write_top(ledger, num, keeps, sort_by, sdf, sdf.with_suffix(".csv"))
    print(f"{num_written} ligands in {sdf} and {sdf.with_suffix('.csv')}")
    return 0


@app.command("merge", help=MERGE_HELP)
def merge(
    shards: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Output folders of the shards.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the whole screen.")],
    top: Top = 100,
    csv: Csv = False,
) -> int:
    """Join shards; returns the exit code."""
    from discodock.screening.merge import merge_shards
    from discodock.screening.results import Files

    num_missing = merge_shards(shards, out)
    if num_missing:
        print(
            f"note: {num_missing} ligands are of other shards; `discodock screen` into {out} docks them",
            file=sys.stderr,
        )
    return _write(out, Files(top, csv))


def _settings(preset: str | None, config: Path | None, docking: dict[str, Any]) -> ScreeningConfig:
    """The settings of a preset or a file, with options of docking that win over them."""
    from discodock.config import load_config

    if preset is not None and config is not None:
        raise ConfigError("--preset and --config both name the stages; keep one of them")
    found = load_config(config, [], ScreeningConfig) if config is not None else preset_config(preset or DEFAULT_PRESET)
    return found.with_options(docking)


def _shard(text: str) -> Shard:
    from discodock.screening.run import Shard

    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"--shard {text}: give a part and their number, from 1/N to N/N, such as 3/8")
    return Shard(int(found[1]) - 1, int(found[2]))


def _run(
    inputs: ScreenInputs,
    library: Iterator[LibraryRecord],
    out: Path,
    shard: Shard,
    workers: int | None,
    files: Files,
) -> int:
    """Screen, show how it goes, and write the files, also of a screen that is interrupted."""
    from discodock.inference.compute.device import num_workers
    from discodock.inference.outputs import check_writable
    from discodock.screening.run import screen_library

    hide_reader_notes()
    check_writable(out)
    workers = num_workers(inputs.device) if workers is None else workers
    with _terminating_as_interrupt():
        try:
            with ScreenProgress() as progress:
                screen_library(inputs, library, out, shard=shard, workers=workers, listener=progress.show)
        except KeyboardInterrupt:
            _write(out, files)
            raise
    return _write(out, files)


def _write(out: Path, files: Files) -> int:
    """Write the files of a screen, and say what became of it; returns the exit code."""
    from discodock.report.screen import write_screen_report
    from discodock.screening.ledger import LEDGER_FILE, Ledger
    from discodock.screening.results import write_files

    if not (out / LEDGER_FILE).is_file():
        return 1
    with Ledger(out) as ledger, ledger.snapshot():
        if ledger.noted("config") is None:
            return 1
        for note in (*(ledger.noted("warnings") or ()), *write_files(ledger, out, files, sys.argv)):
            print(f"note: {note}", file=sys.stderr)
        write_screen_report(ledger, out, sys.argv)
        count, num = ledger.count(0), ledger.num_ligands()
        print(f"{count.done} of {num} ligands docked, {count.failed} failed; results in {out}")
        return 0 if count.done == num else 1


@contextmanager
def _terminating_as_interrupt() -> Iterator[None]:
    """Have SIGTERM, which job schedulers send, end the screen as Ctrl-C does."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
