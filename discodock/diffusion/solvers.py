"""Solvers of the reverse process, each one short function with the same call, on any manifold with a retraction.

Time runs from 1 to 0. With variance-exploding noise, g^2 = d sigma^2 / dt, the reverse SDE and the flow ODE are

    dx = g^2 score dt' + g dw',        dx / d sigma = -sigma score,        t' = 1 - t,

per component, with steps taken in the tangent space at the current state and applied by `Space.retract`. To add a
solver, write a function with the call of the rest and say in `SOLVERS` what it is; settings, help texts, image sampling
and the tests of all solvers then know it. Nothing here imports torch, so that `--help` stays instant.

Source: Song et al. 2021, arXiv 2011.13456; on manifolds De Bortoli et al. 2022, arXiv 2202.02763.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import Field

from discodock.errors import ConfigError
from discodock.settings import Settings, one_of

if TYPE_CHECKING:
    from torch import Tensor

    from discodock.diffusion.schedule import NoiseSchedule
    from discodock.diffusion.spaces import Components, Space
    from discodock.noise import NoiseLike

StateT = TypeVar("StateT")

ScoreFn = Callable[[Any, float], Any]
"""(state, t) -> score as a tangent vector of the space, true scale, not network scale."""

OnStep = Callable[[int, Any], None]
"""Called after each step with the number of steps done and the new state."""


class LowTemperature(Settings):
    """Low-temperature sampling of one component; `DIFFDOCK_L_TEMPERATURES` holds the values tuned for DiffDock-L."""

    sampling: float = Field(default=1.5, gt=0, description="inverse temperature; 1 samples the model as it is, no unit")
    psi: float = Field(default=0.5, ge=0, description="rate of the extra Langevin noise and drift, no unit")
    sigma_data: float = Field(
        default=0.75, description="width of the data, from sigma_min (0) to sigma_max (1) in the logarithm"
    )


DIFFDOCK_L_TEMPERATURES: Final = (
    LowTemperature(sampling=1.170050527854316, psi=0.727287304570729, sigma_data=0.9299802531572672),
    LowTemperature(sampling=2.06391612594481, psi=0.9022615585677628, sigma_data=0.7464326999906034),
    LowTemperature(sampling=7.044261621607846, psi=0.5946212391366862, sigma_data=0.6943254174849822),
)
"""Translation, rotation, torsions; source: default_inference_args.yaml of DiffDock 1.1 (gcorso/DiffDock, 8c36c48)."""


class SolverConfig(Settings):
    """Which solver walks which time grid."""

    solver: Annotated[str, one_of(lambda: SOLVERS)] = Field(
        default="euler_maruyama", description="solver of the reverse process"
    )
    steps: int = Field(default=20, ge=1, le=10_000, description="solver steps from noise to data, count")
    rho: float | None = Field(
        default=None,
        gt=0,
        description="Karras exponent of the time grid; none: equal ratios of sigma, as rho to infinity",
    )
    temperatures: tuple[LowTemperature, ...] | None = Field(
        default=None,
        min_length=1,
        description="low_temperature only: one for all components or one for each; none: that of `LowTemperature`",
    )

    def times(self, schedule: NoiseSchedule) -> Tensor:
        """Times from 1 to 0, float64 on the CPU, shape (steps + 1,); `rho` spaces the noise levels of `schedule`."""
        from discodock.diffusion.schedule import karras_times, uniform_times

        return uniform_times(self.steps) if self.rho is None else karras_times(self.steps, schedule, self.rho)


@dataclass(frozen=True)
class ReverseProblem:
    """What a solver is given besides the state and the times.

    Attributes:
        score_fn: the score of the marginal at (state, t).
        space: components, noise levels, retraction.
        noise: generator or noise source; deterministic solvers leave it alone.
        on_step: progress callback.
    """

    score_fn: ScoreFn
    space: Space[Any, Any]
    noise: NoiseLike
    on_step: OnStep | None = None

    def score(self, state: Any, t: float) -> Components:
        """The score by component."""
        return self.space.components(self.score_fn(state, t))

    def move(self, state: Any, step: Components, step_number: int) -> Any:
        """Apply the final tangent vector of a step and report it."""
        state = self.space.retract(state, step)
        if self.on_step is not None:
            self.on_step(step_number, state)
        return state


@dataclass(frozen=True)
class Solver:
    """A solver and what is known of it; the tests of all solvers hold it to that.

    Attributes:
        integrate: the function (problem, state at times[0], times, settings) -> state at times[-1].
        order: weak order of convergence, the power of the step that the error falls with.
        evaluations: score evaluations per step.
        adds_noise: whether every step but the last draws normal numbers; without, it follows the flow ODE.
    """

    integrate: Callable[[ReverseProblem, Any, Tensor, SolverConfig], Any]
    order: int
    evaluations: int = 1
    adds_noise: bool = False


def solve(
    score_fn: Callable[[StateT, float], Any],
    space: Space[StateT, Any],
    state: StateT,
    times: Tensor,
    noise: NoiseLike,
    *,
    config: SolverConfig,
    on_step: Callable[[int, StateT], None] | None = None,
) -> StateT:
    """Walk a state from noise to data with `SOLVERS[config.solver]`.

    Args:
        score_fn: score of the noisy data at (state, t), as a tangent vector of `space` at true scale.
        space: the manifold and its noise schedules.
        state: a draw from the prior at times[0].
        times: falling times, from 1 to 0 as a rule, float64 on the CPU, shape (steps + 1,); see `SolverConfig.times`.
        noise: generator or noise source: one call per step but the last, none in deterministic solvers.
        config: solver and its settings; `config.steps` is not read here, `times` rules.
        on_step: callback for (steps done, state) after each step.

    Returns:
        The state at times[-1]; the input is unchanged.

    Raises:
        ConfigError: the times do not fall, or there are too few or too many temperatures.
    """
    if times.ndim != 1 or times.numel() < 2 or bool((times.diff() >= 0).any()):
        raise ConfigError("solver times must be a falling sequence of at least two")
    return SOLVERS[config.solver].integrate(ReverseProblem(score_fn, space, noise, on_step), state, times, config)


def euler_maruyama(problem: ReverseProblem, state: Any, times: Tensor, config: SolverConfig) -> Any:
    """Euler-Maruyama on the reverse SDE, g^2 dt score + g sqrt(dt) z, without noise in the last step.

    Strong order 1/2, weak order 1. Source: Corso et al. 2023, arXiv 2210.01776, algorithm 2.
    """
    plain = LowTemperature(sampling=1.0, psi=0.0)
    return _langevin(problem, state, times, (plain,) * len(problem.space.schedules))


def low_temperature(problem: ReverseProblem, state: Any, times: Tensor, config: SolverConfig) -> Any:
    """The low-temperature SDE, with its own (lambda_0, psi, sigma_data) for each component.

    A step is g^2 dt (lambda + lambda_0 psi / 2) score + g sqrt(dt (1 + psi)) z, with
    lambda = (sigma_data + sigma) / (sigma_data + sigma / lambda_0) and no noise in the last step. lambda_0 = 1 samples
    the model's own distribution for every psi; larger values concentrate on its modes.

    Source: Ingraham et al. 2023, "Illuminating protein space with a programmable generative model", supplement on
    low-temperature sampling; the form of lambda as in DiffDock 1.1 (Corso et al. 2024, arXiv 2402.18396).
    """
    temperatures = config.temperatures or (LowTemperature(),)
    num_components = len(problem.space.schedules)
    if len(temperatures) == 1:
        temperatures = temperatures * num_components
    if len(temperatures) != num_components:
        raise ConfigError(
            f"{len(temperatures)} temperatures for {num_components} components: give one, or one for each"
        )
    return _langevin(problem, state, times, temperatures)


def heun(problem: ReverseProblem, state: Any, times: Tensor, config: SolverConfig) -> Any:
    """Heun's second-order method on the probability-flow ODE in sigma; two score evaluations per step.

    On the manifold both slopes are tangent vectors in the same (lab) frame; their commutator is of third order, so
    averaging them keeps the order. Source: Karras et al. 2022, arXiv 2206.00364, algorithm 1.
    """
    sigmas, clock = _sigmas(problem, times), times.tolist()
    for i in range(len(clock) - 1):
        drop = [high - low for high, low in zip(sigmas[i], sigmas[i + 1], strict=True)]
        first = _scale(problem.score(state, clock[i]), sigmas[i])  # sigma * score = -dx / d sigma
        ahead = problem.space.retract(state, _scale(first, drop))
        second = _scale(problem.score(ahead, clock[i + 1]), sigmas[i + 1])
        slope = tuple((a + b) / 2 for a, b in zip(first, second, strict=True))
        state = problem.move(state, _scale(slope, drop), i + 1)
    return state


def dpm_solver_pp(problem: ReverseProblem, state: Any, times: Tensor, config: SolverConfig) -> Any:
    """DPM-Solver++(2M): multistep exponential integrator of second order, one score evaluation per step.

    With the denoised direction d = sigma^2 score (the data prediction seen from the state), sigma' the next noise level
    and h = ln(sigma / sigma'), a step is (1 - sigma' / sigma) [(1 + 1/(2r)) d - 1/(2r) (d_prev - step_prev)], where
    r = h_prev / h. In flat space d_prev - step_prev is the previous data prediction seen from the current state, and
    this is the published method; on the manifold it is its transport along the last step, up to commutators of third
    order. The first step is of first order (DDIM).

    Source: Lu et al. 2022, arXiv 2211.01095, algorithm 2, in the variance-exploding case.
    """
    sigmas, clock = _sigmas(problem, times), times.tolist()
    previous: Components | None = None  # the previous data prediction, seen from the current state
    previous_h: list[float] = []
    for i in range(len(clock) - 1):
        h = [math.log(high / low) for high, low in zip(sigmas[i], sigmas[i + 1], strict=True)]
        denoised = _scale(problem.score(state, clock[i]), [sigma**2 for sigma in sigmas[i]])
        direction = denoised
        if previous is not None:
            half_ratio = [new / (2 * old) for new, old in zip(h, previous_h, strict=True)]  # 1 / (2 r)
            direction = tuple(d + c * (d - p) for d, p, c in zip(denoised, previous, half_ratio, strict=True))
        step = _scale(direction, [-math.expm1(-x) for x in h])
        previous = tuple(d - s for d, s in zip(denoised, step, strict=True))
        previous_h = h
        state = problem.move(state, step, i + 1)
    return state


def _langevin(problem: ReverseProblem, state: Any, times: Tensor, temperatures: tuple[LowTemperature, ...]) -> Any:
    """The step of `low_temperature`, which is Euler-Maruyama at temperature 1 without extra noise."""
    sigmas, clock = _sigmas(problem, times), times.tolist()
    rates = _by_time([schedule.g2(times) for schedule in problem.space.schedules])
    ends = times.new_tensor([0.0, 1.0])
    log_ends = [schedule.sigma(ends).log().tolist() for schedule in problem.space.schedules]
    widths = [
        math.exp(low + kind.sigma_data * (high - low)) for (low, high), kind in zip(log_ends, temperatures, strict=True)
    ]
    for i in range(len(clock) - 1):
        variance = [rate * (clock[i] - clock[i + 1]) for rate in rates[i]]  # g^2 dt
        gain = [_drift_gain(*arguments) for arguments in zip(sigmas[i], widths, temperatures, strict=True)]
        drift = [v * factor for v, factor in zip(variance, gain, strict=True)]
        step = _scale(problem.score(state, clock[i]), drift)
        if i + 2 < len(clock):
            spread = [math.sqrt(v * (1 + kind.psi)) for v, kind in zip(variance, temperatures, strict=True)]
            unit = problem.space.unit_noise(state, problem.noise)
            step = tuple(a + b for a, b in zip(step, _scale(unit, spread), strict=True))
        state = problem.move(state, step, i + 1)
    return state


def _drift_gain(sigma: float, sigma_data: float, kind: LowTemperature) -> float:
    """The factor lambda + lambda_0 psi / 2 of the drift."""
    inverse_temperature = (sigma_data + sigma) / (sigma_data + sigma / kind.sampling)
    return inverse_temperature + kind.sampling * kind.psi / 2


def _sigmas(problem: ReverseProblem, times: Tensor) -> list[list[float]]:
    """Noise levels by time and component, as numbers: nothing on a device is waited for."""
    return _by_time([schedule.sigma(times) for schedule in problem.space.schedules])


def _by_time(components: list[Tensor]) -> list[list[float]]:
    """Numbers (num_times,) of every component as rows of one time each."""
    return [list(row) for row in zip(*(each.tolist() for each in components), strict=True)]


def _scale(tangent: Components, factors: list[float]) -> Components:
    return tuple(component * factor for component, factor in zip(tangent, factors, strict=True))


SOLVERS: Final[dict[str, Solver]] = {
    "euler_maruyama": Solver(euler_maruyama, order=1, adds_noise=True),
    "low_temperature": Solver(low_temperature, order=1, adds_noise=True),
    "heun": Solver(heun, order=2, evaluations=2),
    "dpm_solver_pp": Solver(dpm_solver_pp, order=2),
}
"""Every solver by name."""
