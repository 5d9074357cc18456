"""Sampling settings: defaults that stay stable with few steps, and words for what is wrong."""

import pytest

from discodock.diffusion.process import PoseProcessConfig
from discodock.errors import ConfigError
from discodock.inference.sample import SamplingConfig, default_solver


@pytest.mark.parametrize("steps", [8, 10, 15, 20, 40, 200])
def test_explicit_steps_of_the_default_solver_do_not_overshoot(steps):
    """A step moves a pose by gain * g^2 dt * score; beyond 2 the error of a Gaussian would grow from step to step.

    The gain falls from its first value at the largest noise, where scores are bounded on the manifold and later steps
    mend what went too far, to its last at the smallest.
    """
    (temperature,) = default_solver(steps).temperatures
    first, last = temperature.sampling * (1 + temperature.psi / 2), 1 + temperature.sampling * temperature.psi / 2
    config = PoseProcessConfig()
    for schedule in (config.tr, config.rot, config.tor):
        assert first * 2 * schedule.log_ratio / steps < 2.3
        assert last * 2 * schedule.log_ratio / steps < 1.5


def test_given_values_win_over_the_default_solver():
    config = SamplingConfig.checked({"solver": {"solver": "heun", "steps": 7, "rho": 3.0}})
    assert (config.solver.solver, config.solver.steps, config.solver.rho) == ("heun", 7, 3.0)
    assert SamplingConfig.checked({}) == SamplingConfig() and SamplingConfig().solver == default_solver(20)


@pytest.mark.parametrize(
    "values", [{"samples": 0}, {"solver": {"steps": "many"}}, {"solver": {"solver": "x"}}, {"seed": -1}]
)
def test_unusable_settings_are_named_in_one_line(values):
    with pytest.raises(ConfigError) as caught:
        SamplingConfig.checked(values)
    assert "\n" not in str(caught.value)
