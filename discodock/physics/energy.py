"""The energy that fast relaxation lowers: a ligand in its pocket by Vina's terms, and its torsions by MMFF94's."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from discodock.physics.config import EnergyConfig
from discodock.physics.minimise import Evaluated
from discodock.physics.torsions import TorsionSeries
from discodock.physics.vina import (
    CUTOFF,
    VINA,
    InternalPairs,
    Neighbors,
    VinaAtoms,
    VinaWeights,
    find_neighbors,
    intermolecular_energy,
    intramolecular_energy,
)

MARGIN: Final = 1.0
"""Å that atoms may move before their neighbours are looked up again."""


class Pocket:
    """Receptor atoms around P moving poses of a ligand; remembers who is near whom until an atom has moved too far."""

    def __init__(self, start: Tensor, ligand: VinaAtoms, receptor_pos: Tensor, receptor: VinaAtoms) -> None:
        self.ligand, self.receptor_pos, self.receptor = ligand, receptor_pos, receptor
        self._anchor = start.clone()
        self._neighbors = self._find(start)

    def energy(self, pos: Tensor, idx: Tensor, weights: VinaWeights = VINA) -> tuple[Tensor, Tensor]:
        """Energy of poses `idx` at `pos` (A, L, 3), kcal/mol, shape (A,), and its gradient, (A, L, 3)."""
        moved = (pos - self._anchor[idx]).norm(dim=-1).amax(1) > MARGIN
        if moved.any():
            self._renew(pos[moved], idx[moved])
        is_all = len(idx) == len(self._anchor)
        return intermolecular_energy(pos, self._neighbors if is_all else self._neighbors.select(idx), weights)

    def _find(self, pos: Tensor) -> Neighbors:
        return find_neighbors(pos, self.ligand, self.receptor_pos, self.receptor, CUTOFF + MARGIN)

    def _renew(self, pos: Tensor, idx: Tensor) -> None:
        found, known = self._find(pos), self._neighbors
        width = max(found.pos.shape[2], known.pos.shape[2])
        found, known = found.padded(width), known.padded(width)
        for old, new in ((known.pos, found.pos), *zip(known.pairs.tensors, found.pairs.tensors, strict=True)):
            old[idx] = new
        self._anchor[idx] = pos
        self._neighbors = known


class PoseEnergy:
    """An objective of `minimise`: energy of P poses in their pocket, or alone.

    Attributes:
        pocket: receptor atoms around the ligand; None for the free ligand.
        internal: pairs of ligand atoms.
        torsions: torsion energies of the P start poses.
        start: the P start poses, Å, shape (P, L, 3).
    """

    def __init__(
        self,
        start: Tensor,
        pocket: Pocket | None,
        internal: InternalPairs,
        torsions: TorsionSeries,
        config: EnergyConfig,
    ) -> None:
        self.start, self.pocket, self.internal, self.torsions, self.config = start, pocket, internal, torsions, config

    def __call__(self, pos: Tensor, tor: Tensor, idx: Tensor) -> Evaluated:
        """Energy of poses `idx` at `pos` (A, L, 3), with bonds turned by `tor` (A, T) since the start."""
        energy, pos_grad, tor_grad = self._internal(pos, tor, idx)
        if self.pocket is not None:
            outer, outer_grad = self.pocket.energy(pos, idx)
            shift = pos - self.start[idx]
            pull = self.config.restraint / pos.shape[1]
            energy = energy + outer + pull * shift.square().sum((1, 2))
            pos_grad = pos_grad + outer_grad + 2 * pull * shift
        return Evaluated(energy, pos_grad, tor_grad)

    def internal_energy(self, pos: Tensor, tor: Tensor) -> Tensor:
        """Energy within the ligand, kcal/mol, shape (P,), of all poses."""
        return self._internal(pos, tor, torch.arange(len(pos), device=pos.device))[0]

    def _internal(self, pos: Tensor, tor: Tensor, idx: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        energy, pos_grad = intramolecular_energy(pos, self.internal)
        twist, tor_grad = self.torsions.select(idx).energy(tor)
        weight = self.config.torsion_weight
        return energy + weight * twist, pos_grad, weight * tor_grad
