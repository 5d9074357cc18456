"""`discodock prepare`: structures in, prepared complexes for training out."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from discodock.data.prepare import PrepareReport

app = typer.Typer(
    help="Prepare complexes for training: parallel, resumable, with a reason for every complex left out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Source = Annotated[Path, typer.Argument(metavar="SRC", help="Folder of complexes, or one .tar.xz shard.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the prepared data; an earlier run there goes on.")]
Splits = Annotated[
    Path | None, typer.Option("--splits", help="Folder of split files, one id a line (…_train, val.txt, …).")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes (default: one per available core).")]
Conformers = Annotated[int, typer.Option("--conformers", min=1, help="Starting conformers per ligand, count.")]
MinAtoms = Annotated[int, typer.Option("--min-ligand-atoms", min=1, help="Smallest ligand, heavy atoms.")]
MaxAtoms = Annotated[int, typer.Option("--max-ligand-atoms", min=1, help="Largest ligand, heavy atoms.")]
Radius = Annotated[
    float | None,
    typer.Option("--receptor-radius", help="Keep only residues this near the ligand, Å (default: the whole receptor)."),
]
Keep = Annotated[list[str] | None, typer.Option("--keep", help="Residues to keep: name (HOH) or chain:number; repeat.")]
Drop = Annotated[list[str] | None, typer.Option("--drop", help="Residues to drop: name (SO4) or chain:number; repeat.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the conformers.")]


@app.command("complexes")
def complexes(
    source: Source,
    out: Out,
    splits: Splits = None,
    workers: Workers = None,
    conformers: Conformers = 3,
    min_ligand_atoms: MinAtoms = 4,
    max_ligand_atoms: MaxAtoms = 60,
    receptor_radius: Radius = None,
    keep: Keep = None,
    drop: Drop = None,
    seed: Seed = 0,
) -> int:
    """Prepare <id>/protein.pdb + ligand.sdf [+ cofactors.pdb], in folders or .tar.xz shards, with index.csv if there."""
    settings = _settings(conformers, min_ligand_atoms, max_ligand_atoms, receptor_radius, keep, drop, seed)
    return _prepare(source, out, "complexes", splits, workers, settings)


@app.command("pdbbind")
def pdbbind(
    source: Source,
    out: Out,
    splits: Splits = None,
    workers: Workers = None,
    conformers: Conformers = 3,
    min_ligand_atoms: MinAtoms = 4,
    max_ligand_atoms: MaxAtoms = 60,
    receptor_radius: Radius = None,
    keep: Keep = None,
    drop: Drop = None,
    seed: Seed = 0,
) -> int:
    """Prepare a PDBBind download: <id>/<id>_protein[_processed].pdb + <id>_ligand.sdf|mol2."""
    settings = _settings(conformers, min_ligand_atoms, max_ligand_atoms, receptor_radius, keep, drop, seed)
    return _prepare(source, out, "pdbbind", splits, workers, settings)


def _settings(
    conformers: int,
    min_ligand_atoms: int,
    max_ligand_atoms: int,
    receptor_radius: float | None,
    keep: list[str] | None,
    drop: list[str] | None,
    seed: int,
) -> dict[str, object]:
    return {
        "num_conformers": conformers,
        "min_ligand_atoms": min_ligand_atoms,
        "max_ligand_atoms": max_ligand_atoms,
        "receptor_radius": receptor_radius,
        "keep": tuple(keep or ()),
        "drop": tuple(drop or ()),
        "seed": seed,
    }


def _prepare(
    source: Path,
    out: Path,
    layout: Literal["complexes", "pdbbind"],
    splits: Path | None,
    workers: int | None,
    settings: dict[str, object],
) -> int:
    from pydantic import ValidationError
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from discodock.data.prepare import PrepareConfig, Progress, prepare
    from discodock.errors import ConfigError

    try:
        config = PrepareConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc'])) or 'settings'}: {first['msg']}") from None
    columns = (
        TextColumn("preparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns) as bar:
        task = bar.add_task("preparing", total=None, note="")

        def show(state: Progress) -> None:
            note = f"{state.num_failed} left out" if state.num_failed else ""
            bar.update(task, completed=state.done, total=state.total or None, note=note)

        report = prepare(
            source,
            out,
            config,
            layout=layout,
            splits=splits,
            workers=workers or _available_cores(),
            on_progress=show,
        )
    _print_report(report)
    return 1 if report.failures else 0


def _available_cores() -> int:
    """Cores this process may use, which in a container or under a scheduler can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _print_report(report: PrepareReport) -> None:
    splits = ", ".join(f"{split} {number:,}" for split, number in report.num_by_split.items())
    reused = f", {report.num_reused:,} of them from before" if report.num_reused else ""
    print(f"{report.num_prepared:,} complexes in {report.out} ({splits or 'none'}){reused}; {report.seconds:.0f} s")
    if report.failures:
        stages = ", ".join(f"{stage} {n:,}" for stage, n in Counter(row.stage for row in report.failures).most_common())
        print(f"{len(report.failures):,} left out ({stages}); reasons in {report.out / 'failures.csv'}")
