"""Uniform numbers that cover the unit cube evenly, for draws that cover a distribution with few repeats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from discodock.noise import Purpose, stream_key


def low_discrepancy_uniforms(seed: int, numbers: Sequence[int], num_codes: int) -> Tensor:
    """An additive recurrence with a random shift: u_n = frac(shift + n (1/phi, 1/phi^2, ..., 1/phi^m)).

    phi is the positive root of phi^(m + 1) = phi + 1, for one code the golden ratio. The shift is uniform, and so is
    u_n for every n: each sample by itself follows the distribution it is drawn from, exactly. Together the samples with
    consecutive numbers follow it closer than independent ones.

    Args:
        seed: seed of the shift, which is a stream of the codes.
        numbers: numbers of the n samples; a row depends on the seed and its own number alone.
        num_codes: number of codes, m.

    Returns:
        Numbers in [0, 1), float64, shape (len(numbers), m).

    Source: sequence Roberts 2018, "The unreasonable effectiveness of quasirandom sequences"; shift Cranley and
    Patterson 1976, doi 10.1137/0713071.
    """
    shift = np.random.Generator(np.random.Philox(stream_key(seed, Purpose.CODES))).random(num_codes)
    steps = generalised_golden_ratio(num_codes) ** -np.arange(1, num_codes + 1)
    return torch.from_numpy((shift + np.asarray(numbers, dtype=np.float64)[:, None] * steps) % 1.0)


def generalised_golden_ratio(num_codes: int) -> float:
    """The positive root of x^(m + 1) = x + 1: 1.618... for m = 1, 1.324... for m = 2, falling to 1."""
    root = 1.5
    for _ in range(64):  # a contraction by less than 1 / (m + 1)
        root = (1.0 + root) ** (1.0 / (num_codes + 1))
    return root
