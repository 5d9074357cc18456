"""The mixture in the plane: its modes, what is measured of samples, and what codes do."""

import math

import pytest
import torch

from discodock.images.toy.model import Mixture, ToyConfig, ToyModel, UsageReward, train_pair
from discodock.images.toy.report import correspondence, measure, quality
from discodock.latents.diagnostics import entropy

SMALL = ToyConfig(
    mixture=Mixture(num_clusters=3, modes_per_cluster=1),
    codes={"num_codes": 1, "codebook_size": 3},
    annealing={"start": 3.0, "end": 1.0, "decay_steps": 200},
    steps=400,
    batch_size=128,
    width=32,
    depth=2,
    prior_steps=150,
)


def test_modes_are_nested_in_clusters():
    mixture = Mixture(num_clusters=4, modes_per_cluster=3, cluster_radius=1.5, mode_radius=0.35)
    means = mixture.means().view(4, 3, 2)
    centers = means.mean(dim=1)
    torch.testing.assert_close(centers.norm(dim=1), torch.full((4,), 1.5))
    torch.testing.assert_close((means - centers[:, None]).norm(dim=-1), torch.full((4, 3), 0.35))
    points, modes = mixture.draw(20_000, torch.Generator().manual_seed(0))
    rest = points - mixture.means()[modes]
    assert float(rest.std()) == pytest.approx(mixture.width, rel=0.02)
    assert torch.bincount(modes, minlength=12).min() > 1400


def test_quality_counts_stray_points_and_missing_modes():
    mixture = Mixture(num_clusters=4, modes_per_cluster=1)
    means = mixture.means()
    assert quality(means.repeat(5, 1), mixture) == {"stray": 0.0, "imbalance": pytest.approx(0.0, abs=1e-9)}
    half = quality(torch.cat([means[:2], means[:2] + 0.5]), mixture)
    assert half == {"stray": 0.5, "imbalance": pytest.approx(0.5)}


def test_the_plain_model_is_at_least_as_large():
    pair = train_pair(SMALL.model_copy(update={"steps": 10, "prior_steps": 10}))
    assert pair.codes.num_parameters <= pair.plain.num_parameters < 1.1 * pair.codes.num_parameters
    assert pair.plain.layout is None and pair.codes.prior is not None


def test_codes_are_added_to_the_condition():
    torch.manual_seed(0)
    model = ToyModel(SMALL, 16, has_codes=True)
    x, sigma = torch.randn(2, 2), torch.ones(2)
    first, second = (torch.nn.functional.one_hot(torch.full((2,), code), 3).float() for code in (0, 1))
    assert (model.denoiser(x, sigma, None, [first]) - model.denoiser(x, sigma, None, [second])).abs().max() > 1e-3


def test_correspondence_tells_shared_codes_from_shared_modes():
    modes = torch.arange(4).repeat(25)
    exact = correspondence((modes * 7) % 5, modes)
    assert exact["information_over_mode_entropy"] == pytest.approx(1) and exact["pairs"] == 4
    assert exact["information_over_code_entropy"] == pytest.approx(1)
    coarse = correspondence(modes // 2, modes)  # two modes share each code
    assert coarse["information_over_mode_entropy"] == pytest.approx(0.5) and coarse["pairs"] == 2
    assert coarse["information_over_code_entropy"] == pytest.approx(1)
    half = torch.arange(100) < 48  # a whole number of rounds of the modes
    fine = correspondence(torch.where(half, modes, modes + 10), modes)  # two codes share each mode
    assert fine["information_over_mode_entropy"] == pytest.approx(1) and fine["pairs"] == 4
    assert fine["information_over_code_entropy"] == pytest.approx(2 / (2 + entropy_bits(0.48)))
    assert correspondence(torch.zeros_like(modes), modes)["information_over_code_entropy"] == 1


def entropy_bits(p):
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def test_the_reward_has_the_gradient_of_the_entropy_of_the_usage_over_batches():
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn(200, size, generator=generator, requires_grad=True) for size in (3, 5)]
    probs = [each.softmax(dim=1) for each in logits]
    expected = torch.autograd.grad(sum(entropy(each.mean(dim=0)) for each in probs), logits, retain_graph=True)
    reward = UsageReward()
    found = torch.autograd.grad(reward(probs), logits, retain_graph=True)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    reward([torch.eye(size)[:1].expand(200, -1) for size in (3, 5)])  # a batch of one entry moves the average little
    for usage, each in zip(reward.usage, probs, strict=True):
        expected_usage = 0.95 * each.detach().mean(dim=0) + 0.05 * torch.eye(each.shape[1])[0]
        torch.testing.assert_close(usage, expected_usage)


@pytest.mark.slow
def test_codes_halve_the_curvature_and_each_mode_has_one():
    metrics = measure(train_pair(SMALL), SMALL, num=500)
    assert metrics["curvature"]["codes"] < 0.5 * metrics["curvature"]["plain"]
    assert metrics["mode_entropy_bits"] == pytest.approx(math.log2(3), abs=0.02)
    assert metrics["information_over_mode_entropy"] > 0.95
    assert metrics["information_over_code_entropy"] > 0.95
    assert metrics["pairs"] == 3
