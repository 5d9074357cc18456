"""From a distribution over residues to a few distinct sites: the same in validation and in prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from discodock.latents import categorical
from discodock.latents.code_sampling import CodeSampling
from discodock.models.site.model import SitePrediction

MERGE_RADIUS: Final = 5.0
"""Å between predicted centres within which residues mean the same site."""

MAX_SITES: Final = 5


@dataclass(frozen=True)
class Site:
    """One distinct site.

    Attributes:
        center: mean of its residues' predicted centres, weighted by probability, Å, float64, on the CPU, shape (3,).
        prob: total probability of its residues.
        residue_idx: number of its most probable residue, which names it.
    """

    center: Tensor
    prob: float
    residue_idx: int


def site_probs(prediction: SitePrediction, sampling: CodeSampling, allowed: Tensor | None = None) -> Tensor:
    """What the site code is drawn from: its distribution at a temperature, cut by top-k and top-p, and restricted.

    Args:
        prediction: predictions for B receptors.
        sampling: temperature, top-k and top-p.
        allowed: residues that the code is restricted to, bool, shape (B, N); at least one of each receptor.

    Returns:
        Probabilities, exactly zero outside the restriction, shape (B, N).
    """
    (mask,) = prediction.prior().restricted([allowed]).masks
    kept = categorical.likely_entries(prediction.logits, mask, sampling)
    if sampling.temperature == 0:
        best = prediction.logits.masked_fill(~kept, -torch.inf).argmax(dim=1)
        return categorical.one_hot(best, kept.shape[1], prediction.logits.dtype)
    return categorical.masked_log_softmax(prediction.logits / sampling.temperature, kept).exp()


def distinct_sites(
    probs: Tensor, center: Tensor, *, max_sites: int = MAX_SITES, merge_radius: float = MERGE_RADIUS
) -> list[Site]:
    """Sites of one receptor, most probable first; together they have a probability of at most one.

    Greedy: the residue with the most probability among all free residues whose predicted centres lie within the merge
    radius of its own makes a site with them; these are free no more, and so on.

    Args:
        probs: probabilities of all residues, zero for those that are not allowed, shape (N,).
        center: predicted centres of all residues, Å, shape (N, 3).
        max_sites: largest number of sites.
        merge_radius: distance within which centres are one site, Å.
    """
    probs, center = probs.detach().cpu().double(), center.detach().cpu().double()  # not all devices have float64
    likely = (probs > 1e-4 * probs.max()).nonzero().squeeze(1)  # the rest changes nothing and costs N x N
    prob, center = probs[likely], center[likely]
    near = torch.cdist(center, center) <= merge_radius
    sites: list[Site] = []
    free = torch.ones_like(likely, dtype=torch.bool)
    while len(sites) < max_sites and free.any():
        mass = near.double() @ (prob * free) * free
        members = near[mass.argmax()] & free
        weight = prob * members
        mean = (weight[:, None] * center).sum(dim=0) / weight.sum()
        sites.append(Site(mean, float(weight.sum()), int(likely[weight.argmax()])))
        free = free & ~members
    return sorted(sites, key=lambda site: -site.prob)


def allocate_samples(num_samples: int, probs: list[float]) -> list[int]:
    """Parts of a number of samples, proportional to probabilities, by largest remainders; earlier ones win ties.

    Args:
        num_samples: number of samples to be shared out.
        probs: positive weights, of any sum.

    Returns:
        Numbers that sum to `num_samples`, each within one of its exact part.
    """
    exact = [num_samples * prob / sum(probs) for prob in probs]
    counts = [int(count) for count in exact]
    by_remainder = sorted(range(len(probs)), key=lambda index: counts[index] - exact[index])
    for index in by_remainder[: num_samples - sum(counts)]:
        counts[index] += 1
    return counts
