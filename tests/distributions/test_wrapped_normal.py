import math

import numpy as np
import pytest
import torch
from scipy import stats

from discodock.distributions import wrapped_normal as wn

SIGMAS = [0.01, 0.05, 0.3, 1.0, 1.49, 1.51, 2.0, 3.14, 4.0]


def scalar(sigma: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(sigma, dtype=dtype)


def circle(num: int = 20_001) -> torch.Tensor:
    return torch.linspace(-math.pi, math.pi, num, dtype=torch.float64)[:-1]


def explicit_log_prob(angle: torch.Tensor, sigma: float) -> torch.Tensor:
    """The defining sum over many windings."""
    images = angle[:, None] + 2 * math.pi * torch.arange(-20, 21, dtype=torch.float64)
    return torch.logsumexp(-(images**2) / (2 * sigma**2), dim=-1) - math.log(sigma * math.sqrt(2 * math.pi))


@pytest.mark.parametrize("sigma", SIGMAS)
def test_integrates_to_one(sigma: float) -> None:
    angle = circle()
    assert (wn.log_prob(angle, scalar(sigma)).exp().mean() * 2 * math.pi).item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_log_prob_and_score_equal_the_explicit_sum(sigma: float) -> None:
    angle = circle(501).clone().requires_grad_()
    expected = explicit_log_prob(angle, sigma)
    (gradient,) = torch.autograd.grad(expected.sum(), angle)
    torch.testing.assert_close(wn.log_prob(angle, scalar(sigma)), expected, rtol=1e-10, atol=1e-10)
    # at the edge -pi of a narrow kernel the two nearest windings balance and the sign is a matter of rounding
    inner = slice(1, None)
    torch.testing.assert_close(wn.score(angle, scalar(sigma))[inner], gradient[inner], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_is_periodic_and_its_score_odd(sigma: float) -> None:
    angle = circle(100)[1:]
    for turns in (-3, 1, 7):
        shifted = angle + 2 * math.pi * turns
        torch.testing.assert_close(
            wn.score(shifted, scalar(sigma)), wn.score(angle, scalar(sigma)), rtol=1e-6, atol=1e-6
        )
        torch.testing.assert_close(wn.log_prob(shifted, scalar(sigma)), wn.log_prob(angle, scalar(sigma)))
    torch.testing.assert_close(wn.score(-angle, scalar(sigma)), -wn.score(angle, scalar(sigma)), rtol=1e-9, atol=1e-9)


def test_wrap_is_half_open() -> None:
    angle = torch.tensor([math.pi, -math.pi, 3 * math.pi, 0.5, 0.5 - 8 * math.pi], dtype=torch.float64)
    expected = torch.tensor([-math.pi, -math.pi, -math.pi, 0.5, 0.5], dtype=torch.float64)
    torch.testing.assert_close(wn.wrap(angle), expected)
    assert (wn.wrap(circle() * 9) < math.pi).all()


def test_narrow_limit_is_normal_and_wide_limit_uniform() -> None:
    angle = torch.linspace(-0.2, 0.2, 41, dtype=torch.float64)
    torch.testing.assert_close(wn.score(angle, scalar(0.05)), -angle / 0.05**2, rtol=1e-12, atol=1e-12)
    assert wn.score(circle(), scalar(10.0)).abs().max() < 1e-12
    assert (wn.log_prob(circle(), scalar(10.0)) + math.log(2 * math.pi)).abs().max() < 1e-12


@pytest.mark.parametrize("sigma", SIGMAS)
def test_float32_score_is_accurate(sigma: float) -> None:
    angle = circle(501).float()
    angle = angle[angle.abs() < 3.1]
    exact = wn.score(angle.double(), scalar(sigma))
    single = wn.score(angle, scalar(sigma, torch.float32)).double()
    torch.testing.assert_close(single, exact, rtol=2e-5, atol=2e-6 * exact.abs().max().item())


@pytest.mark.parametrize("sigma", SIGMAS)
def test_samples_follow_the_density(sigma: float) -> None:
    drawn = wn.sample(scalar(sigma).expand(50_000), generator=torch.Generator().manual_seed(0)).numpy()
    grid = circle(200_001)
    cdf = np.cumsum(wn.log_prob(grid, scalar(sigma)).exp().numpy()) * (grid[1] - grid[0]).item()
    assert drawn.min() >= -math.pi and drawn.max() < math.pi
    assert stats.kstest(drawn, lambda x: np.interp(x, grid.numpy(), cdf)).pvalue > 1e-3


@pytest.mark.parametrize("sigma", SIGMAS)
def test_score_norm_is_the_monte_carlo_mean(sigma: float) -> None:
    drawn = wn.sample(scalar(sigma).expand(100_000), generator=torch.Generator().manual_seed(1))
    mean = wn.score(drawn, scalar(sigma)).square().mean().item()
    assert wn.score_norm(scalar(sigma)).item() == pytest.approx(mean, rel=0.03)


def test_score_norm_is_smooth_across_the_switch_and_has_its_narrow_limit() -> None:
    sigma = torch.linspace(1.4, 1.6, 201, dtype=torch.float64)
    slope = wn.score_norm(sigma).log().diff()
    assert slope.diff().abs().max() < 0.02 * slope.abs().max()
    assert wn.score_norm(scalar(0.01)).item() == pytest.approx(1 / 0.01**2, rel=1e-4)
