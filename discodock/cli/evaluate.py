"""`discodock evaluate`: redock crystal complexes and report success rates."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from discodock.cli import options
from discodock.cli.docking_options import docking_command
from discodock.cli.runtime import hide_reader_notes
from discodock.errors import ConfigError
from discodock.inference.config import DockingConfig

if TYPE_CHECKING:
    from discodock.cli.progress import WorkBar
    from discodock.evaluation.evaluate import Evaluation, EvaluationListener
    from discodock.evaluation.sources import PoseSource

HELP = """Redock crystal complexes and write metrics.json, per_complex.csv, groups.csv, docking.yaml and report.md with
its plots.

COMPLEXES_DIR has <id>/protein.pdb and <id>/ligand.sdf (or PDBBind's names), or .tar.xz shards of such; one shard will
do as well. In pocket mode the centre is the crystal ligand's centroid moved by --offset, in blind mode the whole
protein is searched; starting conformers are always built afresh. Complexes that cannot be docked count as failures.
Runs again where it stopped. With --poses nothing is docked: the poses of any other program are judged in the same way.

Exit code: 0 all docked, 1 some or all failed, 2 the command line or an input is unusable."""

Source = Annotated[Path, typer.Argument(metavar="COMPLEXES_DIR", help="Folder of complexes or shards, or one shard.")]
Mode = Annotated[str, typer.Option("--mode", help="pocket: the site is given; blind: it is searched.")]
Limit = Annotated[int | None, typer.Option("--limit", help="A random subset of this many, fixed by the seed.", min=1)]
Split = Annotated[str | None, typer.Option("--split", help="Only this split: train, val or test.")]
Offset = Annotated[float, typer.Option("--offset", help="Displacement of the pocket's centre, Å.", min=0.0)]

Splits = Annotated[
    Path | None,
    typer.Option(
        "--splits",
        metavar="PATH",
        help="What was trained on: a CSV with id, split and cluster, or a folder of train, val and test lists;"
        " success is then told apart by seen and unseen proteins.",
    ),
]
Poses = Annotated[
    Path | None,
    typer.Option("--poses", metavar="DIR", help="Judge these poses instead: <id>.sdf or <id>/poses.sdf, best first."),
]

RankByConfidence = Annotated[
    bool, typer.Option("--rank-by-confidence", help="Rank the --poses by the confidence model instead of their order.")
]


@docking_command(left_out=("cofactors",))
def evaluate(
    docking: DockingConfig,
    source: Source,
    mode: Mode = "pocket",
    out: options.Out = Path("evaluated"),
    limit: Limit = None,
    split: Split = None,
    splits: Splits = None,
    poses: Poses = None,
    rank_by_confidence: RankByConfidence = False,
    offset: Offset = 2.0,
    device: options.Device = "auto",
    checkpoint: options.Checkpoint = None,
) -> int:
    """Evaluate what the command line says; returns the exit code."""
    hide_reader_notes()
    if poses is not None and docking.rescore != "none":
        raise ConfigError("--poses are judged as they are; leave out --rescore")
    if poses is None and rank_by_confidence:
        raise ConfigError("--rank-by-confidence is for --poses; docked poses are ranked by it anyway")
    from discodock.cli.progress import WorkBar
    from discodock.data.datasets.split_table import read_split_table
    from discodock.evaluation.evaluate import EvaluationConfig
    from discodock.evaluation.evaluate import evaluate as evaluate_complexes
    from discodock.inference.outputs import check_writable
    from discodock.inference.relaxation.relax import check_relaxation

    values = {"mode": mode, "split": split, "limit": limit, "offset": offset, "docking": docking}
    config = EvaluationConfig.checked(values, "evaluation")
    check_relaxation(docking.relaxation)
    check_writable(out)
    table = None if splits is None else read_split_table(splits)
    pose_source = _pose_source(poses, checkpoint, device, mode, rank_by_confidence)
    with WorkBar("judging" if poses is not None else "redocking", None) as bar:
        found = evaluate_complexes(pose_source, source, out, config, table=table, listener=_listener(bar))
    _print_metrics(found, out)
    return 0 if found.metrics["failed"] == 0 else 1


def _pose_source(
    poses: Path | None, checkpoint: Path | None, device: str, mode: str, rank_by_confidence: bool
) -> PoseSource:
    from discodock.evaluation.sources import DockedPoses, PoseFolder, RescoredPoses
    from discodock.inference.dock import DockingPipeline

    if poses is not None:
        folder = PoseFolder(poses)
        return RescoredPoses(DockingPipeline(checkpoint, device), folder) if rank_by_confidence else folder
    pipeline = DockingPipeline(checkpoint, device)
    if mode == "blind":
        pipeline.check_pocket(None)
    return DockedPoses(pipeline)


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
    from discodock.evaluation.report import HEADLINES

    metrics = found.metrics
    for name, label in ((name, label) for name, label in HEADLINES.items() if name in metrics):
        low, high = metrics[f"{name}_low"], metrics[f"{name}_high"]
        print(f"{label:26} {metrics[name]:6.1%}   (95 % interval {low:.1%} to {high:.1%})")
    print(f"{'median top-1 RMSD':26} {metrics['median_top1_rmsd']:6.2f} Å")
    counts = f"{metrics['n']:.0f} complexes, {metrics['failed']:.0f} failed"
    seconds = metrics["seconds_per_complex"]
    print(f"{counts}{f', {seconds:.1f} s each' if math.isfinite(seconds) else ''}; report in {out / 'report.md'}")
