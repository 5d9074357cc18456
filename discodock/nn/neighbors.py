"""Neighbour lists between padded sets of points, in plain torch, so that no compiled graph extension is needed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PairList:
    """Pairs (target, source) within a cutoff, sorted by sample, then target.

    Attributes:
        sample: which sample (row of the padded arrays) a pair belongs to, int64, shape (E,).
        target: padded index of the receiving point, int64, shape (E,).
        source: padded index of the sending point, int64, shape (E,).
        vec: target - source in Å, shape (E, 3).
    """

    sample: Tensor
    target: Tensor
    source: Tensor
    vec: Tensor


def radius_pairs(
    target_pos: Tensor, target_mask: Tensor, source_pos: Tensor, source_mask: Tensor, cutoff: float, *, is_self: bool
) -> PairList:
    """All pairs closer than `cutoff`.

    Args:
        target_pos: in Å, shape (G, M, 3).
        target_mask: true for real points, bool, shape (G, M).
        source_pos: in Å, shape (G, N, 3).
        source_mask: bool, shape (G, N).
        cutoff: in Å.
        is_self: the two sets are one set; leave out pairs of a point with itself.
    """
    distance = torch.cdist(
        target_pos.detach(), source_pos.detach(), compute_mode="donot_use_mm_for_euclid_dist"
    )  # (G, M, N)
    close = (distance < cutoff) & target_mask[:, :, None] & source_mask[:, None, :]
    if is_self:
        close = close & ~torch.eye(close.shape[1], dtype=torch.bool, device=close.device)
    sample, target, source = close.nonzero(as_tuple=True)
    vec = target_pos[sample, target] - source_pos[sample, source]
    return PairList(sample, target, source, vec)


def flat_index(mask: Tensor) -> Tensor:
    """Number of each real point when padded points (G, M) are laid end to end; padding gets a neighbour's number."""
    return (mask.flatten().cumsum(0) - 1).clamp(min=0).view_as(mask)
