import math

import pytest
import torch

from discodock.diffusion.path import ComponentPath, PathSchedule, PosePath
from discodock.diffusion.pose_space import PoseSpace, ReverseProcess
from discodock.diffusion.schedule import NoiseSchedule
from discodock.diffusion.solvers import SOLVERS, LowTemperature, SolverConfig
from discodock.noise import Purpose, StreamNoise
from tests.diffusion.pose_coordinates import molecule
from tests.diffusion.test_pose_space import PROCESS, exact_network

EARLY_TORSIONS = PosePath(tor=ComponentPath(exponent=2.0))
NEAR_TORSIONS = PosePath(tor=ComponentPath(start=0.6), rot=ComponentPath(exponent=0.8))


@pytest.mark.parametrize("path", [ComponentPath(), ComponentPath(start=0.6), ComponentPath(start=0.8, exponent=2.5)])
def test_g2_is_the_slope_of_the_variance_over_the_clock(path: ComponentPath) -> None:
    schedule = PathSchedule(NoiseSchedule(sigma_min=0.1, sigma_max=3.0), path)
    t, h = torch.linspace(0.05, 0.95, 19, dtype=torch.float64), 1e-6
    slope = (schedule.sigma(t + h).square() - schedule.sigma(t - h).square()) / (2 * h)
    torch.testing.assert_close(schedule.g2(t), slope, rtol=1e-6, atol=0)


def test_the_default_path_is_one_time_for_all() -> None:
    topology, t = molecule(0).topology, torch.linspace(0, 1, 7, dtype=torch.float64)
    assert torch.equal(PosePath().times(t), t[:, None].expand(-1, 3))
    for along, plain in zip(
        PoseSpace(PROCESS, topology, PosePath()).schedules, PoseSpace(PROCESS, topology).schedules, strict=True
    ):
        assert torch.equal(along.sigma(t), plain.sigma(t)) and torch.equal(along.g2(t), plain.g2(t))


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("path", [EARLY_TORSIONS, NEAR_TORSIONS], ids=["early", "near"])
def test_a_perfect_network_redocks_along_any_path(name: str, path: PosePath) -> None:
    example = molecule(2)
    pos, topology = example.repeat(40)
    noise = StreamNoise(2, range(40), Purpose.POSES)
    start = PROCESS.prior_sample(pos, topology, pos.mean(1), noise, tor_start=path.tor.start)
    config = SolverConfig(solver=name)
    end = ReverseProcess(exact_network(example, 0.0), PROCESS, topology, config, path).denoise(start, noise)
    assert ((end - pos).square().sum(-1).mean(-1).sqrt() < 0.5).double().mean() >= 0.95


@pytest.mark.parametrize("name", SOLVERS)
def test_torsions_have_the_width_of_the_data_at_the_end_of_a_path_of_their_own(name: str) -> None:
    example, width = molecule(1, 14), 0.3
    pos, topology = example.repeat(1000)
    generator = torch.Generator().manual_seed(0)
    start = PROCESS.prior_sample(pos, topology, pos.mean(1), generator)
    config = SolverConfig(solver=name, steps=40, temperatures=(LowTemperature(sampling=1.0, psi=0.3),))
    network = exact_network(example, width)
    end = ReverseProcess(network, PROCESS, topology, config, EARLY_TORSIONS).denoise(start, generator)
    found, expected = example.coordinates(end), math.hypot(width, 0.05)
    assert found.tr.square().mean().sqrt().item() == pytest.approx(expected, rel=0.07)
    assert found.tor.square().mean().sqrt().item() == pytest.approx(expected, rel=0.07)


def test_torsions_start_near_the_conformer_where_the_path_says_so() -> None:
    example = molecule(3)
    pos, topology = example.repeat(2000)
    generator = torch.Generator().manual_seed(1)
    start = PROCESS.prior_sample(pos, topology, pos.mean(1), generator, tor_start=0.4)
    sigma = PROCESS.sigmas(torch.tensor([0.4], dtype=torch.float64)).tor.item()
    assert example.coordinates(start).tor.square().mean().sqrt().item() == pytest.approx(sigma, rel=0.05)


def test_perturbed_components_have_the_noise_of_their_own_times() -> None:
    example = molecule(4)
    pos, topology = example.repeat(4000)
    times = torch.tensor([0.9, 0.3, 0.5], dtype=torch.float64)
    noisy = PROCESS.perturb(pos, topology, times.expand(4000, 3), torch.Generator().manual_seed(0))
    drawn, levels = example.coordinates(noisy.pos), (PROCESS.config.tr, PROCESS.config.rot, PROCESS.config.tor)
    for values, schedule, t in zip((drawn.tr, drawn.rot, drawn.tor), levels, times, strict=True):
        assert values.square().mean().sqrt().item() == pytest.approx(schedule.sigma(t).item(), rel=0.05)


def test_equal_times_of_the_components_are_one_time() -> None:
    pos, topology = molecule(5).repeat(8)
    t = torch.linspace(0.1, 0.9, 8, dtype=torch.float64)
    one = PROCESS.perturb(pos, topology, t, torch.Generator().manual_seed(0))
    each = PROCESS.perturb(pos, topology, t[:, None].expand(-1, 3), torch.Generator().manual_seed(0))
    assert torch.equal(one.pos, each.pos) and torch.equal(one.score.rot, each.score.rot)
