import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from discodock.latents.diagnostics import (
    NATS_PER_BIT,
    code_usage,
    entropy,
    input_information,
    joint_labels,
    mutual_information,
    shuffled_mutual_information,
)
from tests.latents.kinds import SEEDS, generator


@pytest.mark.parametrize("seed", SEEDS)
def test_entropy_agrees_with_scipy_and_takes_zeros(seed):
    probs = torch.rand(6, 5, generator=generator(seed), dtype=torch.float64)
    probs[0, 1:] = 0
    probs = probs / probs.sum(1, keepdim=True)
    np.testing.assert_allclose(entropy(probs), scipy_entropy(probs.numpy(), axis=1), atol=1e-12)
    assert float(entropy(probs)[0]) == 0


def test_entropy_has_a_finite_gradient_at_impossible_entries():
    logits = torch.tensor([[0.3, -0.2, -torch.inf]], dtype=torch.float64, requires_grad=True)
    entropy(logits.softmax(-1)).sum().backward()
    step = torch.tensor([[1e-6, 0, 0]], dtype=torch.float64)
    higher, lower = (entropy((logits.detach() + sign * step).softmax(-1)) for sign in (1, -1))
    assert logits.grad.isfinite().all()
    assert float(logits.grad[0, 0]) == pytest.approx(float(higher - lower) / 2e-6, abs=1e-8)


def test_usage_of_a_spread_and_of_a_collapsed_code():
    spread = code_usage(torch.arange(4).repeat(10), 8)
    assert (spread.used, spread.entropy, spread.perplexity) == pytest.approx((0.5, math.log(4), 4))
    assert code_usage(torch.tensor([0, 1, 1]), 8).used == 2 / 8
    collapsed = code_usage(torch.zeros(10, dtype=torch.int64), 8)
    assert (collapsed.used, collapsed.entropy, collapsed.perplexity) == pytest.approx((1 / 8, 0, 1))
    for bad in ([], [8], [-1]):
        with pytest.raises(ValueError, match="0 ... 7"):
            code_usage(torch.tensor(bad, dtype=torch.int64), 8)


@pytest.mark.parametrize("seed", SEEDS)
def test_mutual_information_is_that_of_the_table(seed):
    first = torch.randint(3, (500,), generator=generator(seed))
    second = (first * 5 + torch.randint(2, (500,), generator=generator(seed + 1))) % 7 - 2  # negative labels too
    table = np.zeros((3, 7))
    np.add.at(table, (first.numpy(), second.numpy() + 2), 1 / 500)
    independent = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
    expected = sum(p * np.log(p / q) for p, q in zip(table.flat, independent.flat, strict=True) if p > 0)
    assert mutual_information(first, second) == pytest.approx(expected, abs=1e-12)
    assert mutual_information(second, first) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_mutual_information_of_a_renamed_label_is_its_entropy_and_of_a_foreign_one_nearly_nothing(seed):
    label = torch.arange(4).repeat(250)
    renamed = torch.randperm(4, generator=generator(seed))[label]
    assert mutual_information(label, renamed) / NATS_PER_BIT == pytest.approx(2)
    foreign = torch.randint(3, (1000,), generator=generator(seed))
    baseline = shuffled_mutual_information(label, foreign, generator(seed), num_shuffles=50)
    assert float(baseline.mean()) == pytest.approx(3 * 2 / 2000, rel=0.4)  # the bias that the docstring states
    assert mutual_information(label, foreign) < 0.015
    with pytest.raises(ValueError, match="no samples"):
        mutual_information(label[:0], label[:0])


def test_joint_labels_tell_rows_apart():
    codes = torch.tensor([[1, 0], [0, 2], [1, 0], [1, 2]])
    assert joint_labels(codes).tolist() == [1, 0, 1, 2]


def test_input_information_separates_certain_ignorant_and_useful_codes():
    certain = torch.eye(4).repeat(5, 1)
    assert input_information(certain) == pytest.approx(math.log(4))
    assert input_information(torch.full((20, 4), 0.25)) == pytest.approx(0, abs=1e-12)
    assert input_information(certain[:1].expand(20, -1)) == pytest.approx(0, abs=1e-12)  # collapsed
    noisy = torch.tensor([[0.9, 0.1], [0.1, 0.9]])  # a binary symmetric channel: log 2 - H(0.1)
    assert input_information(noisy) == pytest.approx(math.log(2) - scipy_entropy([0.9, 0.1]), abs=1e-7)
