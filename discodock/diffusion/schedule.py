"""Noise levels as functions of time, and the time grids that solvers walk."""

from __future__ import annotations

import math
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from discodock.errors import ConfigError
from discodock.settings import Settings


class NoiseSchedule(Settings):
    """Variance-exploding schedule sigma(t) = sigma_min^(1 - t) sigma_max^t, t in [0, 1], 1 = noise.

    Source: Song et al. 2021, arXiv 2011.13456; per pose component as in Corso et al. 2023, arXiv 2210.01776, section 4.
    """

    sigma_min: float = Field(default=0.1, gt=0, description="width at t = 0, Å or rad")
    sigma_max: float = Field(default=3.0, gt=0, description="width at t = 1, Å or rad")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_max <= self.sigma_min:
            raise ValueError(f"sigma_max {self.sigma_max} must be above sigma_min {self.sigma_min}")
        return self

    @property
    def log_ratio(self) -> float:
        """ln(sigma_max / sigma_min)."""
        return math.log(self.sigma_max / self.sigma_min)

    def sigma(self, t: Tensor) -> Tensor:
        """Noise level at times `t`, any shape; Å or rad."""
        return self.sigma_min * torch.exp(self.log_ratio * t)

    def g2(self, t: Tensor) -> Tensor:
        """Squared diffusion coefficient g^2 = d sigma^2 / dt = 2 sigma^2 ln(sigma_max / sigma_min), any shape."""
        return 2 * self.log_ratio * self.sigma(t).square()

    def time(self, sigma: Tensor) -> Tensor:
        """Inverse of `sigma`: the time at which a noise level is reached, any shape."""
        return torch.log(sigma / self.sigma_min) / self.log_ratio


def uniform_times(steps: int) -> Tensor:
    """Times from 1 to 0 in equal steps, so equal ratios of sigma: float64 on the CPU, shape (steps + 1,)."""
    _check_steps(steps)
    return torch.linspace(1, 0, steps + 1, dtype=torch.float64)


def karras_times(steps: int, schedule: NoiseSchedule, rho: float = 7.0) -> Tensor:
    """Times from 1 to 0 at which `schedule`'s sigma^(1/rho) falls in equal steps; small rho spends them on high noise.

    Args:
        steps: number of solver steps.
        schedule: the noise the grid is made for; other components see the same times.
        rho: 1 is uniform in sigma, large rho tends to `uniform_times`.

    Returns:
        float64 on the CPU, shape (steps + 1,).

    Source: Karras et al. 2022, arXiv 2206.00364, Eq. 5.
    """
    _check_steps(steps)
    high, low = schedule.sigma_max ** (1 / rho), schedule.sigma_min ** (1 / rho)
    root = torch.linspace(high, low, steps + 1, dtype=torch.float64)
    times = schedule.time(root**rho)
    times[0], times[-1] = 1.0, 0.0
    return times


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise ConfigError(f"a solver needs at least 1 step, not {steps}")
