"""Dihedral angles and rotations about bonds."""

from __future__ import annotations

import torch
from torch import Tensor

from discodock.geometry.topology import LigandTopology


def dihedral(p0: Tensor, p1: Tensor, p2: Tensor, p3: Tensor) -> Tensor:
    """Dihedral angle p0-p1-p2-p3 in radians, in [-pi, pi], IUPAC sign; points (..., 3) to (...).

    Zero is cis; seen along p1 -> p2, turning the far bond clockwise is positive.
    """
    first, axis, last = p1 - p0, p2 - p1, p3 - p2
    normal_first, normal_last = torch.linalg.cross(first, axis), torch.linalg.cross(axis, last)
    sine = torch.linalg.vector_norm(axis, dim=-1) * (first * normal_last).sum(-1)
    return torch.atan2(sine, (normal_first * normal_last).sum(-1))


def apply_torsions(pos: Tensor, topology: LigandTopology, angles: Tensor) -> Tensor:
    """Turn the moving side of every rotatable bond; the atoms of the fixed side stay where they are.

    Bond (fixed end u, moving end v) turns its moving side by `angle` about the axis u -> v through v, right-handed, so
    every dihedral a-u-v-b across the bond grows by exactly `angle`. Bonds are turned one after the other about their
    current axes; another order gives the same molecule up to a rigid motion.

    Args:
        pos: positions in Å, shape (P, L, 3).
        topology: rotatable bonds, T of them after padding.
        angles: angles in radians, shape (P, T); padded bonds are ignored.

    Returns:
        New positions in Å, shape (P, L, 3).
    """
    angles = torch.where(topology.tor_mask, angles, 0)
    cos, sin = torch.cos(angles)[..., None, None], torch.sin(angles)[..., None, None]  # (P, T, 1, 1)
    index = topology.tor_bond[..., None].expand(-1, -1, -1, 3)  # (P, T, 2, 3)
    for k in range(angles.shape[1]):
        start, end = pos.gather(1, index[:, k]).split(1, dim=1)  # (P, 1, 3) each
        axis = torch.nn.functional.normalize(end - start, dim=-1)
        arm = pos - end
        along = (arm * axis).sum(-1, keepdim=True) * axis
        turned = end + along + cos[:, k] * (arm - along) + sin[:, k] * torch.linalg.cross(axis.expand_as(arm), arm)
        pos = torch.where(topology.mask_rotate[:, k, :, None], turned, pos)
    return pos
