"""Redocking during validation: sampled poses against the crystal's, without RDKit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor

from discodock.data.batch import ComplexBatch, repeat_complexes
from discodock.diffusion.pose_space import ReverseProcess, conformers_in_turn
from discodock.diffusion.process import PoseProcess
from discodock.diffusion.solvers import SolverConfig
from discodock.geometry.rmsd import symmetric_rmsd
from discodock.models.registry import AnyScoreModel
from discodock.noise import Purpose, StreamNoise
from discodock.settings import Settings


class RedockingConfig(Settings):
    """How many poses are sampled for each validation complex, and how."""

    num_samples: int = Field(8, ge=0, description="poses per complex; 0 skips redocking")
    solver: SolverConfig = Field(default_factory=SolverConfig, description="solver and its steps")


def redock(
    model: AnyScoreModel,
    process: PoseProcess,
    batch: ComplexBatch,
    config: RedockingConfig,
    *,
    seed: int,
    codes: tuple[Tensor, ...] | None = None,
) -> Tensor:
    """Symmetry-corrected RMSD of poses from `sample_poses` to the crystal's, Å, shape (B, num_samples)."""
    pos = sample_poses(model, process, batch, config, seed=seed, codes=codes)
    pose_complex = repeat_complexes(batch, config.num_samples)
    topology = batch.ligand.topology.select(pose_complex)
    rmsd = symmetric_rmsd(pos, batch.ligand_pos[pose_complex], batch.automorphisms[pose_complex], topology.atom_mask)
    return rmsd.view(-1, config.num_samples)


@torch.no_grad()
def sample_poses(
    model: AnyScoreModel,
    process: PoseProcess,
    batch: ComplexBatch,
    config: RedockingConfig,
    *,
    seed: int,
    codes: tuple[Tensor, ...] | None = None,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Sample poses from random orientations and torsions at the (displaced) centre of each complex's crop.

    Args:
        model: score model in evaluation mode.
        process: process that it was trained for.
        batch: the complexes.
        config: number of poses, and the solver.
        seed: seed of all random numbers.
        codes: weights (B * num_samples, N_i) of every code; None for no codes.
        on_step: callback for (steps done, positions) after each step.

    Returns:
        Positions in Å, shape (B * num_samples, L, 3), those of a complex in a row.
    """
    pose_complex = repeat_complexes(batch, config.num_samples)
    numbers = range(len(pose_complex))
    context = model.encode(batch.receptor, batch.ligand)
    reverse = ReverseProcess(
        lambda pos, t: model(context, pos, pose_complex, t, codes),
        process,
        batch.ligand.topology.select(pose_complex),
        config.solver,
    )
    start = conformers_in_turn(batch.conformer_pos, pose_complex, numbers)
    return reverse.draw(start, StreamNoise(seed, numbers, Purpose.POSES), on_step)
