"""Whether predicted probabilities are what they say: reliability, calibration error, selective accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

NUM_BINS: Final = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of about the same probability.

    Attributes:
        low: lowest probability that falls into the bin.
        high: the next bin's lowest.
        count: predictions in it.
        mean_prob: mean of their probabilities.
        rate: fraction of them that came true.
    """

    low: float
    high: float
    count: int
    mean_prob: float
    rate: float


def reliability(probs: np.ndarray, came_true: np.ndarray, num_bins: int = NUM_BINS) -> list[ReliabilityBin]:
    """Predictions in bins of equal width, empty ones left out.

    Args:
        probs: predicted probabilities in [0, 1], shape (N,).
        came_true: whether each predicted event came true, bool, shape (N,).
        num_bins: number of bins of equal width from 0 to 1.

    Raises:
        ValueError: a probability is not one.
    """
    if not ((probs >= 0) & (probs <= 1)).all():
        raise ValueError("probabilities must lie between 0 and 1")
    place = np.minimum((probs * num_bins).astype(int), num_bins - 1)
    found = []
    for number in np.unique(place):
        inside = place == number
        rate = float(np.mean(came_true[inside]))
        ends = number / num_bins, (number + 1) / num_bins
        found.append(ReliabilityBin(*ends, int(inside.sum()), float(probs[inside].mean()), rate))
    return found


def calibration_error(probs: np.ndarray, came_true: np.ndarray, num_bins: int = NUM_BINS) -> float:
    """Expected calibration error, sum over bins of n_bin/n |mean probability - rate| (Naeini et al. 2015).

    Args:
        probs: predicted probabilities, shape (N,).
        came_true: whether each predicted event came true, bool, shape (N,).
        num_bins: number of bins of equal width.
    """
    bins = reliability(probs, came_true, num_bins)
    return sum(found.count * abs(found.mean_prob - found.rate) for found in bins) / len(probs)


def selective_accuracy(probs: np.ndarray, came_true: np.ndarray, fraction: float) -> float:
    """Rate among the most probable ones, the given fraction of them, rounded up; ties in the order given.

    Args:
        probs: predicted probabilities, shape (N,).
        came_true: whether each predicted event came true, bool, shape (N,).
        fraction: fraction of the predictions that is kept, in (0, 1].
    """
    surest = np.argsort(-probs, kind="stable")[: math.ceil(fraction * len(probs))]
    return float(np.mean(came_true[surest]))
