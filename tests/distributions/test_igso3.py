import math

import numpy as np
import pytest
import torch
from scipy import stats

from discodock.distributions import igso3
from discodock.geometry.rotations import compose_rotvec, random_rotvec, rotvec_to_rotmat, safe_norm

SIGMAS = [0.01, 0.05, 0.1, 0.3, 0.7, 1.2, 1.49, 1.51, 2.0, 3.0, 4.0]


def scalar(sigma: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(sigma, dtype=dtype)


def angle_grid(sigma: float, num: int = 20_001) -> torch.Tensor:
    return torch.linspace(0, min(math.pi, 12 * sigma), num, dtype=torch.float64)


def explicit_series(angle: np.ndarray, sigma: float, l_max: int = 400) -> np.ndarray:
    """The textbook sum, term by term; sound where it does not cancel."""
    l = np.arange(l_max + 1)[:, None]  # noqa: E741
    terms = (2 * l + 1) * np.exp(-l * (l + 1) * sigma**2 / 2) * np.sin((l + 0.5) * angle) / np.sin(angle / 2)
    return terms.sum(0)


def random_rotvecs(sigma: float, num: int = 64) -> torch.Tensor:
    """Anywhere within a few sigma, out to the edge of the ball."""
    axis = random_rotvec(num, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    axis = axis / safe_norm(axis)[:, None]
    return axis * torch.linspace(0.01, min(0.999 * math.pi, 5 * sigma), num, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_angle_density_integrates_to_one(sigma: float) -> None:
    angle = angle_grid(sigma)
    assert torch.trapezoid(igso3.angle_prob(angle, scalar(sigma)), angle).item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("sigma", [0.01, 0.02, 0.05])
def test_variance_pins_the_half_in_the_kernel(sigma: float) -> None:
    angle = angle_grid(sigma)
    second_moment = torch.trapezoid(angle.square() * igso3.angle_prob(angle, scalar(sigma)), angle).item()
    assert second_moment / (3 * sigma**2) == pytest.approx(1, abs=sigma**2)  # disco-diffdock's kernel gives 2


@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.7, 1.2, 1.49, 1.51, 2.0, 4.0])
def test_density_equals_the_textbook_series(sigma: float) -> None:
    angle = np.linspace(0.01, min(math.pi, 5 * sigma), 200)  # further out the series itself has no digits left
    rotvec = torch.zeros(200, 3, dtype=torch.float64)
    rotvec[:, 1] = torch.from_numpy(angle)
    ours = igso3.log_prob(rotvec, scalar(sigma)).exp().numpy()
    np.testing.assert_allclose(ours, explicit_series(angle, sigma), rtol=1e-6, atol=1e-9 / sigma**3)


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_narrow_limit_is_a_normal_in_the_tangent_space(sigma: float) -> None:
    rotvec = random_rotvecs(sigma)
    # Haar measure is d^3v / (8 pi^2) at the identity
    log_normal = -rotvec.square().sum(-1) / (2 * sigma**2) - 1.5 * math.log(2 * math.pi * sigma**2)
    expected = log_normal + math.log(8 * math.pi**2)
    torch.testing.assert_close(igso3.log_prob(rotvec, scalar(sigma)), expected, rtol=0, atol=3 * sigma**2)
    score = igso3.score(rotvec, scalar(sigma))
    torch.testing.assert_close(score, -rotvec / sigma**2, rtol=sigma**2, atol=0)


def test_wide_limit_is_uniform() -> None:
    rotvec = random_rotvecs(4.0)
    assert igso3.log_prob(rotvec, scalar(6.0)).abs().max() < 1e-12
    assert igso3.score(rotvec, scalar(20.0)).abs().max() < 1e-12
    assert igso3.score_norm(scalar(5.0)) < 1e-9


@pytest.mark.parametrize("sigma", SIGMAS)
def test_score_is_the_gradient_of_log_prob(sigma: float) -> None:
    rotvec = random_rotvecs(sigma).requires_grad_()
    (gradient,) = torch.autograd.grad(igso3.log_prob(rotvec, scalar(sigma)).sum(), rotvec)
    scale = igso3.score_norm(scalar(sigma)).sqrt().item()
    torch.testing.assert_close(igso3.score(rotvec, scalar(sigma)), gradient, rtol=1e-8, atol=1e-8 * scale)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.2, 1.6, 3.0])
@pytest.mark.parametrize("side", ["left", "right"])
def test_score_is_the_derivative_along_the_group(sigma: float, side: str) -> None:
    """Finite differences of log_prob along exp(h e) R, lab frame, and along R exp(h e)."""
    rotvec = random_rotvecs(sigma)
    rotvec = rotvec[rotvec.norm(dim=-1) < 3.0]
    step = 1e-4 * sigma
    columns = []
    for axis in torch.eye(3, dtype=torch.float64):
        move = (step * axis).expand_as(rotvec)
        ends = [
            compose_rotvec(s * move, rotvec) if side == "left" else compose_rotvec(rotvec, s * move) for s in (1, -1)
        ]
        columns.append((igso3.log_prob(ends[0], scalar(sigma)) - igso3.log_prob(ends[1], scalar(sigma))) / (2 * step))
    score = igso3.score(rotvec, scalar(sigma))
    torch.testing.assert_close(torch.stack(columns, -1), score, rtol=1e-4, atol=1e-5 / sigma)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_float32_score_is_accurate(sigma: float) -> None:
    rotvec = torch.cat([random_rotvecs(sigma), torch.zeros(1, 3), random_rotvecs(sigma) * 1e-4])
    exact = igso3.score(rotvec.float().double(), scalar(sigma))
    single = igso3.score(rotvec.float(), scalar(sigma, torch.float32))
    scale = igso3.score_norm(scalar(sigma)).sqrt().item()
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=2e-5, atol=2e-6 * max(scale, 1 / sigma))
    assert single[64].eq(0).all()


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("seed", [0, 1])
def test_samples_follow_the_angle_distribution(sigma: float, seed: int) -> None:
    drawn = igso3.sample(scalar(sigma).expand(50_000), generator=torch.Generator().manual_seed(seed))
    grid = angle_grid(sigma)
    cdf = torch.cumulative_trapezoid(igso3.angle_prob(grid, scalar(sigma)), grid).numpy()
    angle = safe_norm(drawn).numpy()
    assert angle.max() <= math.pi + 1e-9
    result = stats.kstest(angle, lambda w: np.interp(w, grid[1:].numpy(), cdf))
    assert result.pvalue > 1e-3
    direction = drawn / safe_norm(drawn)[:, None]
    assert direction.mean(0).abs().max() < 0.02


def test_the_kernel_is_a_semigroup() -> None:
    """Two narrow kicks make one wide one: sigma^2 adds, as g^2 = d sigma^2 / dt requires."""
    generator = torch.Generator().manual_seed(0)
    kicks = [igso3.sample(scalar(sigma).expand(100_000), generator=generator) for sigma in (0.6, 0.8)]
    twice = compose_rotvec(kicks[1], kicks[0])
    once = igso3.sample(scalar(1.0).expand(100_000), generator=generator)
    assert stats.ks_2samp(safe_norm(twice).numpy(), safe_norm(once).numpy()).pvalue > 1e-3
    assert rotvec_to_rotmat(twice).diagonal(dim1=1, dim2=2).mean() == pytest.approx(math.exp(-1), abs=0.01)


def test_each_sample_of_a_batch_has_its_own_sigma() -> None:
    normal = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigma = torch.tensor([0.05, 0.5, 3.0], dtype=torch.float64)
    together = igso3.from_normal(normal, sigma)
    for i in range(3):
        torch.testing.assert_close(igso3.from_normal(normal[i], sigma[i]), together[i], rtol=0, atol=0)
    single = igso3.from_normal(normal.float(), sigma.float())
    torch.testing.assert_close(single.double(), together, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_score_norm_is_the_monte_carlo_mean(sigma: float) -> None:
    drawn = igso3.sample(scalar(sigma).expand(100_000), generator=torch.Generator().manual_seed(0))
    mean = igso3.score(drawn, scalar(sigma)).square().sum(-1).mean().item()
    assert igso3.score_norm(scalar(sigma)).item() == pytest.approx(mean, rel=0.02)


def test_score_norm_is_smooth_across_the_switch_and_has_its_narrow_limit() -> None:
    sigma = torch.linspace(1.4, 1.6, 201, dtype=torch.float64)
    slope = igso3.score_norm(sigma).log().diff()
    assert slope.diff().abs().max() < 0.02 * slope.abs().max()
    assert igso3.score_norm(scalar(0.01)).item() == pytest.approx(3 / 0.01**2, rel=1e-4)
    assert igso3.score_norm(scalar(0.001)).item() == pytest.approx(3 / 0.001**2, rel=1e-4)
