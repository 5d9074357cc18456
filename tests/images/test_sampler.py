"""Samplers against exact solutions, a literal transcription of the paper's algorithm, and each other."""

import math

import pytest
import torch

from benchmarks.images import steps_within
from discodock.images.edm import EDMConfig
from discodock.images.sampler import SamplerConfig, sample, sample_stochastic, sampler_names, sigma_steps, total_turning
from discodock.noise import standard_normal

EDM = EDMConfig()
MEAN, WIDTH = 0.3, 0.4
UNTEMPERED = [name for name in sampler_names() if name != "low_temperature"]
"""Samplers that draw from the distribution of the data by default."""


def gaussian(x, sigma):
    """The exact denoiser of data ~ N(MEAN, WIDTH^2)."""
    variance = sigma.view(-1, *[1] * (x.ndim - 1)) ** 2
    return (WIDTH**2 * x + variance * MEAN) / (WIDTH**2 + variance)


def two_points(x, sigma):
    """The exact denoiser of data at -1 and 1, equally likely."""
    return torch.tanh(x / sigma[:, None] ** 2)


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def start(shape, seed=0):
    return EDM.sigma_max * standard_normal(noise(seed), shape, torch.empty(0))


def algorithm_1(denoise, x, steps, rho=7.0):
    """Written from the paper's pseudo-code, with Eq. 5."""
    i = torch.arange(steps, dtype=torch.float64)
    high, low = EDM.sigma_max ** (1 / rho), EDM.sigma_min ** (1 / rho)
    t = [*((high + i / (steps - 1) * (low - high)) ** rho).tolist(), 0.0]
    for n in range(steps):
        d = (x - denoise(x, torch.full((len(x),), t[n]))) / t[n]
        ahead = x + (t[n + 1] - t[n]) * d
        if t[n + 1] != 0:
            second = (ahead - denoise(ahead, torch.full((len(x),), t[n + 1]))) / t[n + 1]
            ahead = x + (t[n + 1] - t[n]) * (d + second) / 2
        x = ahead
    return x


@pytest.mark.parametrize("denoise", [gaussian, two_points])
@pytest.mark.parametrize("steps", [2, 5, 18])
def test_both_samplers_without_churn_are_algorithm_1(denoise, steps):
    expected = algorithm_1(denoise, start((64, 2)), steps)
    for solver in ("heun", "stochastic"):
        found = sample(denoise, noise(), (64, 2), SamplerConfig(solver=solver, steps=steps), EDM)
        torch.testing.assert_close(found, expected, atol=3e-3, rtol=2e-3)


@pytest.mark.parametrize("solver", ["heun", "dpm_solver_pp"])
def test_paths_end_where_the_exact_ode_does(solver):
    """dx / d sigma of Gaussian data is solved by x - m ~ (s^2 + sigma^2)^(1/2)."""
    expected = MEAN + (start((500, 1)) - MEAN) * WIDTH / math.sqrt(WIDTH**2 + EDM.sigma_max**2)
    errors = [
        float((sample(gaussian, noise(), (500, 1), SamplerConfig(solver=solver, steps=n), EDM) - expected).abs().max())
        for n in (20, 40)
    ]
    assert errors[1] < 0.03
    assert errors[0] / errors[1] > 2.5  # 4 in the limit, for second order


@pytest.mark.parametrize("solver", UNTEMPERED)
def test_samples_have_the_moments_of_the_data(solver):
    config = SamplerConfig(solver=solver, steps=80, S_churn=20)
    found = sample(gaussian, noise(), (4000, 1), config, EDM)
    assert abs(float(found.mean()) - MEAN) < 0.03
    assert abs(float(found.std()) - WIDTH) < 0.03


def test_low_temperature_narrows_the_samples():
    found = sample(gaussian, noise(), (4000, 1), SamplerConfig(solver="low_temperature", steps=80), EDM)
    assert abs(float(found.mean()) - MEAN) < 0.03
    assert 0.5 * WIDTH < float(found.std()) < 0.95 * WIDTH


@pytest.mark.parametrize("solver", sampler_names())
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_evaluations_are_counted_right(solver, steps):
    calls = []

    def counted(x, sigma):
        calls.append(float(sigma[0]))
        return gaussian(x, sigma)

    config = SamplerConfig(solver=solver, steps=steps)
    seen = []
    found = sample(counted, noise(), (3, 1), config, EDM, on_step=lambda number, state: seen.append(number))
    assert len(calls) == config.evaluations
    assert steps_within(config.evaluations, config) == steps
    assert config.model_copy(update={"steps": steps_within(18, config)}).evaluations in (17, 18)
    assert calls[0] == pytest.approx(EDM.sigma_max, rel=1e-5)
    assert seen == list(range(steps + 1))
    if steps == 1:
        torch.testing.assert_close(found, gaussian(start((3, 1)), torch.full((3,), EDM.sigma_max)))


def test_churn_adds_noise_only_between_its_limits():
    sigmas = sigma_steps(SamplerConfig(steps=10), EDM)
    quiet = sample_stochastic(gaussian, start((8, 1)), sigmas, noise(), SamplerConfig(steps=10))

    def churned(**limits):
        config = SamplerConfig(steps=10, S_churn=3, **limits)
        return sample_stochastic(gaussian, start((8, 1)), sigmas, noise(1), config)

    assert torch.equal(churned(S_min=1000.0), quiet)
    assert torch.equal(churned(S_max=1e-6), quiet)
    assert not torch.allclose(churned(S_min=0.1, S_max=10.0), quiet, atol=1e-3)


def test_the_stochastic_sampler_evaluates_at_the_raised_noise_level():
    raised = []

    def record(x, sigma):
        raised.append(float(sigma[0]))
        return gaussian(x, sigma)

    config = SamplerConfig(steps=4, S_churn=1.0)  # gamma = 1/4
    sigmas = sigma_steps(config, EDM)
    sample_stochastic(record, start((2, 1)), sigmas, noise(), config)
    assert raised[0::2] == pytest.approx([1.25 * level for level in sigmas[:-1].tolist()], rel=1e-5)


def test_turning_of_an_arc_is_its_angle_and_of_a_line_is_zero():
    angle = torch.linspace(0, 2.0, 401)
    arc = torch.stack([angle.cos(), angle.sin()], dim=-1)
    line = torch.linspace(0, 1, 401)[:, None] * torch.tensor([3.0, -1.0])
    turning = total_turning(torch.stack([arc, line], dim=1))
    torch.testing.assert_close(turning, torch.tensor([2.0, 0.0]).double(), atol=0.01, rtol=0)
