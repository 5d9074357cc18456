import pytest
import torch
from pydantic import ValidationError

from discodock.diffusion.schedule import NoiseSchedule, karras_times, uniform_times
from discodock.errors import ConfigError

SCHEDULE = NoiseSchedule(sigma_min=0.05, sigma_max=3.14)


def test_ends_and_inverse() -> None:
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    sigma = SCHEDULE.sigma(t)
    assert sigma[0].item() == pytest.approx(0.05) and sigma[-1].item() == pytest.approx(3.14)
    torch.testing.assert_close(SCHEDULE.time(sigma), t)


def test_g2_is_the_growth_rate_of_the_variance() -> None:
    t = torch.linspace(0, 1, 11, dtype=torch.float64, requires_grad=True)
    (rate,) = torch.autograd.grad(SCHEDULE.sigma(t).square().sum(), t)
    torch.testing.assert_close(SCHEDULE.g2(t), rate)


@pytest.mark.parametrize("sigmas", [(0.1, 0.1), (1.0, 0.5), (0.0, 1.0), (-1.0, 1.0)])
def test_impossible_ranges_are_refused(sigmas: tuple[float, float]) -> None:
    with pytest.raises(ValidationError):
        NoiseSchedule(sigma_min=sigmas[0], sigma_max=sigmas[1])


@pytest.mark.parametrize("steps", [1, 2, 20])
def test_grids_fall_from_one_to_zero(steps: int) -> None:
    for times in (uniform_times(steps), karras_times(steps, SCHEDULE, 3.0)):
        assert times.shape == (steps + 1,) and times.dtype == torch.float64
        assert times[0] == 1 and times[-1] == 0 and (times.diff() < 0).all()


def test_karras_grid_is_uniform_in_sigma_for_rho_one_and_in_time_for_large_rho() -> None:
    linear = SCHEDULE.sigma(karras_times(10, SCHEDULE, 1.0)).diff()
    torch.testing.assert_close(linear, linear.mean().expand(10))
    torch.testing.assert_close(karras_times(10, SCHEDULE, 1e5), uniform_times(10), rtol=0, atol=1e-4)


def test_karras_grid_equals_the_published_formula() -> None:
    i, rho = torch.arange(11, dtype=torch.float64), 7.0
    high, low = 3.14 ** (1 / rho), 0.05 ** (1 / rho)
    torch.testing.assert_close(SCHEDULE.sigma(karras_times(10, SCHEDULE)), (high + i / 10 * (low - high)) ** rho)


def test_no_steps_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1 step"):
        uniform_times(0)
