"""Evenly spread numbers, and the codes that are drawn with them."""

import pytest
import torch
from scipy.stats import kstest

from discodock.latents.code_sampling import CodeSampling
from discodock.latents.quasi_random import generalised_golden_ratio, low_discrepancy_uniforms
from tests.latents.kinds import MIXED, SEEDS, generator
from tests.latents.test_prior import make_prior, number, table

NUM_DRAWS = 60


@pytest.mark.parametrize("num_codes", [1, 2, 3, 30])
def test_the_ratio_solves_its_equation(num_codes):
    root = generalised_golden_ratio(num_codes)
    assert root > 1 and root ** (num_codes + 1) == pytest.approx(root + 1, rel=1e-12)


@pytest.mark.parametrize("n", [0, 7, 1000])
def test_every_number_by_itself_is_uniform(n):
    drawn = torch.cat([low_discrepancy_uniforms(seed, [n], 2) for seed in range(6000)])
    assert ((drawn >= 0) & (drawn < 1)).all()
    for column in drawn.T:
        assert kstest(column, "uniform").pvalue > 1e-3
    assert torch.corrcoef(drawn.T)[0, 1].abs() < 0.08


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_depend_on_seed_and_sample_alone(seed):
    together = low_discrepancy_uniforms(seed, range(50), 3)
    assert torch.equal(low_discrepancy_uniforms(seed, [31, 4], 3), together[[31, 4]])
    assert not torch.isclose(low_discrepancy_uniforms(seed + 1, range(50), 3), together).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_any_stretch_fills_the_square_evenly(seed):
    drawn = low_discrepancy_uniforms(seed, range(13 * seed, 13 * seed + 64), 2)
    cells = torch.bincount((drawn * 4).long() @ torch.tensor([4, 1]), minlength=16)
    assert cells.min() >= 2 and cells.max() <= 6  # 4 on average; independent numbers leave 0 or 1 somewhere
    for column in drawn.T:
        assert torch.bincount((column * 8).long(), minlength=8).min() >= 6  # 8 on average


def draw(seed, row, noise, sampling=None, allowed=(None, None, None)):
    """Codes of one sample of the tiny prior, drawn NUM_DRAWS times."""
    prior = make_prior(seed, torch.full((NUM_DRAWS,), row)).restricted(allowed)
    return prior.sample(NUM_DRAWS, noise, sampling)


@pytest.mark.parametrize("seed", SEEDS)
def test_codes_cover_the_prior_better_than_independent_ones(seed):
    expected = table(make_prior(seed))
    errors, distinct = [], []
    for row in range(expected.shape[1]):
        pairs = []
        for trial in range(10):
            spread = low_discrepancy_uniforms(100 * seed + trial, range(NUM_DRAWS), MIXED.num_codes)
            pairs.append([draw(seed, row, spread), draw(seed, row, generator(100 * seed + trial))])
        for found in pairs:
            counts = [torch.bincount(number(each.codes), minlength=len(expected)) for each in found]
            errors.append([float((c / NUM_DRAWS - expected[:, row]).abs().sum() / 2) for c in counts])
            distinct.append([int((c > 0).sum()) for c in counts])
            torch.testing.assert_close(found[0].log_prob, expected[number(found[0].codes), row].log())
    ours, independent = torch.tensor(errors).mean(0)
    assert ours < 0.75 * independent
    ours, independent = torch.tensor(distinct).double().mean(0)
    assert ours > independent


@pytest.mark.parametrize("seed", SEEDS)
def test_over_seeds_one_sample_follows_the_prior(seed):
    """Row 3 of the numbers alone, for many seeds: no sample pays for the evenness of all."""
    numbers = torch.cat([low_discrepancy_uniforms(each, [3], MIXED.num_codes) for each in range(4000)])
    prior = make_prior(seed, torch.zeros(4000, dtype=torch.int64))
    expected = table(make_prior(seed))[:, 0]
    counts = torch.bincount(number(prior.sample(4000, numbers).codes), minlength=len(expected))
    assert (counts / 4000 - expected).abs().sum() / 2 < 0.05
    assert counts[expected == 0].sum() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_restriction_and_truncation_hold(seed):
    mask = make_prior(seed).masks[0][0]
    allowed = mask & (torch.arange(len(mask)) >= mask.nonzero()[-1])
    numbers = low_discrepancy_uniforms(seed, range(NUM_DRAWS), MIXED.num_codes)
    found = draw(seed, 0, numbers, CodeSampling(temperature=2, top_k=2), [allowed, None, None])
    assert allowed[found.codes[:, 0]].all()
    assert found.codes[:, 1].unique().numel() <= 2 * found.codes[:, 0].unique().numel()
    greedy = draw(seed, 0, numbers, CodeSampling(temperature=0))
    assert (greedy.codes == greedy.codes[0]).all()
