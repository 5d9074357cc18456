"""Centroids and least-squares superposition of batches of masked point sets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RigidMotion:
    """The motion x -> R x + tr for each of P poses.

    Attributes:
        rotmat: rotation matrices, shape (P, 3, 3).
        tr: translations in Å, shape (P, 3).
    """

    rotmat: Tensor
    tr: Tensor

    def apply(self, pos: Tensor) -> Tensor:
        """Move points of shape (P, L, 3)."""
        return pos @ self.rotmat.mT + self.tr[:, None]


def masked_centroid(pos: Tensor, mask: Tensor) -> Tensor:
    """Mean position of the masked points: shapes (P, L, 3) and bool (P, L) to (P, 3); zero for an empty mask."""
    weight = mask[..., None].to(pos.dtype)
    return (pos * weight).sum(1) / weight.sum(1).clamp(min=1)  # no matrix product: autocast leaves sums alone


def kabsch_rotation(mobile: Tensor, target: Tensor) -> Tensor:
    """Proper rotations R that minimise sum |R mobile - target|^2 over centred points; masked points must be zero.

    The singular value decomposition of the 3 x 3 covariance, with the sign of the smallest singular direction flipped
    where the best orthogonal matrix would be a reflection.

    Args:
        mobile: centred points, shape (P, L, 3).
        target: centred points, shape (P, L, 3).

    Returns:
        Rotation matrices, shape (P, 3, 3).

    Source: Kabsch 1978, Acta Cryst. A34, 827; proper rotations as in Umeyama 1991, IEEE TPAMI 13, 376.
    """
    left, _, right = torch.linalg.svd(target.mT @ mobile)  # both (P, 3, 3), covariance = left S right
    sign = torch.linalg.det(left) * torch.linalg.det(right)
    flip = torch.ones_like(left[..., 0, :])
    flip[..., 2] = torch.where(sign < 0, -1.0, 1.0)
    return (left * flip[..., None, :]) @ right


def align(mobile: Tensor, target: Tensor, mask: Tensor) -> RigidMotion:
    """Rigid motions that bring `mobile` onto `target` with the least RMSD over the masked atoms.

    Args:
        mobile: positions in Å, shape (P, L, 3).
        target: positions in Å, shape (P, L, 3).
        mask: atoms that count, bool, shape (P, L).

    Returns:
        The motions; `motion.apply(mobile)` is the superposed set.
    """
    with torch.autocast(mobile.device.type, enabled=False):  # coordinates must not be rounded to half precision
        return _align(mobile, target, mask)


def _align(mobile: Tensor, target: Tensor, mask: Tensor) -> RigidMotion:
    mobile_center, target_center = masked_centroid(mobile, mask), masked_centroid(target, mask)
    weight = mask[..., None].to(mobile.dtype)
    rotmat = kabsch_rotation((mobile - mobile_center[:, None]) * weight, (target - target_center[:, None]) * weight)
    return RigidMotion(rotmat, target_center - (rotmat @ mobile_center[..., None]).squeeze(-1))
