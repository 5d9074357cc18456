import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from discodock.latents.categorical import (
    NULL_CODE,
    cross_entropy,
    hard_codes,
    likely_entries,
    log_prob,
    masked_log_softmax,
    one_hot,
    sample,
)
from discodock.latents.code_sampling import CodeSampling
from discodock.noise import Purpose, StreamNoise, gumbel, uniform
from tests.latents.kinds import SEEDS, generator

EULER = 0.5772156649015329


def frequencies(codes, num_entries):
    return torch.bincount(codes, minlength=num_entries).double() / len(codes)


def many(row, num=40_000):
    return torch.as_tensor(row, dtype=torch.float64).expand(num, -1)


EVERY = torch.ones(4, dtype=torch.bool)


@pytest.mark.parametrize("seed", SEEDS)
def test_gumbel_and_uniform_numbers_have_the_textbook_moments(seed):
    like = torch.empty(0, dtype=torch.float64)
    drawn = gumbel(generator(seed), (50_000,), like)
    assert float(drawn.mean()) == pytest.approx(EULER, abs=0.03)
    assert float(drawn.var()) == pytest.approx(math.pi**2 / 6, abs=0.07)
    drawn = uniform(generator(seed), (50_000,), like)
    assert float(drawn.mean()) == pytest.approx(1 / 2, abs=0.006)
    assert float(drawn.var()) == pytest.approx(1 / 12, abs=0.002)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_draws_follow_the_softmax_at_the_temperature(seed, temperature):
    logits = torch.randn(4, generator=generator(seed), dtype=torch.float64)
    codes = sample(many(logits), EVERY, generator(seed), CodeSampling(temperature=temperature))
    expected = torch.from_numpy(np.exp(logits.numpy() / temperature))
    torch.testing.assert_close(frequencies(codes, 4), expected / expected.sum(), atol=0.012, rtol=0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_inversion_at_every_number_gives_the_softmax(seed, temperature):
    logits = torch.randn(6, generator=generator(seed), dtype=torch.float64)
    mask = torch.tensor([seed % 2 == 0, True, True, False, True, seed % 2 == 1])
    numbers = (torch.arange(20_000) + 0.5) / 20_000
    config = CodeSampling(temperature=temperature, top_k=3)
    codes = sample(many(logits, 20_000), mask, numbers, config)
    kept = likely_entries(logits[None], mask, config)[0]
    expected = torch.where(kept, torch.exp(logits / temperature), 0)
    torch.testing.assert_close(frequencies(codes, 6), expected / expected.sum(), atol=1e-4, rtol=0)
    assert (codes.diff() >= 0).all()
    ends = torch.tensor([0.0, 1 - 2**-53, 1.0], dtype=torch.float64)
    assert kept[sample(many(logits, 3), mask, ends, config)].all()
    assert sample(many(logits, 3), mask, ends, CodeSampling(temperature=0)).unique().numel() == 1


def test_temperature_zero_is_the_mode_and_infinity_the_uniform_distribution():
    logits = many([0.0, 3.0, 2.9, -50.0])
    assert sample(logits, EVERY, generator(0), CodeSampling(temperature=0)).unique().tolist() == [1]
    assert sample(logits, EVERY, generator(0), CodeSampling(temperature=1e-6)).unique().tolist() == [1]
    hot = sample(logits, EVERY, generator(0), CodeSampling(temperature=1e9))
    torch.testing.assert_close(frequencies(hot, 4), torch.full((4,), 0.25, dtype=torch.float64), atol=0.012, rtol=0)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, [0, 1, 2, 3]),
        ({"top_k": 2}, [1, 3]),
        ({"top_k": 9}, [0, 1, 2, 3]),
        ({"top_p": 0.35}, [3]),  # probabilities 0.1, 0.3, 0.2, 0.4
        ({"top_p": 0.65}, [1, 3]),
        ({"top_p": 0.75}, [1, 2, 3]),
        ({"top_p": 0.75, "top_k": 2}, [1, 3]),
        ({"top_p": 0.65, "temperature": 100}, [1, 2, 3]),  # all but equal, and so three of four
        ({"top_p": 0.65, "temperature": 0.1}, [3]),
        ({"top_p": 1e-9}, [3]),
    ],
)
def test_top_k_and_top_p_keep_the_most_probable(settings, kept):
    logits = many([0.1, 0.3, 0.2, 0.4], num=5000).log()
    sampling = CodeSampling(**settings)
    assert likely_entries(logits[:1], EVERY, sampling).nonzero()[:, 1].tolist() == kept
    assert set(sample(logits, EVERY, generator(0), sampling).tolist()) <= set(kept)


def test_top_k_keeps_exactly_k_of_equals_and_a_mask_comes_first():
    logits = torch.zeros(1, 4)
    assert int(likely_entries(logits, EVERY, CodeSampling(top_k=2)).sum()) == 2
    mask = torch.tensor([False, True, False, True])
    logits = torch.tensor([[9.0, 0.0, 9.0, 1.0]])
    assert likely_entries(logits, mask, CodeSampling(top_p=0.5)).tolist() == [[False, False, False, True]]
    assert torch.equal(likely_entries(logits, mask, CodeSampling(top_k=3)), mask[None])  # fewer than k are left


@pytest.mark.parametrize("seed", SEEDS)
def test_log_prob_is_that_of_the_allowed_entries_alone(seed):
    logits = torch.randn(3, 4, generator=generator(seed), dtype=torch.float64)
    mask = torch.tensor([True, False, True, True])
    found = torch.stack([log_prob(logits, mask, torch.full((3,), code)) for code in range(4)], dim=1)
    probs = np.exp(logits.numpy()) * mask.numpy()
    np.testing.assert_allclose(found.exp(), probs / probs.sum(1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_cross_entropy_is_the_mean_surprise_and_ignores_impossible_entries(seed):
    logits = torch.randn(3, 4, generator=generator(seed), dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([True, False, True, True])
    target = torch.rand(3, 4, generator=generator(seed + 1), dtype=torch.float64) * mask
    found = cross_entropy(logits, mask, target)
    log_probs = masked_log_softmax(logits, mask)
    expected = -sum(target[:, n] * log_probs[:, n] for n in (0, 2, 3))
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad[:, 1] == 0).all()
    assert cross_entropy(logits, mask, torch.ones(3, 4)).isinf().all()  # mass where there can be none


@pytest.mark.parametrize(
    ("logits", "mask"),
    [
        ([0.0, 1.0], [False, False]),
        ([0.0, -math.inf], [False, True]),
        ([0.0, math.nan], [True, True]),
        ([math.inf, 0.0], [True, True]),
    ],
)
def test_rows_that_cannot_be_drawn_from_are_refused(logits, mask):
    rows = torch.tensor([[0.0, 0.0], logits])
    masks = torch.tensor([[True, True], mask])
    for settings in ({}, {"top_p": 0.5}, {"temperature": 0}):
        with pytest.raises(ValueError, match="row 1"):
            sample(rows, masks, generator(0), CodeSampling(**settings))


@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_stream_per_sample_a_draw_depends_on_neither_batch_nor_padding(seed):
    logits = torch.randn(8, 3, generator=generator(seed))
    together = sample(logits, torch.ones(3, dtype=torch.bool), StreamNoise(seed, range(8), Purpose.POSES))
    padded, mask = torch.zeros(8, 9), torch.zeros(8, 9, dtype=torch.bool)
    places = torch.tensor([2, 3, 7])
    padded[:, places], mask[:, places] = logits, True
    assert sample(padded, mask, StreamNoise(seed, range(8), Purpose.POSES)).tolist() == places[together].tolist()
    alone = [sample(logits[i : i + 1], EVERY[:3], StreamNoise(seed, [i], Purpose.POSES)).item() for i in range(8)]
    assert alone == together.tolist()


def test_the_same_generator_gives_the_same_draws_and_the_global_one_is_left_alone():
    logits = torch.zeros(1000, 4)
    before = torch.get_rng_state()
    first, again = (sample(logits, EVERY, generator(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, sample(logits, EVERY, generator(4)))
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_is_computed_in_float32():
    logits = torch.tensor([[0.0, 12.0]], dtype=torch.bfloat16)
    assert masked_log_softmax(logits, EVERY[:2]).dtype == torch.float32
    assert sample(logits, EVERY[:2], generator(0), CodeSampling(top_p=0.9)).tolist() == [1]


def test_one_hot_and_hard_codes_undo_each_other_and_null_is_a_row_of_zeros():
    codes = torch.tensor([2, NULL_CODE, 0])
    weights = one_hot(codes, 3, torch.float64)
    assert weights.tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert torch.equal(hard_codes(weights), codes)


@pytest.mark.parametrize("code", [3, -2])
def test_codes_without_an_entry_are_refused(code):
    codes = torch.tensor([0, code])
    with pytest.raises(ValueError, match=f"code {code} is not one of -1 ... 2"):
        one_hot(codes, 3, torch.float32)
    with pytest.raises(ValueError, match=f"code {code} is not one of 0 ... 2"):
        log_prob(torch.zeros(2, 3), EVERY[:3], codes)


@pytest.mark.parametrize("bad", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}, {"topk": 3}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValidationError):
        CodeSampling(**bad)
