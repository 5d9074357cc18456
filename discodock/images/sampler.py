"""EDM's samplers: the deterministic one by the solvers that docking uses, and the stochastic one.

Source: Karras et al. 2022, arXiv 2206.00364, algorithms 1 and 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor

from discodock.diffusion.schedule import karras_times
from discodock.diffusion.solvers import SOLVERS, SolverConfig, solve
from discodock.diffusion.spaces import EuclideanSpace
from discodock.images.edm import EDMConfig
from discodock.noise import NoiseLike, standard_normal
from discodock.settings import Settings, one_of

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(noisy (B, ...), sigma (B,)) -> denoised (B, ...)."""

OnStep = Callable[[int, Tensor], None]
"""Called after each step with the number of steps done and the new state."""


STOCHASTIC: Final = "stochastic"
"""Name of EDM's algorithm 2, which raises the noise level before each step and so is no solver of `SOLVERS`."""


def sampler_names() -> tuple[str, ...]:
    """Names of all samplers of images: the solvers that docking has, and `STOCHASTIC`."""
    return (*SOLVERS, STOCHASTIC)


class SamplerConfig(Settings):
    """How samples are drawn; the defaults are EDM's deterministic sampler for ImageNet-64 with fewer steps."""

    solver: Annotated[str, one_of(sampler_names)] = Field(
        "heun", description="heun is algorithm 1, stochastic algorithm 2; the others are those of docking"
    )
    steps: int = Field(18, ge=1, le=1000, description="number of noise levels, N; the last step ends at zero noise")
    rho: float = Field(7.0, gt=0, description="spacing of the noise levels, Eq. 5; large: equal ratios")
    S_churn: float = Field(0.0, ge=0, description="stochastic: noise added and removed in all, in steps")
    S_min: float = Field(0.0, ge=0, description="stochastic: lowest noise level at which noise is added")
    S_max: float = Field(math.inf, gt=0, description="stochastic: highest one")
    S_noise: float = Field(1.0, gt=0, description="stochastic: width of the added noise")

    @property
    def evaluations_per_step(self) -> int:
        """Calls of the denoiser in every step but the last, which takes one."""
        return 2 if self.solver == STOCHASTIC else SOLVERS[self.solver].evaluations

    @property
    def evaluations(self) -> int:
        """Calls of the denoiser per sample without guidance (NFE)."""
        return self.evaluations_per_step * (self.steps - 1) + 1


def sigma_steps(config: SamplerConfig, edm: EDMConfig) -> Tensor:
    """Noise levels sigma_max ... sigma_min, 0 in N steps; float64, shape (N + 1,). Source: Eq. 5."""
    zero = torch.zeros(1, dtype=torch.float64)
    if config.steps == 1:
        return torch.cat([torch.tensor([edm.sigma_max], dtype=torch.float64), zero])
    schedule = edm.schedule
    return torch.cat([schedule.sigma(karras_times(config.steps - 1, schedule, config.rho)), zero])


def sample(
    denoise: Denoise,
    noise: NoiseLike,
    shape: tuple[int, ...],
    config: SamplerConfig,
    edm: EDMConfig,
    *,
    device: torch.device | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Draw samples from noise.

    Args:
        denoise: the model.
        noise: source of the start, and of what stochastic samplers add.
        shape: shape of the samples, (B, ...).
        config: solver and number of steps.
        edm: noise levels.
        device: device of the samples; none: the CPU.
        on_step: progress callback; it sees the start as step 0.

    Returns:
        float32, of the given shape.
    """
    start = edm.sigma_max * standard_normal(noise, shape, torch.empty(0, device=device))
    if on_step is not None:
        on_step(0, start)
    if config.solver == STOCHASTIC:
        return sample_stochastic(denoise, start, sigma_steps(config, edm), noise, config, on_step)
    return sample_deterministic(denoise, start, noise, config, edm, on_step)


def sample_deterministic(
    denoise: Denoise,
    start: Tensor,
    noise: NoiseLike,
    config: SamplerConfig,
    edm: EDMConfig,
    on_step: OnStep | None = None,
) -> Tensor:
    """Walk the solver from sigma_max to sigma_min, then denoise once, which is EDM's Euler step to zero noise.

    With `heun` this is algorithm 1: the slope dx / d sigma = (x - D) / sigma is -sigma score.
    """
    schedule = edm.schedule

    def score(x: Tensor, t: float) -> Tensor:
        sigma = float(schedule.sigma(torch.tensor(t, dtype=torch.float64)))
        return (denoise(x, x.new_full((len(x),), sigma)) - x) / sigma**2

    state, last = start, edm.sigma_max
    if config.steps > 1:
        times, last = karras_times(config.steps - 1, schedule, config.rho), edm.sigma_min
        settings = SolverConfig(solver=config.solver, steps=config.steps - 1)
        state = solve(score, EuclideanSpace(schedule), state, times, noise, config=settings, on_step=on_step)
    state = denoise(state, state.new_full((len(state),), last))
    if on_step is not None:
        on_step(config.steps, state)
    return state


def sample_stochastic(
    denoise: Denoise,
    start: Tensor,
    sigmas: Tensor,
    noise: NoiseLike,
    config: SamplerConfig,
    on_step: OnStep | None = None,
) -> Tensor:
    """Algorithm 2: before each step noise is added, and the step then starts at the higher noise level.

    Args:
        denoise: the model.
        start: samples at the first noise level, (B, ...).
        sigmas: falling noise levels, the last one zero, shape (N + 1,); see `sigma_steps`.
        noise: source of the churn.
        config: strength of the churn; with S_churn = 0 this is algorithm 1.
        on_step: progress callback.
    """
    x = start
    for number, (sigma, following) in enumerate(_pairs(sigmas)):
        churns = config.S_min <= sigma <= config.S_max
        gamma = min(config.S_churn / config.steps, math.sqrt(2) - 1) if churns else 0.0
        raised = sigma * (1 + gamma)
        if gamma > 0:
            spread = config.S_noise * math.sqrt(raised**2 - sigma**2)
            x = x + spread * standard_normal(noise, x.shape, x)
        slope = (x - denoise(x, x.new_full((len(x),), raised))) / raised
        ahead = x + (following - raised) * slope
        if following > 0:
            second = (ahead - denoise(ahead, x.new_full((len(x),), following))) / following
            ahead = x + (following - raised) * (slope + second) / 2
        x = ahead
        if on_step is not None:
            on_step(number + 1, x)
    return x


def _pairs(sigmas: Tensor) -> Iterator[tuple[float, float]]:
    levels = sigmas.tolist()
    return zip(levels, levels[1:], strict=False)


def total_turning(path: Tensor) -> Tensor:
    """Integral of the change of direction along paths, rad, shape (B,): the curvature of a generative ODE.

    Args:
        path: states after each step, shape (steps + 1, B, ...); steps without motion turn nothing.
    """
    moves = path.double().diff(dim=0).flatten(2)
    moves = torch.nn.functional.normalize(moves, dim=-1)
    return torch.arccos((moves[1:] * moves[:-1]).sum(dim=-1).clamp(-1, 1)).sum(dim=0)
