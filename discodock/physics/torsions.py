"""Torsion energy of rotatable bonds as a short Fourier series of how far each has been turned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from discodock.geometry.torsions import dihedral


@dataclass(frozen=True)
class TorsionSeries:
    """E = constant + sum over bonds b and n = 1, 2, 3 of cos[b, n] cos(n x_b) + sin[b, n] sin(n x_b), x = turned by.

    Bond lengths and angles stay as they are, so that all dihedrals across a bond turn by one angle.

    Attributes:
        constant: constant term of each pose, kcal/mol, shape (P,).
        cos: cosine coefficients of each bond, kcal/mol, shape (P, T, 3).
        sin: sine coefficients of each bond, kcal/mol, shape (P, T, 3).
    """

    constant: Tensor
    cos: Tensor
    sin: Tensor

    @classmethod
    def zero(cls, num_poses: int, num_bonds: int, like: Tensor) -> TorsionSeries:
        """No energy at all, of the dtype and device of `like`."""
        flat = like.new_zeros(num_poses, num_bonds, 3)
        return cls(flat.new_zeros(num_poses), flat, flat)

    @classmethod
    def of(cls, corners: Tensor, bond: Tensor, barrier: Tensor, num_bonds: int) -> TorsionSeries:
        """The series of terms (V1 (1 + cos a) + V2 (1 - cos 2a) + V3 (1 + cos 3a)) / 2 about each bond.

        Args:
            corners: four atoms of each of Q terms in each pose, Å, shape (P, Q, 4, 3).
            bond: bond of each term, shape (Q,).
            barrier: V1, V2, V3 in kcal/mol, shape (Q, 3).
            num_bonds: number of rotatable bonds, T.

        Source: Halgren 1996, doi 10.1002/(SICI)1096-987X(199604)17:5/6<490::AID-JCC1>3.0.CO;2-P, equation 7.
        """
        angle = dihedral(*corners.unbind(2))[..., None] * torch.arange(1, 4, device=corners.device)  # (P, Q, 3)
        amplitude = barrier / 2 * barrier.new_tensor([1.0, -1.0, 1.0])
        flat = corners.new_zeros(len(corners), num_bonds, 3)
        cos = flat.index_add(1, bond, amplitude * angle.cos())
        sin = flat.index_add(1, bond, -amplitude * angle.sin())
        return cls((barrier / 2).sum().expand(len(corners)), cos, sin)

    def select(self, idx: Tensor) -> TorsionSeries:
        """Those of the chosen poses."""
        return TorsionSeries(self.constant[idx], self.cos[idx], self.sin[idx])

    def energy(self, torsion_change: Tensor) -> tuple[Tensor, Tensor]:
        """Energy, kcal/mol, shape (P,), and derivative, kcal/mol/rad, (P, T), with bonds turned by radians (P, T)."""
        order = torch.arange(1, 4, device=torsion_change.device)
        angle = torsion_change[..., None] * order
        cos, sin = angle.cos(), angle.sin()
        energy = self.constant + (self.cos * cos + self.sin * sin).sum((1, 2))
        return energy, (order * (self.sin * cos - self.cos * sin)).sum(2)
