"""Ranking of sampled poses by how well they agree with each other."""

from __future__ import annotations

from typing import Final

import numpy as np

AGREEMENT_WIDTH: Final = 2.0
"""RMSD in Å at which two poses still clearly agree; the same figure as the usual success criterion."""


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


def consensus_scores(distances: np.ndarray) -> np.ndarray:
    """How densely the samples lie around each pose: the mean over all samples of exp(-d²/(2·2² Å²)).

    The sampler draws from what the network believes, so the densest region is its most probable binding mode. This is
    agreement, neither a probability of being right nor an affinity; a ranking model replaces it later.

    Args:
        distances: RMSD between all pairs of poses, Å, shape (N, N).

    Returns:
        Scores in (0, 1], higher is better, shape (N,).
    """
    return np.exp(-(distances**2) / (2 * AGREEMENT_WIDTH**2)).mean(axis=1)
