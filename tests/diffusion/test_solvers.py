import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from torch import Tensor

from discodock.diffusion.schedule import NoiseSchedule, uniform_times
from discodock.diffusion.solvers import SOLVERS, LowTemperature, SolverConfig, solve
from discodock.diffusion.spaces import Components, EuclideanSpace
from discodock.distributions import igso3, wrapped_normal
from discodock.errors import ConfigError
from discodock.geometry.rotations import compose_rotvec, random_rotvec, safe_norm
from discodock.noise import NoiseLike, standard_normal

SCHEDULE = NoiseSchedule(sigma_min=0.05, sigma_max=5.0)
NEUTRAL = (LowTemperature(sampling=1.0, psi=0.7),)
"""Extra Langevin noise but temperature 1, which must leave the distribution as it is."""
SECOND_ORDER = [name for name, solver in SOLVERS.items() if solver.order == 2]
MEAN, WIDTH = 1.5, 0.7


def config(name: str, **changes: object) -> SolverConfig:
    return SolverConfig.model_validate({"solver": name, "temperatures": NEUTRAL, **changes})


def sigma_at(t: float) -> float:
    return SCHEDULE.sigma(torch.tensor(t, dtype=torch.float64)).item()


def gaussian_score(x: Tensor, t: float) -> Tensor:
    """Score of N(MEAN, WIDTH^2) data at time t."""
    return (MEAN - x) / (WIDTH**2 + sigma_at(t) ** 2)


class BasisNoise:
    """Call k returns the k-th unit vector, so that a linear solver's noise shows each source's weight, no sampling."""

    def __init__(self) -> None:
        self.calls = 0

    def normal(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        drawn = torch.zeros(tuple(shape), dtype=like.dtype)
        drawn[:, self.calls] = 1
        self.calls += 1
        return drawn


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_can_be_configured_by_its_name(name: str) -> None:
    assert config(name).solver == name


def test_an_unknown_solver_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match=", ".join(SOLVERS)):
        config("magic")


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("steps", [1, 5])
def test_a_step_takes_the_stated_number_of_evaluations(name: str, steps: int) -> None:
    calls: list[float] = []

    def counted(x: Tensor, t: float) -> Tensor:
        calls.append(t)
        return gaussian_score(x, t)

    space, start = EuclideanSpace(SCHEDULE), torch.zeros(4, 2)
    solve(counted, space, start, uniform_times(steps), torch.Generator(), config=config(name))
    assert len(calls) == steps * SOLVERS[name].evaluations


@pytest.mark.parametrize("name", SOLVERS)
def test_exact_score_of_a_gaussian_gives_its_moments(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    start = math.hypot(WIDTH, 5.0) * torch.randn(20_000, 2, generator=generator, dtype=torch.float64) + MEAN
    space, times = EuclideanSpace(SCHEDULE), uniform_times(100)
    end = solve(gaussian_score, space, start, times, generator, config=config(name))
    torch.testing.assert_close(end.mean(0), torch.full((2,), MEAN, dtype=torch.float64), rtol=0, atol=0.03)
    width = math.hypot(WIDTH, 0.05)
    torch.testing.assert_close(end.std(0), torch.full((2,), width, dtype=torch.float64), rtol=0.03, atol=0)


def gaussian_error(name: str, steps: int) -> float:
    """Error of the standard deviation that a solver gives Gaussian data, exactly, by linearity."""
    noise = BasisNoise()
    start = torch.zeros(1, steps + 1, dtype=torch.float64)
    start[0, -1] = math.hypot(WIDTH, 5.0)  # the prior's own direction
    space = EuclideanSpace(SCHEDULE)
    end = solve(
        lambda x, t: gaussian_score(x + MEAN, t), space, start, uniform_times(steps), noise, config=config(name)
    )
    return abs(end.norm().item() / math.hypot(WIDTH, 0.05) - 1)


@pytest.mark.parametrize("name", SOLVERS)
def test_halving_the_step_shows_the_stated_order(name: str) -> None:
    coarse, fine = gaussian_error(name, 600), gaussian_error(name, 1200)
    assert math.log2(coarse / fine) == pytest.approx(SOLVERS[name].order, abs=0.15)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_last_step_adds_no_noise(name: str) -> None:
    expected = 9 if SOLVERS[name].adds_noise else 0
    noise = BasisNoise()
    start = torch.ones(1, 11, dtype=torch.float64)
    moments: list[Tensor] = []
    solve(
        gaussian_score,
        EuclideanSpace(SCHEDULE),
        start,
        uniform_times(10),
        noise,
        config=config(name),
        on_step=lambda step, state: moments.append(state),
    )
    assert noise.calls == expected
    assert len(moments) == 10
    if name in ("euler_maruyama", "low_temperature"):  # one more step from the last state is the drift alone
        t = uniform_times(10)[-2]
        gain = 1 if name == "euler_maruyama" else 1 + NEUTRAL[0].psi / 2
        drift = gain * SCHEDULE.g2(t) * t * gaussian_score(moments[-2], t.item())
        torch.testing.assert_close(moments[-1], moments[-2] + drift)


@pytest.mark.parametrize("name", SOLVERS)
def test_same_generator_same_result_and_the_input_is_unchanged(name: str) -> None:
    start = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    before, ends = start.clone(), []
    for _ in range(2):
        noise = torch.Generator().manual_seed(1)
        ends.append(
            solve(gaussian_score, EuclideanSpace(SCHEDULE), start, uniform_times(5), noise, config=config(name))
        )
    assert torch.equal(*ends) and torch.equal(start, before)


@pytest.mark.parametrize("name", SOLVERS)
def test_steps_are_reported_in_order(name: str) -> None:
    seen: list[int] = []
    solve(
        gaussian_score,
        EuclideanSpace(SCHEDULE),
        torch.zeros(4, 2),
        uniform_times(7),
        torch.Generator(),
        config=config(name),
        on_step=lambda step, state: seen.append(step),
    )
    assert seen == list(range(1, 8))


def test_dpm_solver_takes_the_published_steps() -> None:
    """Lu et al. 2022, algorithm 2, written for plain vectors with data predictions, alpha = 1."""
    times, x = uniform_times(6), torch.tensor([[2.0, -7.0]], dtype=torch.float64)
    sigmas = [sigma_at(t) for t in times.tolist()]

    def score(x: Tensor, t: float) -> Tensor:
        return torch.tanh(MEAN - x) / (1 + sigma_at(t)) ** 1.5

    ours = solve(score, EuclideanSpace(SCHEDULE), x, times, torch.Generator(), config=config("dpm_solver_pp"))
    previous: Tensor | None = None
    previous_h = 0.0
    for i in range(6):
        prediction = x + sigmas[i] ** 2 * score(x, times[i].item())
        h = math.log(sigmas[i] / sigmas[i + 1])
        ratio = previous_h / h
        mixed = prediction
        if previous is not None:
            mixed = (1 + 1 / (2 * ratio)) * prediction - 1 / (2 * ratio) * previous
        x = sigmas[i + 1] / sigmas[i] * x - (math.exp(-h) - 1) * mixed
        previous, previous_h = prediction, h
    torch.testing.assert_close(ours, x, rtol=1e-12, atol=1e-12)


def test_low_temperature_without_psi_at_temperature_one_is_euler_maruyama() -> None:
    start = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ends = []
    for name in ("euler_maruyama", "low_temperature"):
        settings = config(name, temperatures=(LowTemperature(sampling=1.0, psi=0.0),))
        noise = torch.Generator().manual_seed(1)
        ends.append(solve(gaussian_score, EuclideanSpace(SCHEDULE), start, uniform_times(9), noise, config=settings))
    torch.testing.assert_close(*ends, rtol=1e-12, atol=1e-12)


def test_low_temperature_takes_the_stated_step() -> None:
    settings = config("low_temperature", temperatures=(LowTemperature(sampling=3.0, psi=0.4, sigma_data=0.6),))
    start, times = torch.tensor([[2.0]], dtype=torch.float64), torch.tensor([0.8, 0.6, 0.0], dtype=torch.float64)
    seen: list[Tensor] = []
    noise, space = BasisNoise(), EuclideanSpace(SCHEDULE)
    solve(gaussian_score, space, start, times, noise, config=settings, on_step=lambda step, state: seen.append(state))
    sigma, sigma_data = sigma_at(0.8), 0.05**0.4 * 5.0**0.6
    g2 = 2 * sigma**2 * math.log(100)
    gain = (sigma_data + sigma) / (sigma_data + sigma / 3) + 3 * 0.4 / 2
    expected = start + g2 * 0.2 * gain * gaussian_score(start, 0.8) + math.sqrt(g2 * 0.2 * 1.4)
    torch.testing.assert_close(seen[0], expected)


def test_low_temperature_narrows_the_distribution() -> None:
    generator = torch.Generator().manual_seed(0)
    start = 5 * torch.randn(5000, 1, generator=generator, dtype=torch.float64)
    settings = config("low_temperature", temperatures=(LowTemperature(sampling=3.0, psi=0.5),))
    end = solve(gaussian_score, EuclideanSpace(SCHEDULE), start, uniform_times(100), generator, config=settings)
    assert end.std().item() < 0.8 * WIDTH
    assert end.mean().item() == pytest.approx(MEAN, abs=0.05)


@pytest.mark.parametrize("times", [[0.0, 1.0], [1.0, 0.5, 0.5], [1.0]])
def test_times_that_do_not_fall_are_refused(times: list[float]) -> None:
    with pytest.raises(ConfigError, match="falling"):
        solve(
            gaussian_score,
            EuclideanSpace(SCHEDULE),
            torch.zeros(1, 1),
            torch.tensor(times, dtype=torch.float64),
            torch.Generator(),
            config=config("heun"),
        )


def test_a_wrong_number_of_temperatures_is_refused() -> None:
    settings = config("low_temperature", temperatures=NEUTRAL * 3)
    with pytest.raises(ConfigError, match="3 temperatures for 1 components"):
        solve(
            gaussian_score,
            EuclideanSpace(SCHEDULE),
            torch.zeros(1, 1),
            uniform_times(2),
            torch.Generator(),
            config=settings,
        )


class CurvedSpace:
    """The product SO(3) x circle; the state is (rotation vector (P, 3), angle (P,))."""

    schedules = (NoiseSchedule(sigma_min=0.05, sigma_max=2.5), NoiseSchedule(sigma_min=0.05, sigma_max=3.14))

    def components(self, tangent: tuple[Tensor, Tensor]) -> Components:
        return tangent

    def retract(self, state: tuple[Tensor, Tensor], step: Components) -> tuple[Tensor, Tensor]:
        return compose_rotvec(step[0], state[0]), wrapped_normal.wrap(state[1] + step[1])

    def unit_noise(self, state: tuple[Tensor, Tensor], source: NoiseLike) -> Components:
        drawn = standard_normal(source, (len(state[1]), 4), like=state[1])
        return drawn[:, :3], drawn[:, 3]


CENTERS = torch.tensor([[0.5, -0.8, 0.3], [-1.5, 1.0, 1.2]], dtype=torch.float64)
ANGLES = torch.tensor([-2.8, 0.9], dtype=torch.float64)
SHARES = (0.3, 0.7)
CURVED_WIDTH = 0.25


def curved_score(state: tuple[Tensor, Tensor], t: float) -> tuple[Tensor, Tensor]:
    """Exact score of a mixture of two modes, each an IGSO(3) by a wrapped normal; the modes do not commute."""
    rotvec, angle = state
    time = torch.tensor(t, dtype=torch.float64)
    rot, tor = (torch.sqrt(schedule.sigma(time).square() + CURVED_WIDTH**2) for schedule in CurvedSpace.schedules)
    offsets = [compose_rotvec(rotvec, -center.expand_as(rotvec)) for center in CENTERS]
    shifts = [angle - center for center in ANGLES]
    logs = [
        math.log(share) + igso3.log_prob(offset, rot) + wrapped_normal.log_prob(shift, tor)
        for share, offset, shift in zip(SHARES, offsets, shifts, strict=True)
    ]
    weight = torch.softmax(torch.stack(logs), dim=0)
    rot_score = sum(w[:, None] * igso3.score(offset, rot) for w, offset in zip(weight, offsets, strict=True))
    tor_score = sum(w * wrapped_normal.score(shift, tor) for w, shift in zip(weight, shifts, strict=True))
    return rot_score, tor_score  # type: ignore[return-value]


def curved_start(num: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uniform, which the noisy mixture is at these widths to about a percent."""
    angle = (2 * torch.rand(num, generator=generator, dtype=torch.float64) - 1) * math.pi
    return random_rotvec(num, generator=generator, dtype=torch.float64), angle


@pytest.mark.parametrize("name", SOLVERS)
def test_modes_on_a_curved_space_get_their_share_and_width(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    start, times = curved_start(4000, generator), uniform_times(60)
    rotvec, angle = solve(curved_score, CurvedSpace(), start, times, generator, config=config(name))
    offsets = torch.stack([compose_rotvec(rotvec, -center.expand_as(rotvec)) for center in CENTERS])
    nearest = safe_norm(offsets).argmin(0)
    assert (nearest == 1).double().mean().item() == pytest.approx(SHARES[1], abs=0.05)
    width = torch.tensor(math.hypot(CURVED_WIDTH, 0.05), dtype=torch.float64)
    for mode in (0, 1):
        chosen = nearest == mode
        rot_width = (offsets[mode, chosen].square().sum(-1).mean() / 3).sqrt().item()
        tor_width = wrapped_normal.wrap(angle[chosen] - ANGLES[mode]).std().item()
        assert rot_width == pytest.approx(width.item(), rel=0.07)
        assert tor_width == pytest.approx(width.item(), rel=0.07)


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_order_holds_on_a_curved_space(name: str) -> None:
    start = curved_start(64, torch.Generator().manual_seed(0))

    def end(steps: int, solver: str = name) -> Tensor:
        rotvec, _ = solve(
            curved_score, CurvedSpace(), start, uniform_times(steps), torch.Generator(), config=config(solver)
        )
        return rotvec

    reference = end(480, "heun")
    errors = [safe_norm(compose_rotvec(end(steps), -reference)).median().item() for steps in (40, 80)]
    assert math.log2(errors[0] / errors[1]) > 1.7


def test_reference_distribution_of_the_curved_test_is_right() -> None:
    """The mixture's score against finite differences of its log-density, along the lab-frame group direction."""
    state = curved_start(32, torch.Generator().manual_seed(3))

    def log_density(rotvec: Tensor) -> Tensor:
        rot, tor = (math.hypot(CURVED_WIDTH, s.sigma_max) for s in CurvedSpace.schedules)
        logs = [
            math.log(share)
            + igso3.log_prob(compose_rotvec(rotvec, -c.expand_as(rotvec)), torch.tensor(rot, dtype=torch.float64))
            + wrapped_normal.log_prob(state[1] - a, torch.tensor(tor, dtype=torch.float64))
            for share, c, a in zip(SHARES, CENTERS, ANGLES, strict=True)
        ]
        return torch.logsumexp(torch.stack(logs), dim=0)

    for k in range(3):
        move = (1e-5 * torch.eye(3, dtype=torch.float64)[k]).expand_as(state[0])
        ends: list[Tensor] = [log_density(compose_rotvec(s * move, state[0])) for s in (1, -1)]
        torch.testing.assert_close((ends[0] - ends[1]) / 2e-5, curved_score(state, 1.0)[0][:, k], rtol=1e-5, atol=1e-7)


def test_kolmogorov_smirnov_on_a_circle_with_euler_maruyama() -> None:
    """A wrapped normal target, whole distribution, started from its exact noisy marginal."""
    generator, width = torch.Generator().manual_seed(0), 0.5
    schedule = NoiseSchedule(sigma_min=0.05, sigma_max=3.14)

    def noised_width(t: float) -> Tensor:
        return torch.sqrt(schedule.sigma(torch.tensor(t, dtype=torch.float64)).square() + width**2)

    score: Callable[[Tensor, float], Tensor] = lambda x, t: wrapped_normal.score(x, noised_width(t))  # noqa: E731
    start = wrapped_normal.sample(noised_width(1.0).expand(3000), generator=generator)
    space = EuclideanSpace(schedule)
    end = solve(score, space, start, uniform_times(200), generator, config=config("euler_maruyama"))
    grid = torch.linspace(-math.pi, math.pi, 20_001, dtype=torch.float64)
    cdf = np.cumsum(wrapped_normal.log_prob(grid, noised_width(0.0)).exp().numpy()) * (grid[1] - grid[0]).item()
    result = stats.kstest(wrapped_normal.wrap(end).numpy(), lambda x: np.interp(x, grid.numpy(), cdf))
    assert result.pvalue > 1e-3
