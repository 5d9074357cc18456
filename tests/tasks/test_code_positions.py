"""One code per sample in a step of training: its cross-entropy, and which one it is."""

import pytest
import torch

from discodock.tasks.codes import cross_entropy_at, random_positions
from tests.latents.kinds import MIXED, NUM_SAMPLES, SEEDS, generator
from tests.latents.test_prior import WIDTHS, make_prior


@pytest.mark.parametrize("seed", SEEDS)
def test_one_position_per_sample_is_that_column_of_all(seed):
    prior = make_prior(seed)
    codes = prior.sample(NUM_SAMPLES, generator(seed)).codes
    targets = MIXED.probs([torch.zeros(NUM_SAMPLES, width).double() for width in WIDTHS], prior.masks)
    every = prior.cross_entropy(codes, targets)
    positions = random_positions(NUM_SAMPLES, 3, generator(seed))
    found = cross_entropy_at(prior, codes, targets, positions)
    torch.testing.assert_close(found, every[torch.arange(NUM_SAMPLES), positions])
    with pytest.raises(ValueError, match="code 3 is not one of 0 ... 2"):
        cross_entropy_at(prior, codes, targets, positions + 3 - positions)


def test_random_positions_are_uniform():
    counts = torch.bincount(random_positions(30_000, 3, generator(0)))
    torch.testing.assert_close(counts / 30_000, torch.full((3,), 1 / 3), atol=0.01, rtol=0)
