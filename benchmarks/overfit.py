"""Overfit a handful of real complexes from scratch and redock them: the proof that all parts fit together.

    python benchmarks/overfit.py --out runs/overfit

Trains `configs/overfit.yaml` on the eight complexes of `tests/data/complexes`, then redocks each from fresh conformers,
random orientations and torsions, and a centre displaced by 2 Å. Prints the fraction of samples below 2 Å.
"""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from discodock.cli.runtime import raise_allocator_thresholds
from discodock.config import load_config
from discodock.data.prepare import prepare
from discodock.evaluation.evaluate import EvaluationConfig, evaluate
from discodock.evaluation.sources import DockedPoses
from discodock.inference.config import DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.tasks.score_stage import ScoreStageConfig, train_score

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Prepare, train, redock, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/overfit"), help="run folder")
    parser.add_argument("--samples", type=int, default=20, help="poses per complex")
    parser.add_argument("overrides", nargs="*", help="key=value for the configuration")
    arguments = parser.parse_args()
    raise_allocator_thresholds()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    prepared = arguments.out / "prepared"
    prepare(ROOT / "tests/data/complexes", prepared)
    ids = sorted(path.name for path in (ROOT / "tests/data/complexes").iterdir() if path.is_dir())
    fixed = [f"data.root={prepared}", f"data.ids=[{','.join(ids)}]"]
    config = load_config(ROOT / "configs/overfit.yaml", [*fixed, *arguments.overrides], ScoreStageConfig)
    started = time.monotonic()
    weights = train_score(config, arguments.out)
    minutes = (time.monotonic() - started) / 60
    docking = DockingConfig(samples=arguments.samples, threads=1)
    found = evaluate(
        DockedPoses(DockingPipeline(weights, "cpu")),
        ROOT / "tests/data/complexes",
        arguments.out / "redocked",
        EvaluationConfig(docking=docking),
    )
    for row in found.rows:
        print(row["id"], row["status"], "samples < 2 Å:", row["sample_lt2"], "best:", row["oracle_rmsd"])
    print(
        f"samples < 2 Å: {found.metrics['sample_lt2']:.3f} of {arguments.samples} each, {minutes:.1f} min of training"
    )


if __name__ == "__main__":
    main()
