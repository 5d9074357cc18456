"""How buried each residue is and where the empty space beside it lies: geometry that tells pockets, without weights.

Empty space is sampled by alpha spheres, which touch four atoms and contain none: the circumspheres of the Delaunay
tetrahedra of the atoms (Liang et al. 1998, doi 10.1002/pro.5560070905; Le Guilloux et al. 2009, fpocket, doi
10.1186/1471-2105-10-168). They turn with the protein, so that what is made of them is invariant or a vector.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import Delaunay, QhullError, cKDTree

ALPHA_RADII: Final = (3.0, 6.2)
"""Å, fpocket's range: smaller spheres lie between packed atoms, larger ones out in the open."""

BURIAL_RADIUS: Final = 10.0  # Å around a sphere within which atoms bury it
CROWD_RADIUS: Final = 4.0  # Å around a sphere within which other spheres belong to the same cavity
MEAN_BURIAL: Final = 150.0  # atoms
MEAN_CROWD: Final = 20.0  # spheres
SHELLS: Final = (2.0, 5.0, 8.0, 11.0)  # Å from a residue's centroid to the middles of Gaussian shells
SHELL_WIDTH: Final = 2.0  # Å, standard deviation
REACH: Final = SHELLS[-1] + 2 * SHELL_WIDTH
ATOM_RADII: Final = (8.0, 12.0, 16.0)  # Å around a residue's centroid within which atoms are counted
MEAN_ATOMS: Final = (80.0, 230.0, 480.0)

NUM_SCALARS: Final = 3 * len(SHELLS) + len(ATOM_RADII)
NUM_VECTORS: Final = 3 * len(SHELLS) + len(ATOM_RADII)


def residue_centroids(pos: np.ndarray, residue_idx: np.ndarray) -> np.ndarray:
    """Mean position of the heavy atoms of every residue, Å, shape (N, 3).

    Args:
        pos: heavy atoms, Å, shape (R, 3).
        residue_idx: residue of each atom, 0 ... N - 1, shape (R,).
    """
    counts = np.bincount(residue_idx)
    return np.stack([np.bincount(residue_idx, pos[:, axis]) for axis in range(3)], axis=1) / counts[:, None]


def alpha_spheres(pos: np.ndarray) -> np.ndarray:
    """Centres of the spheres that touch four atoms and contain none, of radii in `ALPHA_RADII`; Å, shape (K, 3).

    Args:
        pos: heavy atoms, Å, shape (R, 3).
    """
    try:
        corners = pos.astype(np.float64)[Delaunay(pos.astype(np.float64)).simplices]  # (K, 4, 3)
    except (QhullError, ValueError):  # fewer than five atoms, or all of them in one plane
        return np.zeros((0, 3))
    edges = corners[:, 1:] - corners[:, :1]
    is_solid = np.abs(np.linalg.det(edges)) > 1e-3
    edges, origin = edges[is_solid], corners[is_solid, 0]
    offset = np.linalg.solve(edges, (edges**2).sum(axis=2, keepdims=True) / 2)[..., 0]
    radius = np.linalg.norm(offset, axis=1)
    keep = (radius > ALPHA_RADII[0]) & (radius < ALPHA_RADII[1])
    return origin[keep] + offset[keep]


def cavity_features(pos: np.ndarray, residue_idx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a residue sees of cavities and of the rest of the protein.

    In each Gaussian shell around a residue's centroid the alpha spheres are counted three times: as they are, times
    how buried each is, and times how many others are near it; the scalars are log(1 + sum), the vectors the sums of
    directions over (1 + sum). Then atoms within `ATOM_RADII`, as numbers and as mean directions.

    Args:
        pos: heavy atoms, Å, shape (R, 3).
        residue_idx: residue of each atom, 0 ... N - 1, shape (R,).

    Returns:
        Invariant features, float32, shape (N, NUM_SCALARS), and vectors of length about one, shape (N, 3, NUM_VECTORS).
    """
    centroids = residue_centroids(pos, residue_idx)
    spheres, atoms = alpha_spheres(pos), cKDTree(pos)
    scalars, vectors = _sphere_features(centroids, spheres, atoms)
    for radius, mean in zip(ATOM_RADII, MEAN_ATOMS, strict=True):
        pairs = cKDTree(centroids).sparse_distance_matrix(atoms, radius, output_type="coo_matrix")
        number = np.bincount(pairs.row, minlength=len(centroids))
        arrows = _unit(pos[pairs.col] - centroids[pairs.row])
        total = np.stack([np.bincount(pairs.row, arrows[:, a], len(centroids)) for a in range(3)], axis=1)
        scalars.append(number[:, None] / mean - 1)
        vectors.append((total / (1 + number[:, None]))[:, :, None])
    return np.concatenate(scalars, axis=1, dtype=np.float32), np.concatenate(vectors, axis=2, dtype=np.float32)


def _sphere_features(
    centroids: np.ndarray, spheres: np.ndarray, atoms: cKDTree
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Scalars (N, 3 * shells) and vectors (N, 3, 3 * shells) of the alpha spheres, as lists of one array."""
    num_residues, num_shells = len(centroids), len(SHELLS)
    if len(spheres) == 0:
        return [np.zeros((num_residues, 3 * num_shells))], [np.zeros((num_residues, 3, 3 * num_shells))]
    tree = cKDTree(spheres)
    burial = atoms.query_ball_point(spheres, BURIAL_RADIUS, return_length=True) / MEAN_BURIAL
    crowd = tree.query_ball_point(spheres, CROWD_RADIUS, return_length=True) / MEAN_CROWD
    kinds = np.stack([np.ones(len(spheres)), burial**2, crowd], axis=1)  # (K, 3)
    pairs = cKDTree(centroids).sparse_distance_matrix(tree, REACH, output_type="coo_matrix")
    shell = np.exp(-0.5 * ((pairs.data[:, None] - np.array(SHELLS)) / SHELL_WIDTH) ** 2)
    weights = (shell[:, :, None] * kinds[pairs.col][:, None]).reshape(len(shell), -1)  # (pairs, 3 * shells)
    arrows = _unit(spheres[pairs.col] - centroids[pairs.row])
    gather = csr_matrix((np.ones(len(shell)), (pairs.row, np.arange(len(shell)))), shape=(num_residues, len(shell)))
    total = gather @ weights
    directed = np.stack([gather @ (weights * arrows[:, a : a + 1]) for a in range(3)], axis=1)
    return [np.log1p(total)], [directed / (1 + total[:, None])]


def _unit(vec: np.ndarray) -> np.ndarray:
    return vec / np.linalg.norm(vec, axis=1, keepdims=True).clip(min=1e-6)
