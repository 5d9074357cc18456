"""Symmetry-corrected RMSD of poses where they are, over a given list of equivalent atom orders.

`symmetric_rmsd` compares poses with a reference each, in batches of tensors; `pairwise_rmsd` all poses of a ligand with
one another, by inner products, which takes no array of all pairs, atoms and permutations.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def pairwise_rmsd(poses: np.ndarray, automorphisms: np.ndarray) -> np.ndarray:
    """Symmetry-corrected RMSD between all pairs of poses of one ligand, without superposition.

    Args:
        poses: heavy-atom coordinates, Å, shape (N, L, 3).
        automorphisms: symmetry permutations of the atoms, int, shape (S, L), the identity among them.

    Returns:
        The smallest RMSD over the permutations, Å, float64, shape (N, N), symmetric, zero on the diagonal.
    """
    centred = poses.astype(np.float64) - poses.mean(axis=(0, 1))
    square = (centred**2).sum(axis=(1, 2))
    overlap = np.full((len(poses), len(poses)), -np.inf)
    for permutation in automorphisms:
        overlap = np.maximum(overlap, np.einsum("nld,mld->nm", centred, centred[:, permutation]))
    mean_square = (square[:, None] + square[None, :] - 2 * overlap) / poses.shape[1]
    mean_square = np.minimum(mean_square, mean_square.T)  # a truncated list of permutations may lack some inverses
    np.fill_diagonal(mean_square, 0.0)
    return np.sqrt(mean_square.clip(min=0.0))


def symmetric_rmsd(pos: Tensor, reference: Tensor, automorphisms: Tensor, atom_mask: Tensor) -> Tensor:
    """Smallest RMSD over symmetry-equivalent atom orders, without superposition.

    Args:
        pos: poses, Å, shape (P, L, 3).
        reference: pose to compare each with, Å, shape (P, L, 3).
        automorphisms: atom permutations, int64, shape (P, S, L).
        atom_mask: real atoms, bool, shape (P, L).

    Returns:
        Å, shape (P,).
    """
    permuted = pos[torch.arange(len(pos), device=pos.device)[:, None, None], automorphisms]  # (P, S, L, 3)
    square = (permuted - reference[:, None]).square().sum(dim=-1) * atom_mask[:, None]
    return (square.sum(dim=-1) / atom_mask.sum(dim=-1)[:, None]).amin(dim=1).sqrt()
