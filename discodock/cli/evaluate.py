"""`discodock evaluate`: redock crystal complexes and report success rates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from discodock.cli import options
from discodock.cli.runtime import hide_reader_notes
from discodock.errors import ConfigError

if TYPE_CHECKING:
    from discodock.cli.progress import WorkBar
    from discodock.evaluation.evaluate import Evaluation, EvaluationListener

HELP = """Redock crystal complexes and write metrics.json and per_complex.csv.

COMPLEXES_DIR has <id>/protein.pdb and <id>/ligand.sdf (or PDBBind's names), or .tar.xz shards of such; one shard will
do as well. In pocket mode the centre is the crystal ligand's centroid moved by --offset, in blind mode the whole
protein is searched; starting conformers are always built afresh. Complexes that cannot be docked count as failures.
Runs again where it stopped.

Exit code: 0 all docked, 1 some or all failed, 2 the command line or an input is unusable."""

Source = Annotated[Path, typer.Argument(metavar="COMPLEXES_DIR", help="Folder of complexes or shards, or one shard.")]
Mode = Annotated[str, typer.Option("--mode", help="pocket: the site is given; blind: it is searched.")]
Limit = Annotated[int | None, typer.Option("--limit", help="A random subset of this many, fixed by the seed.", min=1)]
Split = Annotated[str | None, typer.Option("--split", help="Only this split: train, val or test.")]
Offset = Annotated[float, typer.Option("--offset", help="Displacement of the pocket's centre, Å.", min=0.0)]

MODES = ("pocket", "blind")

ROWS = {
    "top-1 < 2 Å": "top1_lt2",
    "top-5 < 2 Å": "top5_lt2",
    "any < 2 Å": "oracle_lt2",
    "samples < 2 Å": "sample_lt2",
    "top-1 < 5 Å": "top1_lt5",
    "top-1 centroid < 2 Å": "centroid_top1_lt2",
    "first site < 6 Å": "site_top1_lt6",
    "any of 5 sites < 6 Å": "site_top5_lt6",
}


def evaluate(
    source: Source,
    mode: Mode = "pocket",
    out: options.Out = Path("evaluated"),
    samples: options.Samples = options.DEFAULT_SAMPLES,
    limit: Limit = None,
    split: Split = None,
    offset: Offset = 2.0,
    steps: options.Steps = options.DEFAULT_STEPS,
    solver: options.Solver = None,
    guidance: options.Guidance = 0.0,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    checkpoint: options.Checkpoint = None,
    batch_size: options.BatchSize = None,
) -> int:
    """Evaluate what the command line says; returns the exit code."""
    hide_reader_notes()
    if mode not in MODES:
        raise ConfigError(f"--mode {mode} is unknown; give one of {', '.join(MODES)}")
    sampling = options.sampling_config(samples, steps, solver, seed, batch_size, guidance)
    from discodock.cli.progress import WorkBar
    from discodock.evaluation.evaluate import EvaluationConfig
    from discodock.evaluation.evaluate import evaluate as evaluate_complexes
    from discodock.inference.dock import Docker
    from discodock.inference.outputs import check_writable

    config = EvaluationConfig(
        mode="blind" if mode == "blind" else "pocket", split=split, limit=limit, offset=offset, sampling=sampling
    )
    check_writable(out)
    docker = Docker(checkpoint, device)
    if mode == "blind":
        docker.check_pocket(None)
    with WorkBar("redocking", None) as bar:
        found = evaluate_complexes(docker, source, out, config, listener=_listener(bar))
    _print_metrics(found, out)
    return 0 if found.metrics["failed"] == 0 else 1


def _listener(bar: WorkBar) -> EvaluationListener:
    """Shows an evaluation on a bar."""
    from discodock.evaluation.evaluate import EvaluationListener

    class BarListener(EvaluationListener):
        def planned(self, num_complexes: int) -> None:
            bar.set_total(num_complexes)

        def finished(self, row: dict[str, str], *, is_kept: bool) -> None:
            is_ok = row["status"] == "ok"
            text = f"top-1 {row['top1_rmsd']} Å, best {row['oracle_rmsd']} Å" if is_ok else f"failed: {row['message']}"
            bar.item_done(f"{row['id']}: {text}", is_notable=not is_ok)

    return BarListener()


def _print_metrics(found: Evaluation, out: Path) -> None:
    metrics = found.metrics
    for label, name in ((label, name) for label, name in ROWS.items() if name in metrics):
        low, high = metrics[f"{name}_low"], metrics[f"{name}_high"]
        print(f"{label:22} {metrics[name]:6.1%}   (95 % interval {low:.1%} to {high:.1%})")
    print(f"{'median top-1 RMSD':22} {metrics['median_top1_rmsd']:6.2f} Å")
    counts = f"{metrics['n']:.0f} complexes, {metrics['failed']:.0f} failed"
    print(f"{counts}, {metrics['seconds_per_complex']:.1f} s each; tables in {out}")
