"""Neighbour lists between padded sets of points, in torch and SciPy, so that no compiled graph extension is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

MAX_DISTANCES: Final = 16_000_000
"""Distances computed at a time: 64 MB in float32, however large the sets of points are."""

TREE_DISTANCES: Final = 2_000_000
"""On a CPU, between larger sets of points a k-d tree finds the pairs sooner than all distances do."""


@dataclass(frozen=True)
class PairList:
    """Pairs (target, source) within a cutoff, sorted by sample, then target.

    Attributes:
        sample: sample (row of the padded arrays) that each pair belongs to, int64, shape (E,).
        target: padded index of the receiving point, int64, shape (E,).
        source: padded index of the sending point, int64, shape (E,).
        vec: target - source in Å, shape (E, 3).
    """

    sample: Tensor
    target: Tensor
    source: Tensor
    vec: Tensor


@dataclass(frozen=True)
class _Points:
    """Padded sets of points: `pos` in Å (G, N, 3), `mask` true for real ones (G, N)."""

    pos: Tensor
    mask: Tensor


def radius_pairs(
    target_pos: Tensor,
    target_mask: Tensor,
    source_pos: Tensor,
    source_mask: Tensor,
    cutoff: float | Tensor,
    *,
    is_self: bool,
) -> PairList:
    """All pairs closer than `cutoff`.

    Args:
        target_pos: receiving points, Å, shape (G, M, 3).
        target_mask: true for real points, bool, shape (G, M).
        source_pos: sending points, Å, shape (G, N, 3).
        source_mask: true for real points, bool, shape (G, N).
        cutoff: largest distance of a pair, Å, one for all samples or of shape (G,).
        is_self: whether the two sets are one; pairs of a point with itself are then left out.
    """
    is_large = len(target_pos) > 0 and target_pos.shape[1] * source_pos.shape[1] > TREE_DISTANCES
    search = _tree_pairs if is_large and target_pos.device.type == "cpu" else _close_pairs
    targets, sources = _Points(target_pos.detach(), target_mask), _Points(source_pos.detach(), source_mask)
    blocks = search(targets, sources, cutoff, is_self=is_self)
    sample, target, source = (torch.cat(each) for each in zip(*blocks, strict=True))
    vec = target_pos[sample, target] - source_pos[sample, source]
    return PairList(sample, target, source, vec)


def nearest_pairs(pos: Tensor, mask: Tensor, cutoff: float, max_neighbors: int) -> PairList:
    """For every point of a set its nearest other points: those closer than `cutoff`, at most `max_neighbors`.

    Args:
        pos: points, Å, shape (G, N, 3).
        mask: true for real points, bool, shape (G, N).
        cutoff: largest distance of a pair, Å.
        max_neighbors: most neighbours of a target; they come nearest first.
    """
    distance = torch.cdist(pos.detach(), pos.detach(), compute_mode="donot_use_mm_for_euclid_dist")  # (G, N, N)
    distance = distance.masked_fill(~mask[:, None, :], torch.inf)
    distance.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    nearest = distance.topk(min(max_neighbors, pos.shape[1]), dim=2, largest=False)
    is_edge = (nearest.values < cutoff) & mask[:, :, None]
    sample, target, rank = is_edge.nonzero(as_tuple=True)
    source = nearest.indices[sample, target, rank]
    return PairList(sample, target, source, pos[sample, target] - pos[sample, source])


def _close_pairs(
    targets: _Points, sources: _Points, cutoff: float | Tensor, *, is_self: bool
) -> Iterator[tuple[Tensor, ...]]:
    """Blocks of (sample, target, source), in order; large sets of points are taken a few targets at a time."""
    (num_samples, num_targets), num_sources = targets.mask.shape, sources.mask.shape[1]
    is_small = num_samples * num_targets * num_sources <= MAX_DISTANCES
    samples_at_once = num_samples if is_small else 1
    targets_at_once = max(1, num_targets if is_small else MAX_DISTANCES // max(1, num_sources))
    for first_sample in range(0, max(1, num_samples), max(1, samples_at_once)):
        rows = slice(first_sample, first_sample + samples_at_once)
        largest = cutoff[rows, None, None] if isinstance(cutoff, Tensor) else cutoff
        for first_target in range(0, max(1, num_targets), targets_at_once):
            columns = slice(first_target, first_target + targets_at_once)
            distance = torch.cdist(
                targets.pos[rows, columns], sources.pos[rows], compute_mode="donot_use_mm_for_euclid_dist"
            )
            close = (distance < largest) & targets.mask[rows, columns, None] & sources.mask[rows, None, :]
            if is_self:
                own = torch.arange(first_target, first_target + close.shape[1], device=close.device)
                close = close & (own[:, None] != torch.arange(num_sources, device=close.device))
            sample, target, source = close.nonzero(as_tuple=True)
            yield sample + first_sample, target + first_target, source


def _tree_pairs(
    targets: _Points, sources: _Points, cutoff: float | Tensor, *, is_self: bool
) -> Iterator[tuple[Tensor, ...]]:
    """The same pairs as `_close_pairs` in the same order, by a k-d tree of each sample; tensors on the CPU."""
    for sample in range(len(targets.mask)):
        target_idx, source_idx = (
            (each.mask[sample] & each.pos[sample].isfinite().all(dim=-1)).nonzero().flatten()  # NaN is near to nothing
            for each in (targets, sources)
        )
        target_pos, source_pos = targets.pos[sample, target_idx], sources.pos[sample, source_idx]
        largest = float(cutoff[sample] if isinstance(cutoff, Tensor) else cutoff)
        trees = [cKDTree(pos.double().numpy()) for pos in (target_pos, source_pos)]
        # a little wider, because what counts is the distance in the tensors' own precision
        near = trees[0].sparse_distance_matrix(trees[1], largest * (1 + 1e-4), output_type="ndarray")
        order = np.lexsort((near["j"], near["i"]))
        target, source = (torch.from_numpy(near[name][order]) for name in ("i", "j"))
        close = (target_pos[target] - source_pos[source]).norm(dim=-1) < largest
        if is_self:
            close &= target_idx[target] != source_idx[source]
        target, source = target_idx[target[close]], source_idx[source[close]]
        yield torch.full_like(target, sample), target, source


def flat_index(mask: Tensor) -> Tensor:
    """Number of each real point when padded points (G, M) are laid end to end; padding gets a neighbour's number."""
    return (mask.flatten().cumsum(0) - 1).clamp(min=0).view_as(mask)
