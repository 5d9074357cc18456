"""The pose codes of samples: drawn from the prior before anything is docked, and told in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from discodock.diffusion.pose_space import conformers_in_turn
from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.inference.config import PoseCodeConfig
from discodock.inference.network import DockingNetwork
from discodock.latents.categorical import NULL_CODE
from discodock.latents.dropout import drop_codes
from discodock.latents.quasi_random import low_discrepancy_uniforms
from discodock.latents.registry import CodeLayout
from discodock.models.code_nodes import first_residue
from discodock.noise import Purpose, StreamNoise

LOCAL_FRACTION: Final = 0.5
"""Of the poses in a given site that have codes: poses of both kinds find more than those of either (experiments.md)."""

GOLDEN_RATIO: Final = (5**0.5 - 1) / 2
"""Its multiples fill the unit interval evenly (Weyl's sequence)."""


@dataclass(frozen=True)
class PoseCodes:
    """Codes of P poses.

    Attributes:
        weights: one-hot rows of every code, shape (P, N_i).
        code_values: choice of each code: the number of a heavy atom, of a residue of the complex, or of a codebook
            entry; codes that choose among atoms and residues count on from the last heavy atom. Shape (P, num_codes).
    """

    weights: tuple[Tensor, ...]
    code_values: Tensor


class PoseCodeSampler:
    """The prior of one receptor and one ligand, encoded once and ready to draw the codes of any poses of it.

    Args:
        network: network with a prior of codes.
        receptor: receptor around the origin.
        ligand: the unbound ligand.
        conformers: conformers of the ligand in Å, shape (1, C, L, 3); taken in turn by the poses.
    """

    def __init__(
        self, network: DockingNetwork, receptor: ReceptorGraph, ligand: LigandGraph, conformers: Tensor
    ) -> None:
        assert network.code_prior is not None
        self.network, self.prior = network, network.code_prior
        self.topology, self.conformers = ligand.topology, conformers
        self.context = self.prior.encode(receptor, ligand, receptor.pos.new_zeros(len(receptor.pos), 3))

    def draw(self, numbers: Sequence[int], seed: int, config: PoseCodeConfig) -> PoseCodes:
        """Draw codes; those of a pose depend on the seed and its own number alone.

        Poses with consecutive numbers cover the prior evenly, with fewer repeats than independent draws.

        Args:
            numbers: numbers of the poses.
            seed: seed of all random numbers.
            config: settings of drawing codes.
        """
        pose_complex = torch.zeros(len(numbers), dtype=torch.int64, device=self.conformers.device)  # all of one complex
        start = conformers_in_turn(self.conformers, pose_complex, numbers)
        # Priors that read a conformer read one of random orientation and torsions, at the centre: nothing of a pose.
        unbound = self.network.process.prior_sample(
            start,
            self.topology.select(pose_complex),
            start.new_zeros(len(start), 3),
            StreamNoise(seed, numbers, Purpose.CONFORMERS),
        )
        prior = self.prior.prior(self.context, pose_complex, unbound)
        sampling = config.draw or self.network.code_sampling
        uniforms = low_discrepancy_uniforms(seed, numbers, self.prior.layout.num_codes)
        codes = prior.sample(len(numbers), uniforms.to(start.device, start.dtype), sampling).codes
        # Some poses go without codes, as some did in training: they find what the prior does not think of.
        codes = drop_codes(codes, has_codes(numbers, self._fraction(config), codes.device)[:, None])
        return PoseCodes(self.prior.layout.one_hot(codes, prior.masks), self._values(codes))

    def _fraction(self, config: PoseCodeConfig) -> float:
        default = 1.0 if self.network.whole_receptor else LOCAL_FRACTION
        return default if config.fraction is None else config.fraction

    def _values(self, codes: Tensor) -> Tensor:
        """Codes with rows of residues replaced by the numbers of residues."""
        residue_idx, num_atoms = self.context.nodes.residue_idx[0], self.conformers.shape[2]
        columns = []
        for space, column in zip(self.prior.layout.spaces, codes.unbind(1), strict=True):
            first = first_residue(space, num_atoms)
            if first is not None:
                numbers = residue_idx[(column - first).clamp(min=0)]
                column = torch.where(column >= first, first + numbers, column)
            columns.append(column)
        return torch.stack(columns, dim=1)


def has_codes(numbers: Sequence[int], fraction: float, device: torch.device) -> Tensor:
    """Which poses are drawn with codes, evenly spread over the numbers, bool, shape (len(numbers),).

    Args:
        numbers: numbers of the poses.
        fraction: fraction of all poses.
        device: device of the result.
    """
    turns = torch.tensor(list(numbers), dtype=torch.float64, device=device) * GOLDEN_RATIO
    return turns.frac() < fraction


def code_labels(
    layout: CodeLayout, code_values: Sequence[int], atom_names: Sequence[str], residue_names: Sequence[str]
) -> list[str]:
    """Codes of one pose in words, such as ["atom=N12", "near=A:ASP86", "code=7"]; null codes are left out.

    Args:
        layout: layout of the codes.
        code_values: values of the codes of one pose, as in `PoseCodes`.
        atom_names: names of the ligand's heavy atoms.
        residue_names: names of the complex's residues.
    """
    labels = []
    for space, value in zip(layout.spaces, code_values, strict=True):
        first = first_residue(space, len(atom_names))
        if value == NULL_CODE:
            continue
        if space.node_set is None:
            labels.append(f"code={value}")
        elif first is not None and value >= first:
            labels.append(f"near={residue_names[value - first]}")
        else:
            labels.append(f"atom={atom_names[value]}")
    return labels


def pointed_residues(
    layout: CodeLayout, code_values: Sequence[int], num_atoms: int, residue_names: Sequence[str]
) -> tuple[str, ...]:
    """The residues that the codes of one pose point at, such as ("A:ASP86",); arguments as of `code_labels`."""
    firsts = [first_residue(space, num_atoms) for space in layout.spaces]
    rows = zip(code_values, firsts, strict=True)
    return tuple(residue_names[value - first] for value, first in rows if first is not None and value >= first)
