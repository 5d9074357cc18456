"""Speed and memory, side by side in one run: where the time of a docking goes and what it depends on.

    python -m benchmarks.speed [--corpus FOLDER] [--repeats 3]

All figures are CPU-seconds of this process (one thread) and ratios between them, but for the comparison of threads;
medians over the repeats, which interleave the things compared. Without a trained checkpoint the network's weights are
random: speed does not depend on them, except that random poses keep leaving the pocket; give the default checkpoint for
honest contact counts.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from discodock.cli.runtime import raise_allocator_thresholds
from discodock.data.batch import collate
from discodock.data.crystal import CrystalComplex, list_complexes, read_complex
from discodock.data.datasets.source import SourceComplex
from discodock.evaluation.displacement import displaced_center
from discodock.inference.config import DEFAULT_RADIUS, DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.pocket import Pocket
from discodock.models.all_atom.score_model import ScoreModel
from discodock.tasks.score import ScoreTask, ScoreTaskConfig
from tests.tiny import COMPLEXES

DIFFDOCK_S_SECONDS_PER_POSE = 5.5
"""CPU-s of DiffDock-S for one pose in 20 steps, receptor of 109 residues, allocator tuned, measured by the maintainers
on a 2-core AMD EPYC with torch 2.13 (10 poses in 55 CPU-s); a yardstick, not measured in this run."""

DOCKING = DockingConfig(samples=40, threads=1, validity=False)
"""40 poses of 80 candidates, by the product's default solver, on one core, without the check of validity."""

RESIDUE_COUNTS = (100, 200, 400, 700, 1000)


def main() -> None:
    """Run every comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder of complexes or shards: cost against receptor size")
    parser.add_argument("--checkpoint", type=Path, help="weights (default: the packaged ones)")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    raise_allocator_thresholds()
    torch.set_num_threads(1)
    pipeline = DockingPipeline(arguments.checkpoint, "cpu")
    complexes = [read_complex(entry) for entry in list_complexes(COMPLEXES) if isinstance(entry, SourceComplex)]
    compare_docking(pipeline, complexes, arguments.repeats)
    compare_threads(pipeline, complexes[0], arguments.repeats)
    compare_convolutions(pipeline, complexes[0], arguments.repeats)
    compare_receptor_sharing(pipeline, complexes[0], arguments.repeats)
    measure_training(complexes, arguments.repeats)
    if arguments.corpus is not None:
        compare_receptor_sizes(pipeline, arguments.corpus, arguments.repeats)


def compare_docking(pipeline: DockingPipeline, complexes: list[CrystalComplex], repeats: int) -> None:
    """Docking as the product does it, but for the check of validity: seconds, and peak memory of the process."""
    seconds = median_seconds({str(i): (lambda c=c: dock(pipeline, c)) for i, c in enumerate(complexes)}, repeats)
    per_pose = statistics.median(seconds.values()) / DOCKING.samples
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"docking, {DOCKING.samples} poses of {DOCKING.num_candidates} candidates, {DOCKING.solver.steps} steps,"
        f" {len(complexes)} complexes: median {statistics.median(seconds.values()):.2f} CPU-s"
        f" ({min(seconds.values()):.2f} to {max(seconds.values()):.2f}), {per_pose:.3f} a pose that is kept;"
        f" peak {peak:.2f} GiB"
    )
    print(f"  DiffDock-S, tuned, over this: {DIFFDOCK_S_SECONDS_PER_POSE / per_pose:.0f} times (published yardstick)")


def compare_threads(pipeline: DockingPipeline, crystal: CrystalComplex, repeats: int) -> None:
    """Docking on one core and on two, by the clock on the wall; honest only on a machine that is otherwise idle."""
    configs = {str(n): DOCKING.with_options({"threads": n}) for n in (1, 2)}
    runs = {name: (lambda c=config: dock(pipeline, crystal, c)) for name, config in configs.items()}
    seconds = median_seconds(runs, repeats, time.perf_counter)
    print(f"docking on one core / on two, wall seconds: {seconds['1']:.2f} / {seconds['2']:.2f}", end="")
    print(f" = {seconds['1'] / seconds['2']:.2f}")


def compare_convolutions(pipeline: DockingPipeline, crystal: CrystalComplex, repeats: int) -> None:
    """The same weights through both tensor products: forward and backward of 16 poses."""
    batch, pos, t = crystal_poses(pipeline, crystal, 16)
    config = pipeline.network.score_model.config
    models = {}
    for kind in ("fused", "e3nn"):
        models[kind] = ScoreModel(config.model_copy(update={"convolution": kind}))
        models[kind].load_state_dict(pipeline.network.score_model.state_dict(), strict=False)

    def step(model: ScoreModel) -> None:
        output = model(model.encode(batch.receptor, batch.ligand), pos, torch.zeros(len(pos), dtype=torch.int64), t)
        (output.tr.square().sum() + output.rot.square().sum() + output.tor.square().sum()).backward()

    seconds = median_seconds({kind: (lambda m=m: step(m)) for kind, m in models.items()}, repeats)
    print(f"convolution, forward + backward: e3nn / fused = {seconds['e3nn'] / seconds['fused']:.2f}")


def compare_receptor_sharing(pipeline: DockingPipeline, crystal: CrystalComplex, repeats: int) -> None:
    """One evaluation of 20 poses with the receptor encoded once, and once for each pose."""
    batch, pos, t = crystal_poses(pipeline, crystal, 20)
    model = pipeline.network.score_model
    idx = torch.zeros(len(pos), dtype=torch.int64)

    def shared() -> None:
        context = model.encode(batch.receptor, batch.ligand)
        for _ in range(4):
            model(context, pos, idx, t)

    def separate() -> None:
        for _ in range(4):
            for i in range(len(pos)):
                model(model.encode(batch.receptor, batch.ligand), pos[i : i + 1], idx[:1], t[i : i + 1])

    with torch.inference_mode():
        seconds = median_seconds({"shared": shared, "separate": separate}, repeats)
    print(f"receptor per pose / once for all, 4 steps of 20 poses: {seconds['separate'] / seconds['shared']:.2f}")


def measure_training(complexes: list[CrystalComplex], repeats: int) -> None:
    """Noised poses trained on per second and core, default configuration, without torch.compile."""
    from discodock.data.crop import crop_complex, crop_radius
    from discodock.data.featurize import PrepareConfig, featurize

    arrays = []
    for crystal in complexes[:6]:
        full = featurize(crystal.receptor, crystal.ligand, PrepareConfig())
        radius = crop_radius(full["ligand_conformer_pos"][0])
        arrays.append(crop_complex(full, full["ligand_pos"].mean(axis=0), radius))
    batch = collate(arrays)
    task = ScoreTask(ScoreTaskConfig(), max_steps=1)
    optimizer = torch.optim.AdamW(task.parameters())
    num_poses = len(arrays) * task.config.poses_per_complex
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        poses = task.perturb(batch, torch.rand(num_poses, generator=generator), generator)
        losses = task.losses(task.model.encode(batch.receptor, batch.ligand), poses)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()

    seconds = median_seconds({"step": step}, repeats)["step"]
    print(f"training: {num_poses / seconds:.0f} noisy poses per second and core")


def compare_receptor_sizes(pipeline: DockingPipeline, corpus: Path, repeats: int) -> None:
    """Pocket docking of ligands of 20 to 30 heavy atoms into receptors of about 100 to 1,000 residues: seconds."""
    found: dict[int, CrystalComplex] = {}
    for entry in list_complexes(corpus, "val"):
        if not isinstance(entry, SourceComplex):
            continue
        crystal = read_complex(entry)
        size = len(crystal.receptor.residue_labels)
        for wanted in RESIDUE_COUNTS:
            if abs(size - wanted) < 0.1 * wanted and 20 <= len(crystal.crystal_pos) <= 30:
                found.setdefault(wanted, crystal)
        if len(found) == len(RESIDUE_COUNTS):
            break
    seconds = median_seconds({str(k): (lambda c=c: dock(pipeline, c)) for k, c in sorted(found.items())}, repeats)
    for wanted, crystal in sorted(found.items()):
        num_residues, num_atoms = len(crystal.receptor.residue_labels), len(crystal.crystal_pos)
        print(f"receptor of {num_residues} residues, {num_atoms} ligand atoms: {seconds[str(wanted)]:.2f} CPU-s")


def dock(pipeline: DockingPipeline, crystal: CrystalComplex, config: DockingConfig = DOCKING) -> None:
    """Dock at a displaced centre with the product's settings, without the check of validity."""
    center = displaced_center(crystal.crystal_pos, 2.0, 0, crystal.ligand.name)
    pocket = Pocket(center, DEFAULT_RADIUS, "benchmark")
    pipeline.dock(crystal.receptor, crystal.ligand, pocket, config)


def crystal_poses(pipeline: DockingPipeline, crystal: CrystalComplex, num_poses: int):  # noqa: ANN201
    """The crystal complex as a batch of one, with noisy copies of its pose at spread times."""
    from discodock.data.crop import crop_complex, crop_radius
    from discodock.data.featurize import PrepareConfig, featurize

    full = featurize(crystal.receptor, crystal.ligand, PrepareConfig(num_conformers=1))
    radius = crop_radius(full["ligand_conformer_pos"][0])
    batch = collate([crop_complex(full, np.mean(full["ligand_pos"], axis=0), radius)])
    topology = batch.ligand.topology.select(torch.zeros(num_poses, dtype=torch.int64))
    t = torch.linspace(0.05, 1, num_poses)
    noise = torch.Generator().manual_seed(0)
    clean = batch.ligand_pos.expand(num_poses, -1, -1)
    return batch, pipeline.network.process.perturb(clean, topology, t, noise).pos, t


def median_seconds(
    actions: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Median seconds of each action over interleaved repeats, after one warm-up each; CPU-seconds by default."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for repeat in range(repeats + 1):
        for name, action in actions.items():
            started = clock()
            action()
            if repeat > 0:
                times[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    main()
