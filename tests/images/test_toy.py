"""The mixture in the plane: its modes, what is measured of samples, and what codes do."""

import math

import pytest
import torch

from discodock.images.toy import Mixture, ToyConfig, ToyModel, train_pair
from discodock.images.toy_report import measure, quality

SMALL = ToyConfig(
    mixture=Mixture(num_clusters=3, modes_per_cluster=1),
    codes={"num_codes": 1, "codebook_size": 4},
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
    first, second = (torch.nn.functional.one_hot(torch.full((2,), code), 4).float() for code in (0, 1))
    assert (model.denoiser(x, sigma, None, [first]) - model.denoiser(x, sigma, None, [second])).abs().max() > 1e-3


@pytest.mark.slow
def test_codes_halve_the_curvature_and_tell_the_modes():
    metrics = measure(train_pair(SMALL), SMALL, num=500)
    assert metrics["curvature"]["codes"] < 0.5 * metrics["curvature"]["plain"]
    assert metrics["mode_entropy_bits"] == pytest.approx(math.log2(3), abs=0.02)
    assert metrics["information_bits"] > 0.95 * metrics["mode_entropy_bits"]
