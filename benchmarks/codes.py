"""What discrete codes do for the diffusion: losses, curvature of the generative ODE, success by solver and steps.

    python -m benchmarks.codes --checkpoint runs/prior/prior.safetensors [--data prepared/corpus] [--limit 96]

Everything is measured on complexes of the validation split, side by side in one run with the same noise, for three
sources of codes: none (the learned null codes), oracle (what the encoder reads off the answer), prior (drawn before
docking). Without a trained prior in the checkpoint the third is left out. Intervals are 95 %, by bootstrap over
complexes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from discodock.cli.runtime import raise_allocator_thresholds
from discodock.data.batch import ComplexBatch
from discodock.data.module import DataConfig
from discodock.diffusion.noise import GeneratorNoise
from discodock.diffusion.solvers import SolverConfig
from discodock.inference.network import load_network
from discodock.inference.sample import default_solver
from discodock.latents.categorical import SamplingConfig
from discodock.tasks.prior import unbound_conformers
from discodock.tasks.prior_stage import load_stage_one
from discodock.tasks.redocking import RedockingConfig, graphs, redock, repeat_complexes, sample_poses
from discodock.tasks.score import COMPONENTS, NUM_TIME_BINS, ScoreTask
from discodock.tasks.stages import score_data

STEPS = (2, 3, 5, 10, 20)
CURVATURE_STEPS = 40

Codes = tuple[Tensor, ...] | None
Draw = Callable[[ComplexBatch, Tensor], Codes]
"""(batch, complex of each pose) -> weights of the codes of each pose."""


def main() -> None:
    """Run every comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="file of `discodock train score` or `prior`")
    parser.add_argument("--data", type=Path, default=Path("prepared/corpus"), help="prepared complexes")
    parser.add_argument("--limit", type=int, default=96, help="complexes of the validation split")
    parser.add_argument("--samples", type=int, default=8, help="poses per complex, solver and source of codes")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the prior")
    parser.add_argument("--parts", default="losses,curvature,success", help="which comparisons")
    arguments = parser.parse_args()
    raise_allocator_thresholds()
    torch.set_num_threads(1)
    task = load_stage_one(arguments.checkpoint, 0).eval().requires_grad_(False)
    sources = code_sources(task, arguments.checkpoint, arguments.temperature)
    data = score_data(DataConfig(root=arguments.data, num_val=arguments.limit, batch_size=4), task.config)
    data.setup()
    batches = list(data.val_dataloader())
    print(f"{sum(len(batch.ligand_pos) for batch in batches)} complexes of the validation split, one seed")
    parts = {"losses": compare_losses, "curvature": compare_curvature, "success": compare_success}
    for name in arguments.parts.split(","):
        parts[name](task, sources, batches, arguments.samples)


def code_sources(task: ScoreTask, checkpoint: Path, temperature: float) -> dict[str, Draw]:
    """Where codes come from, by name."""
    assert task.code_encoder is not None
    layout = task.code_encoder.layout
    generator = torch.Generator().manual_seed(0)
    sources: dict[str, Draw] = {
        "none": lambda batch, pose_complex: None,
        "oracle": lambda batch, pose_complex: task.draw_codes(batch, pose_complex, generator).weights,
    }
    network = load_network(checkpoint, torch.device("cpu")).code_prior
    if network is not None:

        def from_prior(batch: ComplexBatch, pose_complex: Tensor) -> Codes:
            center = batch.ligand_pos.new_zeros(len(batch.ligand_pos), 3)
            conformer = unbound_conformers(task.process, batch, pose_complex, generator)
            prior = network.prior(network.encode(*graphs(batch), center), pose_complex, conformer)
            sampling = SamplingConfig(temperature=temperature)
            drawn = prior.sample(len(pose_complex), GeneratorNoise(generator), sampling)
            return layout.one_hot(drawn.codes, prior.masks)

        sources["prior"] = from_prior
    return sources


def compare_losses(task: ScoreTask, sources: dict[str, Draw], batches: list[ComplexBatch], samples: int) -> None:
    """Denoising loss by component and fifth of the time axis, from the same noise."""
    print("\nloss relative to predicting zero, by fifth of the time axis, data to noise")
    values: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for number, batch in enumerate(batches):
        context = task.model.encode(*graphs(batch))
        for time_bin in range(NUM_TIME_BINS):
            generator = torch.Generator().manual_seed(number * NUM_TIME_BINS + time_bin)
            t = (time_bin + torch.rand(samples * len(batch.ligand_pos), generator=generator)) / NUM_TIME_BINS
            poses = task.perturb(batch, t, generator)
            for source, draw in sources.items():
                for name, loss in task.losses(context, poses, draw(batch, poses.pose_complex)).items():
                    values[source, name, time_bin].append(float(loss))
    for name in COMPONENTS:
        for source in sources:
            row = [np.mean(values[source, name, time_bin]) for time_bin in range(NUM_TIME_BINS)]
            print(f"  {name:4} {source:7}" + "".join(f"{value:7.3f}" for value in row) + f"   mean {np.mean(row):.3f}")


def compare_curvature(task: ScoreTask, sources: dict[str, Draw], batches: list[ComplexBatch], samples: int) -> None:
    """Turning of the path of the generative ODE from noise to pose, in the space of all atoms' coordinates."""
    print(
        f"\ncurvature of the ODE, rad: turning of the tangent along {CURVATURE_STEPS} Heun steps, {samples} paths each"
    )
    config = RedockingConfig(num_samples=samples, solver=SolverConfig(solver="heun", steps=CURVATURE_STEPS))
    for source, draw in sources.items():
        turning = []
        for number, batch in enumerate(batches):
            codes = draw(batch, repeat_complexes(batch, samples))
            path = ode_path(task, batch, config, number, codes)
            turning += total_turning(path).view(-1, samples).mean(dim=1).tolist()
        print(f"  {source:7} {with_interval(np.array(turning))}")


def ode_path(task: ScoreTask, batch: ComplexBatch, config: RedockingConfig, seed: int, codes: Codes) -> Tensor:
    """Positions after every step of the solver, Å, shape (steps, P, L, 3)."""
    path: list[Tensor] = []

    def keep(_step: int, pos: Tensor) -> None:
        path.append(pos)

    sample_poses(task.model, task.process, batch, config, seed=seed, codes=codes, on_step=keep)
    return torch.stack(path)


def total_turning(path: Tensor) -> Tensor:
    """Integral of the change of direction along paths (steps, P, L, 3), padding at rest; rad, shape (P,)."""
    tangent = torch.nn.functional.normalize(path.diff(dim=0).flatten(2).double(), dim=-1)  # (steps - 1, P, 3 L)
    cosine = (tangent[1:] * tangent[:-1]).sum(dim=-1).clamp(-1, 1)
    return torch.arccos(cosine).sum(dim=0)


def compare_success(task: ScoreTask, sources: dict[str, Draw], batches: list[ComplexBatch], samples: int) -> None:
    """Poses below 2 Å, and complexes with any, by solver, steps and source of codes."""
    print(f"\nposes below 2 Å, %, {samples} poses per complex (in brackets: complexes with any such pose)")
    for kind in ("low_temperature", "heun", "dpm_solver_pp"):
        for steps in STEPS:
            solver = default_solver(steps) if kind == "low_temperature" else SolverConfig(solver=kind, steps=steps)
            config = RedockingConfig(num_samples=samples, solver=solver)
            for source, draw in sources.items():
                success = [
                    redock(task.model, task.process, batch, config, seed=number, codes=draw(batch, complexes)) < 2
                    for number, batch in enumerate(batches)
                    for complexes in (repeat_complexes(batch, samples),)
                ]
                hits = torch.cat(success).double()
                rate = with_interval(100 * hits.mean(dim=1).numpy())
                print(f"  {kind:16}{steps:3} steps  {source:7} {rate}   ({100 * hits.amax(dim=1).mean():.1f})")


def with_interval(values: np.ndarray) -> str:
    """Mean of one value per complex, with a 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(values, size=(2000, len(values))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{values.mean():6.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
