"""Superposition and rotation of one molecule at a time, in NumPy and double precision: for reading and preparing.

`alignment`, `torsions` and `pose` have the same for batches of tensors, with sums in another order: with those,
prepared conformers and placed hydrogens of one seed would no longer be the same to the last bit.
"""

from __future__ import annotations

import numpy as np


def superposing_rotation(covariance: np.ndarray) -> np.ndarray:
    """Proper rotations R that turn mobile vectors best onto target vectors, as `mobile @ R` (Kabsch 1976).

    Args:
        covariance: sums over the vectors of the products mobile_i target_j, shape (..., 3, 3).

    Returns:
        Rotation matrices that act from the right, shape (..., 3, 3).
    """
    u, _, vt = np.linalg.svd(covariance)
    u[..., :, 2] *= np.sign(np.linalg.det(u @ vt))[..., None]  # the best orthogonal matrix may be a reflection
    return u @ vt


def superposed(mobile: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Points (L, 3), Å, laid on others of the same order with the least RMSD, without reflection."""
    mobile_mean, target_mean = mobile.mean(axis=0), target.mean(axis=0)
    rotmat = superposing_rotation((mobile - mobile_mean).T @ (target - target_mean))
    return (mobile - mobile_mean) @ rotmat + target_mean


def rotated_about(pos: np.ndarray, origin: np.ndarray, axis: np.ndarray, angle: float) -> np.ndarray:
    """Points turned about an axis by Rodrigues' formula, right-handed.

    Args:
        pos: points, Å, shape (L, 3).
        origin: point on the axis, Å, shape (3,).
        axis: direction of the axis, of any length, shape (3,).
        angle: angle in radians.
    """
    axis = axis / np.linalg.norm(axis)
    vec = pos - origin
    along = np.outer(vec @ axis, axis)
    return origin + along + np.cos(angle) * (vec - along) + np.sin(angle) * np.cross(axis, vec)
