"""Ligand poses as a space that solvers can walk, and the reverse process with a network in it: how poses are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from discodock.diffusion.path import PathSchedule, PosePath
from discodock.diffusion.process import PoseProcess, draw_unit_tangent
from discodock.diffusion.solvers import SolverConfig, solve
from discodock.diffusion.spaces import Components, Schedule
from discodock.geometry.pose import PoseTangent, update_pose
from discodock.geometry.topology import LigandTopology
from discodock.noise import NoiseLike


class PoseSpace:
    """R^3 x SO(3) x T^k for a batch of P poses; the state is their positions in Å, shape (P, L, 3).

    Args:
        process: noise schedules of the components.
        topology: rotatable bonds and padding of the poses.
        path: times of the components; None for one time that all share.
    """

    def __init__(self, process: PoseProcess, topology: LigandTopology, path: PosePath | None = None) -> None:
        config = process.config
        self.schedules: tuple[Schedule, ...] = (config.tr, config.rot, config.tor)
        if path is not None:
            self.schedules = (
                PathSchedule(config.tr, path.tr),
                PathSchedule(config.rot, path.rot),
                PathSchedule(config.tor, path.tor),
            )
        self.topology = topology

    def components(self, tangent: PoseTangent) -> Components:
        """(tr, rot, tor), shapes (P, 3), (P, 3), (P, T)."""
        return (tangent.tr, tangent.rot, tangent.tor)

    def retract(self, state: Tensor, step: Components) -> Tensor:
        """Move by `update_pose`, which follows the flow of the tangent vector to second order."""
        return update_pose(state, self.topology, PoseTangent(*step))

    def unit_noise(self, state: Tensor, source: NoiseLike) -> Components:
        """Standard normals for every degree of freedom, zero at padded bonds."""
        return self.components(draw_unit_tangent(self.topology, source, like=state))


def conformers_in_turn(conformers: Tensor, pose_complex: Tensor, numbers: Sequence[int]) -> Tensor:
    """The conformer that each pose starts from: those of a ligand are taken in turn by the numbers of its poses.

    Args:
        conformers: conformers of the ligands of B complexes in Å, shape (B, C, L, 3).
        pose_complex: complex of each pose, int64, shape (P,).
        numbers: number of each pose, which also names its random stream.

    Returns:
        Positions in Å, shape (P, L, 3).
    """
    return conformers[pose_complex, [number % conformers.shape[1] for number in numbers]]


@dataclass(frozen=True)
class ReverseProcess:
    """The way of P poses from the prior to the data, by the scores of a network.

    Attributes:
        network: unit-scale outputs for (positions (P, L, 3), times (P,), or (P, 3) along a path).
        process: process that the network was trained for, which scales outputs to scores and knows the noise.
        topology: rotatable bonds and padding of the poses.
        config: solver, steps and time grid; a Karras grid spaces the translation noise.
        path: times of the components, for networks with `component_times`; None for one time that all share.
    """

    network: Callable[[Tensor, Tensor], PoseTangent]
    process: PoseProcess
    topology: LigandTopology
    config: SolverConfig
    path: PosePath | None = None

    def draw(
        self, conformer_pos: Tensor, noise: NoiseLike, on_step: Callable[[int, Tensor], None] | None = None
    ) -> Tensor:
        """Draw poses around the origin: from the prior, and from there to the data.

        Args:
            conformer_pos: conformers to start from in Å, shape (P, L, 3); see `conformers_in_turn`.
            noise: generator or noise source; `StreamNoise` makes poses independent of their batch.
            on_step: callback for (steps done, positions) after each step.

        Returns:
            Positions in Å, shape (P, L, 3).
        """
        center = conformer_pos.new_zeros(len(conformer_pos), 3)
        tor_start = 1.0 if self.path is None else self.path.tor.start
        start = self.process.prior_sample(conformer_pos, self.topology, center, noise, tor_start=tor_start)
        return self.denoise(start, noise, on_step)

    def denoise(self, pos: Tensor, noise: NoiseLike, on_step: Callable[[int, Tensor], None] | None = None) -> Tensor:
        """The same from given poses of the prior, of `PoseProcess.prior_sample`, Å, shape (P, L, 3)."""
        times = self.config.times(self.process.config.tr)
        space = PoseSpace(self.process, self.topology, self.path)
        return solve(self._score, space, pos, times, noise, config=self.config, on_step=on_step)

    def _score(self, pos: Tensor, t: float) -> PoseTangent:
        times = pos.new_full((len(pos),), t)
        if self.path is not None:
            times = self.path.times(times)
        return self.process.to_score(self.network(pos, times), times)
