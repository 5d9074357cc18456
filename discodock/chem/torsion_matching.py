"""Conformers with their torsions matched to a pose: what training starts from, so that it resembles prediction.

In NumPy and double precision, see `geometry.superposition`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from rdkit import Chem

from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import heavy_molecule
from discodock.chem.ligand_features import TorsionTopology
from discodock.geometry.superposition import rotated_about, superposed

RETRY_FACTOR: Final = 4
"""Size of the further batch of conformers, in multiples of the first."""

MATCH_ITERATIONS: Final = 30
MATCH_TOLERANCE: Final = 1e-4
"""Å: smallest gain of RMSD that is worth another iteration."""


def match_conformers(
    mol: Chem.Mol, conformers: np.ndarray, crystal_pos: np.ndarray, tor_bond: np.ndarray, mask_rotate: np.ndarray
) -> np.ndarray:
    """Turn each conformer's rotatable bonds towards a given pose and lay it on that pose.

    The dihedrals are set to the pose's, then all torsions are refined together by damped Gauss-Newton steps on the
    aligned RMSD. Bond lengths, angles and rings stay the conformer's: what remains is the local geometry that
    prediction will also see.

    Args:
        mol: the molecule; explicit hydrogens are ignored.
        conformers: heavy-atom coordinates, Å, shape (C, L, 3).
        crystal_pos: the pose to match, same atom order, Å, shape (L, 3).
        tor_bond: rotatable bonds (fixed end, moving end), shape (T, 2).
        mask_rotate: atoms moved by each bond, bool, shape (T, L).

    Returns:
        Matched and aligned conformers, Å, float64, shape (C, L, 3).
    """
    target = np.asarray(crystal_pos, dtype=np.float64)
    neighbors = [[n.GetIdx() for n in atom.GetNeighbors()] for atom in heavy_molecule(mol).GetAtoms()]
    bonds = [(int(fixed), int(moving)) for fixed, moving in tor_bond]
    matched = []
    for conformer in np.asarray(conformers, dtype=np.float64):
        start = _set_dihedrals(conformer, target, bonds, mask_rotate, neighbors)
        matched.append(_refine(start, target, bonds, mask_rotate))
    return np.stack(matched)


def matched_conformers(
    mol: Chem.Mol,
    crystal_pos: np.ndarray,
    topology: TorsionTopology,
    *,
    num: int,
    seed: int,
    max_rmsd: float = 1.5,
) -> np.ndarray:
    """Fresh conformers matched to a pose; those that stay too far off are replaced from one further, larger batch.

    Rings keep the shape they were embedded with, so that a macrocycle or a fused ring can be far off in one conformer
    and close in the next.

    Args:
        mol: the molecule; explicit hydrogens are ignored.
        crystal_pos: the pose to match, Å, shape (L, 3).
        topology: rotatable bonds.
        num: conformers wanted.
        seed: random seed.
        max_rmsd: conformers above this RMSD to the pose, Å, are replaced by the best of the further batch.

    Returns:
        Matched and aligned conformers, Å, float64, shape (num, L, 3), in order of embedding.

    Raises:
        InputError: the molecule cannot be embedded.
    """
    first = match_conformers(
        mol, generate_conformers(mol, num, seed), crystal_pos, topology.tor_bond, topology.mask_rotate
    )
    rmsd = np.array([_rmsd(pos, crystal_pos) for pos in first])
    if (rmsd <= max_rmsd).all():
        return first
    fresh = generate_conformers(mol, RETRY_FACTOR * num, seed + 1)
    more = match_conformers(mol, fresh, crystal_pos, topology.tor_bond, topology.mask_rotate)
    pool = np.concatenate([first, more])
    pool_rmsd = np.array([_rmsd(pos, crystal_pos) for pos in pool])
    # Conformers already good enough stay; the rest of the places go to the closest ones.
    rank = np.argsort(np.concatenate([np.where(rmsd <= max_rmsd, 0.0, rmsd), pool_rmsd[num:]]), kind="stable")
    return pool[np.sort(rank[:num])]


def _set_dihedrals(
    pos: np.ndarray,
    target: np.ndarray,
    bonds: list[tuple[int, int]],
    mask_rotate: np.ndarray,
    neighbors: list[list[int]],
) -> np.ndarray:
    """Turn each bond by the circular mean, over all neighbour pairs, of how far its dihedrals are off."""
    pos = pos.copy()
    for (fixed, moving), mask in zip(bonds, mask_rotate, strict=True):
        before = [n for n in neighbors[fixed] if n != moving]
        after = [n for n in neighbors[moving] if n != fixed]
        have, want = (_half_planes(p, fixed, moving, before, after) for p in (pos, target))
        # sum over pairs of exp(i (wanted - present)), each weighted by how far the atoms are off the axis
        delta = np.angle(np.vdot(have, want))
        pos[mask] = rotated_about(pos[mask], pos[moving], pos[moving] - pos[fixed], float(delta))
    return pos


def _half_planes(pos: np.ndarray, fixed: int, moving: int, before: list[int], after: list[int]) -> np.ndarray:
    """exp(i dihedral) of all neighbour pairs about a bond, times both distances from the axis; complex, flat."""
    axis = pos[moving] - pos[fixed]
    axis = axis / np.linalg.norm(axis)
    reference = np.eye(3)[np.argmin(np.abs(axis))]
    u = np.cross(axis, reference)
    u /= np.linalg.norm(u)
    v = np.cross(axis, u)
    first = (pos[before] - pos[fixed]) @ u + 1j * ((pos[before] - pos[fixed]) @ v)
    second = (pos[after] - pos[moving]) @ u + 1j * ((pos[after] - pos[moving]) @ v)
    return (second[None, :] * first.conj()[:, None]).ravel()


def _refine(start: np.ndarray, target: np.ndarray, bonds: list[tuple[int, int]], mask_rotate: np.ndarray) -> np.ndarray:
    """Minimise the aligned RMSD over the torsions by Levenberg-Marquardt, keeping only steps that lower it.

    Args:
        start: conformer with its dihedrals set, Å, shape (L, 3).
        target: pose to match, Å, shape (L, 3).
        bonds: rotatable bonds, (fixed end, moving end).
        mask_rotate: atoms that each bond moves, bool, shape (T, L).
    """
    best = superposed(start, target)
    best_rmsd = _rmsd(best, target)
    damping = 1e-2
    for _ in range(MATCH_ITERATIONS if bonds else 0):
        jacobian = _jacobian(best, bonds, mask_rotate)  # (6 + T, 3 L)
        residual = (target - best).ravel()
        normal = jacobian @ jacobian.T
        step = np.linalg.solve(normal + damping * np.diag(normal.diagonal() + 1e-6), jacobian @ residual)
        # Translation and rotation are solved for, so that torsions need not make up for them, and then left to
        # `superposed`, which does them exactly. Each torsion turns about the axis that the earlier ones left behind.
        trial = best
        for (fixed, moving), mask, angle in zip(bonds, mask_rotate, step[6:], strict=True):
            trial = trial.copy()
            trial[mask] = rotated_about(trial[mask], trial[moving], trial[moving] - trial[fixed], angle)
        trial = superposed(trial, target)
        gain = best_rmsd - _rmsd(trial, target)
        if gain <= 0:  # too long a step: try again nearer to the gradient
            damping *= 10
            if damping > 1e3:  # not even that helps: a minimum to the precision of the steps
                break
            continue
        best, best_rmsd, damping = trial, best_rmsd - gain, damping / 5
        if gain < MATCH_TOLERANCE:
            break
    return best


def _jacobian(pos: np.ndarray, bonds: list[tuple[int, int]], mask_rotate: np.ndarray) -> np.ndarray:
    """Derivatives of all coordinates by translation, rotation about the centroid and torsions, shape (6 + T, 3 L).

    Unlike in `geometry.pose.pose_jacobian` a torsion keeps the rigid motion in it: the first six rows make up for it.
    """
    num_atoms = len(pos)
    fixed, moving = np.array(bonds).T
    axis = pos[moving] - pos[fixed]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    rotation = np.cross(np.eye(3)[:, None, :], (pos - pos.mean(axis=0))[None, :, :])
    torsion = np.cross(axis[:, None, :], pos[None, :, :] - pos[moving][:, None, :]) * mask_rotate[:, :, None]
    translation = np.broadcast_to(np.eye(3)[:, None, :], (3, num_atoms, 3))
    return np.concatenate([translation, rotation, torsion]).reshape(-1, 3 * num_atoms)


def _rmsd(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum(axis=1).mean()))
