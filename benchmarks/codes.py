"""What discrete codes do for the diffusion: losses, curvature of the generative ODE, success by solver and steps.

    python -m benchmarks.codes --checkpoint runs/prior/prior.safetensors [--control runs/score/score.safetensors]

Everything is measured on complexes of the validation split, side by side in one run with the same noise, for several
sources of codes: none (the learned null codes), oracle (what the encoder reads off the answer), prior (drawn before
docking, at each of the temperatures) if the checkpoint has a prior, and, given a control, that network, which has no
codes. Intervals are 95 %, by bootstrap over complexes. The part `usage` says what the encoder's codes point at.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from discodock.cli.runtime import raise_allocator_thresholds
from discodock.data.batch import ComplexBatch, repeat_complexes
from discodock.data.module import DataConfig
from discodock.diffusion.solvers import SolverConfig
from discodock.inference.config import pose_solver
from discodock.inference.network import load_network
from discodock.latents.code_sampling import CodeSampling
from discodock.latents.diagnostics import NATS_PER_BIT, code_usage, mutual_information, shuffled_mutual_information
from discodock.latents.registry import stack_hard_codes
from discodock.latents.space import CodeSpace
from discodock.models.checkpoint import load_checkpoint
from discodock.models.registry import AnyCodePrior
from discodock.tasks.code_baseline import NodeKinds, node_kinds
from discodock.tasks.codes import encode_unbound
from discodock.tasks.prior import unbound_conformers
from discodock.tasks.prior_stage import load_stage_one
from discodock.tasks.redocking import RedockingConfig, redock, sample_poses
from discodock.tasks.score import COMPONENTS, NUM_TIME_BINS, ScoreTask, ScoreTaskConfig
from discodock.tasks.score_stage import score_data, start_score_task

CURVATURE_STEPS = 40

Codes = tuple[Tensor, ...] | None
Draw = Callable[[ComplexBatch, Tensor], Codes]
"""(batch, complex of each pose) -> weights of the codes of each pose."""


def main() -> None:
    """Run every comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="file of `discodock train score` or `prior`")
    parser.add_argument("--control", type=Path, help="file of `discodock train score` without codes")
    parser.add_argument("--data", type=Path, default=Path("prepared/corpus"), help="prepared complexes")
    parser.add_argument("--limit", type=int, default=96, help="complexes of the validation split")
    parser.add_argument("--samples", type=int, default=8, help="poses per complex, solver and source of codes")
    parser.add_argument("--temperatures", default="1,0.22", help="of the prior; 0.22 is DisCo-DiffDock's")
    parser.add_argument("--solvers", default="low_temperature,heun,dpm_solver_pp", help="for the success")
    parser.add_argument("--steps", default="2,3,5,10,20", help="of each solver")
    parser.add_argument("--parts", default="losses,curvature,success", help="which comparisons; usage too")
    arguments = parser.parse_args()
    raise_allocator_thresholds()
    torch.set_num_threads(1)
    temperatures = [float(value) for value in arguments.temperatures.split(",")]
    sources = code_sources(arguments.checkpoint, temperatures)
    if arguments.control is not None:
        sources["control"] = Source(load_plain(arguments.control), lambda batch, pose_complex: None)
    config = DataConfig(root=arguments.data, num_val=arguments.limit, batch_size=4)
    data = score_data(config, sources["none"].task.config)
    data.setup()
    batches = list(data.val_dataloader())
    print(f"{sum(len(batch.ligand_pos) for batch in batches)} complexes of the validation split, one seed")
    solvers = [(kind, int(steps)) for kind in arguments.solvers.split(",") for steps in arguments.steps.split(",")]
    parts = {
        "losses": lambda: compare_losses(sources, batches, arguments.samples),
        "curvature": lambda: compare_curvature(sources, batches, arguments.samples),
        "success": lambda: compare_success(sources, batches, arguments.samples, solvers),
        "usage": lambda: describe_usage(sources["oracle"], prior_of(arguments.checkpoint), batches, arguments.samples),
    }
    for name in arguments.parts.split(","):
        parts[name]()


@dataclass(frozen=True)
class Source:
    """A score model in evaluation mode, and where the codes of its poses come from."""

    task: ScoreTask
    draw: Draw


def code_sources(checkpoint: Path, temperatures: list[float]) -> dict[str, Source]:
    """Where codes come from, by name."""
    task = load_stage_one(checkpoint, 0).eval().requires_grad_(False)
    assert task.code_encoder is not None
    layout = task.code_encoder.layout
    generator = torch.Generator().manual_seed(0)
    sources = {
        "none": Source(task, lambda batch, pose_complex: None),
        "oracle": Source(task, lambda batch, pose_complex: task.draw_codes(batch, pose_complex, generator).weights),
    }
    network = prior_of(checkpoint)
    if network is None:
        return sources

    def from_prior(batch: ComplexBatch, pose_complex: Tensor, temperature: float) -> Codes:
        conformer = unbound_conformers(task.process, batch, pose_complex, generator)
        prior = network.prior(encode_unbound(network, batch), pose_complex, conformer)
        drawn = prior.sample(len(pose_complex), generator, CodeSampling(temperature=temperature))
        return layout.one_hot(drawn.codes, prior.masks)

    for temperature in temperatures:
        sources[f"prior {temperature:g}"] = Source(task, partial(from_prior, temperature=temperature))
    return sources


def prior_of(checkpoint: Path) -> AnyCodePrior | None:
    """The prior of a file, in evaluation mode; None if it has none."""
    return load_network(checkpoint, torch.device("cpu")).code_prior


def load_plain(path: Path) -> ScoreTask:
    """A score model without codes, in evaluation mode."""
    config = load_checkpoint(path).config
    task = ScoreTask(ScoreTaskConfig.model_validate({name: config[name] for name in ("model", "process")}), 1)
    start_score_task(task, path)
    return task.eval().requires_grad_(False)


@torch.no_grad()
def describe_usage(oracle: Source, network: AnyCodePrior | None, batches: list[ComplexBatch], samples: int) -> None:
    """What the encoder's codes choose by kind of node, what two codes tell of each other, and what the prior says."""
    assert oracle.task.code_encoder is not None
    layout, generator = oracle.task.code_encoder.layout, torch.Generator().manual_seed(0)
    kinds, nats = [], []
    for batch in batches:
        pose_complex = repeat_complexes(batch, samples)
        weights = oracle.draw(batch, pose_complex)
        assert weights is not None
        codes = stack_hard_codes(weights)
        kinds.append(chosen_kinds(layout.spaces, node_kinds(batch), codes, pose_complex))
        if network is not None:
            conformer = unbound_conformers(oracle.task.process, batch, pose_complex, generator)
            prior = network.prior(encode_unbound(network, batch), pose_complex, conformer)
            nats += (-prior.log_prob(codes)).view(-1, samples).mean(dim=1).tolist()
    print(f"\nusage of the encoder's codes by kind of node, {samples} draws per complex")
    print_usage(layout.spaces, torch.cat(kinds))
    if nats:
        print(f"  all codes under the prior, nats: {with_interval(np.array(nats))}")


def chosen_kinds(spaces: Sequence[CodeSpace], kinds: NodeKinds, codes: Tensor, pose_complex: Tensor) -> Tensor:
    """Kind of what every code chose: of the node, or the entry of a codebook itself; int64, shape (P, num_codes)."""
    columns = [
        column if space.node_set is None else kinds.of(space.node_set)[pose_complex, column]
        for space, column in zip(spaces, codes.unbind(1), strict=True)
    ]
    return torch.stack(columns, dim=1)


def print_usage(spaces: Sequence[CodeSpace], kinds: Tensor) -> None:
    """Usage of each code by kind (P, num_codes); mutual information of each two, beside that of shuffled ones."""
    for number, (space, column) in enumerate(zip(spaces, kinds.unbind(1), strict=True)):
        into = space.node_set or space.kind
        num_kinds = space.num_entries or NodeKinds.number(into)
        usage = code_usage(column, num_kinds)
        print(
            f"  code {number} ({into}): {100 * usage.used:.0f} % of {num_kinds} kinds,"
            f" perplexity {usage.perplexity:.1f}, entropy {usage.entropy / NATS_PER_BIT:.2f} bits"
        )
    generator = torch.Generator().manual_seed(0)
    for first, second in combinations(range(len(spaces)), 2):
        known = mutual_information(kinds[:, first], kinds[:, second]) / NATS_PER_BIT
        chance = shuffled_mutual_information(kinds[:, first], kinds[:, second], generator) / NATS_PER_BIT
        print(
            f"  codes {first} and {second} tell {known:.2f} bits of each other's kind,"
            f" shuffled {chance.mean():.2f} (at most {chance.max():.2f})"
        )


def compare_losses(sources: dict[str, Source], batches: list[ComplexBatch], samples: int) -> None:
    """Denoising loss by component and fifth of the time axis, from the same noise."""
    print("\nloss relative to predicting zero, by fifth of the time axis, data to noise")
    values: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for number, batch in enumerate(batches):
        contexts = {id(each.task): each.task.model.encode(batch.receptor, batch.ligand) for each in sources.values()}
        perturb = sources["none"].task.perturb
        for time_bin in range(NUM_TIME_BINS):
            generator = torch.Generator().manual_seed(number * NUM_TIME_BINS + time_bin)
            t = (time_bin + torch.rand(samples * len(batch.ligand_pos), generator=generator)) / NUM_TIME_BINS
            poses = perturb(batch, t, generator)
            for source, each in sources.items():
                codes = each.draw(batch, poses.pose_complex)
                for name, loss in each.task.losses(contexts[id(each.task)], poses, codes).items():
                    values[source, name, time_bin].append(float(loss))
    for name in COMPONENTS:
        for source in sources:
            row = [np.mean(values[source, name, time_bin]) for time_bin in range(NUM_TIME_BINS)]
            print(f"  {name:4} {source:10}" + "".join(f"{value:7.3f}" for value in row) + f"   mean {np.mean(row):.3f}")


def compare_curvature(sources: dict[str, Source], batches: list[ComplexBatch], samples: int) -> None:
    """Turning of the path of the generative ODE from noise to pose, in the space of all atoms' coordinates."""
    print(
        f"\ncurvature of the ODE, rad: turning of the tangent along {CURVATURE_STEPS} Heun steps, {samples} paths each"
    )
    config = RedockingConfig(num_samples=samples, solver=SolverConfig(solver="heun", steps=CURVATURE_STEPS))
    for source, each in sources.items():
        turning = []
        for number, batch in enumerate(batches):
            codes = each.draw(batch, repeat_complexes(batch, samples))
            path = ode_path(each.task, batch, config, number, codes)
            turning += total_turning(path).view(-1, samples).mean(dim=1).tolist()
        print(f"  {source:10} {with_interval(np.array(turning))}")


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


def compare_success(
    sources: dict[str, Source], batches: list[ComplexBatch], samples: int, solvers: list[tuple[str, int]]
) -> None:
    """Poses below 2 Å, and complexes with any, by solver, steps and source of codes."""
    print(f"\nposes below 2 Å, %, {samples} poses per complex (in brackets: complexes with any such pose)")
    for kind, steps in solvers:
        solver = pose_solver(SolverConfig(solver=kind, steps=steps))
        config = RedockingConfig(num_samples=samples, solver=solver)
        for source, each in sources.items():
            success = []
            for number, batch in enumerate(batches):
                codes = each.draw(batch, repeat_complexes(batch, samples))
                success.append(redock(each.task.model, each.task.process, batch, config, seed=number, codes=codes) < 2)
            hits = torch.cat(success).double()
            rate = with_interval(100 * hits.mean(dim=1).numpy())
            print(
                f"  {kind:16}{steps:3} steps  {source:10} {rate}   ({100 * hits.amax(dim=1).mean():.1f})",
                flush=True,
            )


def with_interval(values: np.ndarray) -> str:
    """Mean of one value per complex, with a 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(values, size=(2000, len(values))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{values.mean():6.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
