"""Ligand poses as padded batches: what may move, and how a tangent vector moves it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LigandTopology:
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


@dataclass(frozen=True)
class PoseTangent:
    """A tangent vector of R^3 x SO(3) x T^k at a batch of P poses: an update, a score, or unit noise.

    Attributes:
        tr: translation, shape (P, 3).
        rot: rotation vector in the lab frame, about the pose's centroid, shape (P, 3).
        tor: one value per rotatable bond, shape (P, T); zero where `LigandTopology.tor_mask` is false.
    """

    tr: Tensor
    rot: Tensor
    tor: Tensor
