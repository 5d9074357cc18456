"""What may move in a batch of ligand poses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from discodock.tensors import TensorRecord


@dataclass(frozen=True)
class LigandTopology(TensorRecord):
    """What stays fixed while a batch of P poses moves; ligands are padded to L atoms and T rotatable bonds.

    Attributes:
        atom_mask: true for real atoms, bool, shape (P, L).
        tor_bond: rotatable bonds as (fixed end, moving end) atom indices, int64, shape (P, T, 2); padding is 0.
        tor_mask: true for real rotatable bonds, bool, shape (P, T).
        mask_rotate: atoms on the moving side of each bond, bool, shape (P, T, L); padding is false.
    """

    atom_mask: Tensor
    tor_bond: Tensor
    tor_mask: Tensor
    mask_rotate: Tensor

    def select(self, idx: Tensor) -> LigandTopology:
        """The topology of the chosen rows, for instance each ligand repeated for its poses; `idx` is int64, (P,)."""
        return LigandTopology(self.atom_mask[idx], self.tor_bond[idx], self.tor_mask[idx], self.mask_rotate[idx])
