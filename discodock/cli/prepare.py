"""`discodock prepare`: structures in, prepared complexes for training out."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from discodock.cli import options
from discodock.cli.docking_options import option_help
from discodock.data.datasets.registry import DATASETS
from discodock.inference.config import DockingConfig

if TYPE_CHECKING:
    from discodock.data.featurize import PrepareConfig
    from discodock.data.prepare import PrepareReport, Progress

LINE_INTERVAL: Final = 10.0  # s between progress lines where there is no terminal

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
Esm = Annotated[
    str | None,
    typer.Option("--esm", metavar="MODEL", help="Also embed residues by an ESM-2 model: its name or folder."),
]
Relax = Annotated[str, typer.Option("--relax", metavar="NAME", help=option_help("relax"))]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the conformers.")]


def _command(layout: str) -> Callable[..., int]:
    """The command that prepares complexes of one layout."""

    def command(
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
        esm: Esm = None,
    ) -> int:
        settings = _settings(conformers, min_ligand_atoms, max_ligand_atoms, receptor_radius, keep, drop, seed)
        return _prepare(source, out, layout, splits, workers, settings, esm)

    return command


for _layout, _dataset in DATASETS.items():
    app.command(_layout, help=f"Prepare {_dataset.help}.")(_command(_layout))


@app.command("fragments", hidden=True)  # the earlier name
@app.command("peptides")
def peptides(
    source: Annotated[Path, typer.Argument(metavar="PREPARED", help="Folder of prepared complexes.")],
    out: Out,
    per_receptor: Annotated[int, typer.Option("--per-receptor", min=1, help="Peptides of each receptor.")] = 4,
    split: Annotated[str, typer.Option("--split", help="Receptors of this split.")] = "train",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the choice.")] = 0,
) -> int:
    """Cut peptides out of prepared receptors: further complexes for training, of every protein's own packing."""
    from discodock.data.prepare_peptides import PeptideConfig, prepare_peptides

    config = PeptideConfig(per_receptor=per_receptor, split=split, seed=seed)
    with _progress_shown() as show:
        number = prepare_peptides(source, out, config, on_progress=show)
    print(f"{number:,} peptides in {out}")
    return 0


@app.command("poses")
def poses(
    source: Source,
    out: Out,
    split: Annotated[str | None, typer.Option("--split", help="Only this split: train or val.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="A random subset of this many.")] = None,
    per_cluster: Annotated[
        int | None, typer.Option("--per-cluster", min=1, help="Most complexes of one protein family.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=2, help="Poses of each complex.")] = 8,
    max_ligand_atoms: MaxAtoms = 60,
    relax: Relax = "fast",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")] = 0,
    checkpoint: options.Checkpoint = None,
    device: options.Device = "auto",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, each with one thread.")] = 1,
) -> int:
    """Dock complexes and keep every pose with its RMSD: what the confidence model learns from."""
    from discodock.cli.progress import WorkBar
    from discodock.cli.runtime import hide_reader_notes
    from discodock.data.store import FailureRow, IndexRow
    from discodock.evaluation.collect import CollectConfig, collect_poses
    from discodock.inference.relaxation.relax import check_relaxation

    hide_reader_notes()
    values = {"samples": samples, "exhaustiveness": 1, "seed": seed, "conformers": min(samples, 10), "relax": relax}
    docking = DockingConfig().with_options(values)
    check_relaxation(docking.relaxation)
    config = CollectConfig(
        split=split,
        limit=limit,
        per_cluster=per_cluster,
        max_ligand_atoms=max_ligand_atoms,
        docking=docking,
    )
    with WorkBar("docking", None) as bar:

        def show(_done: int, total: int, row: IndexRow | FailureRow) -> None:
            bar.set_total(total)
            failed = f" left out: {row.reason}" if isinstance(row, FailureRow) else ""
            bar.item_done(f"{row.id}{failed}", is_notable=bool(failed))

        found = collect_poses(
            source, out, config, checkpoint=checkpoint, device=device, workers=workers, on_progress=show
        )
    reused = f", {found.num_reused:,} of them from before" if found.num_reused else ""
    print(f"{found.num_complexes:,} complexes in {found.out}{reused}; {len(found.failures):,} left out")
    return 1 if found.failures else 0


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
    layout: str,
    splits: Path | None,
    workers: int | None,
    settings: dict[str, object],
    esm: str | None,
) -> int:
    from discodock.data.datasets.source import EXCLUDED
    from discodock.data.featurize import PrepareConfig
    from discodock.data.prepare import prepare

    config = PrepareConfig.checked(settings)
    embed = _embedding(esm, config)
    with _progress_shown() as show:
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
    embed(source, out, layout, splits, workers or _available_cores())
    return 1 if any(row.stage != EXCLUDED for row in report.failures) else 0


def _embedding(esm: str | None, config: PrepareConfig) -> Callable[..., None]:
    """What embeds a prepared store; the language model is loaded at once, so that a missing one is known early."""
    if esm is None:
        return lambda *_: None
    import torch

    from discodock.data.esm import EsmEmbedder
    from discodock.data.prepare_embeddings import check_embeddable, prepare_embeddings

    check_embeddable(config)
    embedder = EsmEmbedder(esm, "cuda" if torch.cuda.is_available() else "cpu")

    def embed(source: Path, out: Path, layout: str, splits: Path | None, workers: int) -> None:
        number = prepare_embeddings(source, out, config, embedder, layout=layout, splits=splits, workers=workers)
        print(f"{number:,} sequences embedded by {esm}, {embedder.size} channels")

    return embed


@contextmanager
def _progress_shown() -> Iterator[Callable[[Progress], None]]:
    """A bar with the time left on a terminal, a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _print_lines()
        return
    note = TextColumn("{task.fields[note]}")
    columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), note)
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("preparing", total=None, note="")

        def show(state: Progress) -> None:
            text = f"{state.num_failed} left out" if state.num_failed else ""
            bar.update(task, completed=state.done, total=state.total or None, note=text)

        yield show


def _print_lines() -> Callable[[Progress], None]:
    """A callback that prints where the run stands every `LINE_INTERVAL` seconds."""
    started = last = time.monotonic()

    def show(state: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LINE_INTERVAL:
            return
        last = now
        left = f", {(now - started) / state.done * (state.total - state.done):.0f} s left" if state.total else ""
        print(
            f"{state.done} of {state.total or 'unknown'} complexes, {state.num_failed} left out{left}",
            file=sys.stderr,
            flush=True,
        )

    return show


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
