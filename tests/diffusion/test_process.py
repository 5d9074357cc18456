import math

import numpy as np
import pytest
import torch
from scipy import stats

from discodock.diffusion.process import PoseProcess, PoseProcessConfig
from discodock.diffusion.schedule import NoiseSchedule
from discodock.distributions import igso3, wrapped_normal
from discodock.geometry.alignment import masked_centroid
from discodock.geometry.pose import PoseTangent
from discodock.geometry.rotations import safe_norm
from discodock.noise import Purpose, StreamNoise
from tests.diffusion.pose_coordinates import kernel_score, molecule
from tests.geometry.random_molecules import random_poses, select_pose

PROCESS = PoseProcess(PoseProcessConfig())
TIMES = [0.0, 0.3, 0.7, 1.0]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def zero(topology) -> PoseTangent:
    num_poses, num_torsions = topology.tor_mask.shape
    return PoseTangent(*(torch.zeros(num_poses, n, dtype=torch.float64) for n in (3, 3, num_torsions)))


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("seed", range(5))
def test_perturbed_poses_have_the_stated_marginals(t: float, seed: int) -> None:
    example = molecule(seed)
    pos, topology = example.repeat(2000)
    noisy = PROCESS.perturb(pos, topology, torch.full((2000,), t, dtype=torch.float64), generator(seed))
    drawn, sigmas = example.coordinates(noisy.pos), PROCESS.sigmas(torch.tensor(t, dtype=torch.float64))
    tr = stats.kstest(drawn.tr.flatten().numpy() / sigmas.tr.item(), "norm")
    tor_grid = torch.linspace(-math.pi, math.pi, 20_001, dtype=torch.float64)
    tor_cdf = torch.cumulative_trapezoid(wrapped_normal.log_prob(tor_grid[:-1], sigmas.tor).exp(), tor_grid[:-1])
    tor = stats.kstest(drawn.tor.flatten().numpy(), lambda x: np.interp(x, tor_grid[1:-1].numpy(), tor_cdf.numpy()))
    rot_grid = torch.linspace(0, min(math.pi, 12 * sigmas.rot.item()), 20_001, dtype=torch.float64)
    rot_cdf = torch.cumulative_trapezoid(igso3.angle_prob(rot_grid, sigmas.rot), rot_grid)
    rot = stats.kstest(safe_norm(drawn.rot).numpy(), lambda x: np.interp(x, rot_grid[1:].numpy(), rot_cdf.numpy()))
    assert min(tr.pvalue, rot.pvalue, tor.pvalue) > 1e-4


@pytest.mark.parametrize("t", TIMES)
def test_target_is_the_exact_score_of_the_pose_it_comes_with(t: float) -> None:
    """Recomputed from the atoms alone, so that pose and score cannot disagree in sign or frame."""
    example = molecule()
    pos, topology = example.repeat(200)
    times = torch.full((200,), t, dtype=torch.float64)
    noisy = PROCESS.perturb(pos, topology, times, generator())
    expected = kernel_score(example, PROCESS, noisy.pos, times)
    for name in ("tr", "rot", "tor"):
        ours, theirs = getattr(noisy.score, name), getattr(expected, name)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6 * theirs.abs().max().item())


@pytest.mark.parametrize("t", TIMES)
def test_predicting_zero_scores_one(t: float) -> None:
    example = molecule()
    pos, topology = example.repeat(20_000)
    times = torch.full((20_000,), t, dtype=torch.float64)
    noisy = PROCESS.perturb(pos, topology, times, generator())
    losses = PROCESS.losses(zero(topology), noisy.score, topology, times)
    for loss in (losses.tr, losses.rot, losses.tor):
        assert loss.mean().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("width", [0.3, 1.0])
@pytest.mark.parametrize("blurred", ["rigid", "torsions"])
def test_exact_score_of_blurred_data_attains_the_known_minimum(t: float, width: float, blurred: str) -> None:
    """With data of known width the marginal is known, and denoising score matching has its minimum 1 - E s^2 / E k^2.

    Blurring rigid motions and torsions at once would spoil rotations: two torsion updates, each aligned onto the pose
    before it, are not aligned onto the first one.
    """
    example = molecule()
    pos, topology = example.repeat(10_000)
    times = torch.full((10_000,), t, dtype=torch.float64)
    sharp, wide = (NoiseSchedule(sigma_min=w, sigma_max=2 * w) for w in (1e-6, width))
    rigid, torsions = (wide, sharp) if blurred == "rigid" else (sharp, wide)
    data = PoseProcess(PoseProcessConfig(tr=rigid, rot=rigid, tor=torsions))  # whose widths at t = 0 are sigma_min
    clean = data.perturb(pos, topology, torch.zeros_like(times), generator(1)).pos
    noisy = PROCESS.perturb(clean, topology, times, generator(2))
    exact = kernel_score(example, PROCESS, noisy.pos, times, data_width=width)
    ones = PoseTangent(*(torch.ones_like(x) for x in (exact.tr, exact.rot, exact.tor)))
    scale = PROCESS.to_score(ones, times)

    def losses(factor: float) -> list[float]:
        output = PoseTangent(
            factor * exact.tr / scale.tr, factor * exact.rot / scale.rot, factor * exact.tor / scale.tor
        )
        found = PROCESS.losses(output, noisy.score, topology, times)
        every = [loss.mean().item() for loss in (found.tr, found.rot, found.tor)]
        return every[:2] if blurred == "rigid" else every[2:]

    sigmas = PROCESS.sigmas(times[0])
    total = [(sigma**2 + width**2).sqrt() for sigma in (sigmas.tr, sigmas.rot, sigmas.tor)]
    minima = [
        1 - (sigmas.tr / total[0]).square().item(),
        1 - (igso3.score_norm(total[1]) / igso3.score_norm(sigmas.rot)).item(),
        1 - (wrapped_normal.score_norm(total[2]) / wrapped_normal.score_norm(sigmas.tor)).item(),
    ]
    assert losses(1.0) == pytest.approx(minima[:2] if blurred == "rigid" else minima[2:], abs=0.03)
    for other in (-1.0, 0.5, 1.5):
        assert all(worse > best - 1e-3 for worse, best in zip(losses(other), losses(1.0), strict=True))


def test_to_score_inverts_the_scaling_of_the_losses() -> None:
    example = molecule()
    pos, topology = example.repeat(50)
    times = torch.linspace(0, 1, 50, dtype=torch.float64)
    score = PROCESS.perturb(pos, topology, times, generator()).score
    unit = PROCESS.to_score(PoseTangent(*(torch.ones_like(x) for x in (score.tr, score.rot, score.tor))), times)
    perfect = PoseTangent(score.tr / unit.tr, score.rot / unit.rot, score.tor / unit.tor)
    losses = PROCESS.losses(perfect, score, topology, times)
    assert max(loss.max().item() for loss in (losses.tr, losses.rot, losses.tor)) < 1e-20


def test_poses_without_bonds_carry_no_torsion_loss() -> None:
    pos, topology = random_poses(0, sizes=(3, 20))
    times = torch.full((2,), 0.5, dtype=torch.float64)
    noisy = PROCESS.perturb(pos, topology, times, generator())
    assert noisy.score.tor[~topology.tor_mask].eq(0).all()
    garbage = PoseTangent(noisy.score.tr, noisy.score.rot, torch.full_like(noisy.score.tor, 1e3))
    losses = PROCESS.losses(garbage, noisy.score, topology, times)
    assert losses.tor[0] == 0 and losses.tor[1] > 1
    assert losses.has_tor.tolist() == [0, 1]
    rigid, rigid_topology = random_poses(0, sizes=(3, 3))
    noisy = PROCESS.perturb(rigid, rigid_topology, times, generator())
    losses = PROCESS.losses(zero(rigid_topology), noisy.score, rigid_topology, times)
    assert losses.tor.eq(0).all() and losses.has_tor.eq(0).all()


def test_small_noise_gives_the_pose_back() -> None:
    tiny = NoiseSchedule(sigma_min=1e-5, sigma_max=1.0)
    process = PoseProcess(PoseProcessConfig(tr=tiny, rot=tiny, tor=tiny))
    pos, topology = random_poses(0)
    noisy = process.perturb(pos, topology, torch.zeros(len(pos), dtype=torch.float64), generator())
    assert (noisy.pos - pos)[topology.atom_mask].abs().max() < 1e-2
    assert noisy.score.rot.isfinite().all() and noisy.score.tor.isfinite().all()


@pytest.mark.parametrize("seed", range(5))
def test_prior_is_uniform_about_the_centre_whatever_the_start(seed: int) -> None:
    example = molecule(seed)
    pos, topology = example.repeat(2000)
    center = torch.tensor([10.0, -20.0, 30.0], dtype=torch.float64).expand(2000, 3)
    start = PROCESS.perturb(pos + 100, topology, torch.full((2000,), 0.2, dtype=torch.float64), generator(seed)).pos
    drawn = example.coordinates(PROCESS.prior_sample(start, topology, center, generator(seed + 10)))
    centroid = drawn.tr + masked_centroid(pos, topology.atom_mask)
    assert stats.kstest(((centroid - center) / PROCESS.config.tr.sigma_max).flatten().numpy(), "norm").pvalue > 1e-4
    assert stats.kstest(drawn.tor.flatten().numpy(), "uniform", args=(-math.pi, 2 * math.pi)).pvalue > 1e-4
    angle = safe_norm(drawn.rot).numpy()
    assert stats.kstest(angle, lambda w: (w - np.sin(w)) / math.pi).pvalue > 1e-4  # Haar


@pytest.mark.parametrize("seed", range(5))
def test_draws_do_not_depend_on_the_batch_or_its_padding(seed: int) -> None:
    pos, topology = random_poses(seed)
    times = torch.linspace(0.1, 0.9, len(pos), dtype=torch.float64)
    center = torch.ones(len(pos), 3, dtype=torch.float64)
    together = PROCESS.perturb(pos, topology, times, StreamNoise(seed, range(len(pos)), Purpose.POSES))
    prior = PROCESS.prior_sample(pos, topology, center, StreamNoise(seed, range(len(pos)), Purpose.POSES))
    for i in range(len(pos)):
        atoms, bonds = topology.atom_mask[i], topology.tor_mask[i]
        one, single = pos[i : i + 1, atoms], select_pose(topology, i)
        alone = PROCESS.perturb(one, single, times[i : i + 1], StreamNoise(seed, [i], Purpose.POSES))
        torch.testing.assert_close(together.pos[i, atoms], alone.pos[0], rtol=0, atol=1e-8)
        torch.testing.assert_close(together.score.rot[i], alone.score.rot[0])
        torch.testing.assert_close(together.score.tor[i, bonds], alone.score.tor[0])
        drawn = PROCESS.prior_sample(one, single, center[i : i + 1], StreamNoise(seed, [i], Purpose.POSES))
        torch.testing.assert_close(prior[i, atoms], drawn[0], rtol=0, atol=1e-8)


def test_same_generator_same_draw_and_the_input_is_unchanged() -> None:
    pos, topology = random_poses(0, dtype=torch.float32)
    before, times = pos.clone(), torch.full((len(pos),), 0.5)
    first, second = (PROCESS.perturb(pos, topology, times, generator(3)) for _ in range(2))
    assert torch.equal(first.pos, second.pos) and torch.equal(first.score.tor, second.score.tor)
    assert torch.equal(pos, before) and first.pos.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = PROCESS.perturb(pos, topology, times, generator(3))
    torch.testing.assert_close(half.pos, first.pos, rtol=0, atol=1e-4)
