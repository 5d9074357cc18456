import math
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from discodock.diffusion.pose_space import PoseSpace, ReverseProcess, conformers_in_turn
from discodock.diffusion.process import PoseProcess, PoseProcessConfig
from discodock.diffusion.schedule import NoiseSchedule, uniform_times
from discodock.diffusion.solvers import DIFFDOCK_L_TEMPERATURES, SOLVERS, LowTemperature, SolverConfig, solve
from discodock.geometry.pose import PoseTangent
from discodock.geometry.topology import LigandTopology
from discodock.noise import Purpose, StreamNoise
from tests.diffusion.pose_coordinates import Molecule, kernel_score, molecule
from tests.geometry.random_molecules import random_poses, select_pose

# rotations perturbed until they are uniform: at the default 1.6 rad the uniform prior widens ODE samples by 8 %
PROCESS = PoseProcess(
    PoseProcessConfig(
        tr=NoiseSchedule(sigma_min=0.05, sigma_max=3.0),
        rot=NoiseSchedule(sigma_min=0.05, sigma_max=2.5),
        tor=NoiseSchedule(sigma_min=0.05, sigma_max=3.14),
    )
)


def exact_network(example: Molecule, data_width: float):  # noqa: ANN201
    """What a perfect network would return at unit scale for data that are `example`, blurred."""

    def network(pos: Tensor, t: Tensor) -> PoseTangent:
        score = kernel_score(example, PROCESS, pos, t, data_width)
        unit = PROCESS.to_score(PoseTangent(*(torch.ones_like(x) for x in (score.tr, score.rot, score.tor))), t)
        return PoseTangent(score.tr / unit.tr, score.rot / unit.rot, score.tor / unit.tor)

    return network


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("seed", range(5))
def test_a_perfect_network_redocks(name: str, seed: int) -> None:
    """From the prior to the reference pose in 20 steps, with the default settings of every solver."""
    example = molecule(seed)
    pos, topology = example.repeat(40)
    center = pos.mean(1)
    noise = StreamNoise(seed, range(40), Purpose.POSES)
    start = PROCESS.prior_sample(pos, topology, center, noise)
    config = SolverConfig(solver=name)
    end = ReverseProcess(exact_network(example, 0.0), PROCESS, topology, config).denoise(start, noise)
    rmsd = (end - pos).square().sum(-1).mean(-1).sqrt()
    assert (start - pos).square().sum(-1).mean(-1).sqrt().median() > 3
    assert (rmsd < 0.5).double().mean() >= 0.95


def test_published_temperatures_redock() -> None:
    example = molecule(0)
    pos, topology = example.repeat(40)
    noise = StreamNoise(0, range(40), Purpose.POSES)
    start = PROCESS.prior_sample(pos, topology, pos.mean(1), noise)
    config = SolverConfig(solver="low_temperature", temperatures=DIFFDOCK_L_TEMPERATURES)
    end = ReverseProcess(exact_network(example, 0.0), PROCESS, topology, config).denoise(start, noise)
    assert ((end - pos).square().sum(-1).mean(-1).sqrt() < 0.5).double().mean() >= 0.95


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("size", [3, 14], ids=["rigid", "flexible"])
def test_poses_have_the_width_of_the_data(name: str, size: int) -> None:
    """Rotations of the rigid molecule only: re-alignments after torsions do not compose, the score is not exact."""
    example, width = molecule(1, size), 0.3
    pos, topology = example.repeat(1000)
    generator = torch.Generator().manual_seed(0)
    start = PROCESS.prior_sample(pos, topology, pos.mean(1), generator)
    config = SolverConfig(solver=name, steps=40, temperatures=(LowTemperature(sampling=1.0, psi=0.3),))
    end = ReverseProcess(exact_network(example, width), PROCESS, topology, config).denoise(start, generator)
    found, expected = example.coordinates(end), math.hypot(width, 0.05)
    assert found.tr.square().mean().sqrt().item() == pytest.approx(expected, rel=0.07)
    curved = found.rot if size == 3 else found.tor
    assert curved.square().mean().sqrt().item() == pytest.approx(expected, rel=0.07)


@pytest.mark.parametrize("name", [name for name, solver in SOLVERS.items() if solver.order == 2])
def test_order_holds_on_poses(name: str) -> None:
    example = molecule(2)
    pos, topology = example.repeat(16)
    start = PROCESS.prior_sample(pos, topology, pos.mean(1), torch.Generator().manual_seed(0))

    def score(state: Tensor, t: float) -> PoseTangent:
        return kernel_score(example, PROCESS, state, state.new_full((16,), t), 0.5)

    def end(steps: int) -> Tensor:
        space = PoseSpace(PROCESS, topology)
        return solve(score, space, start, uniform_times(steps), torch.Generator(), config=SolverConfig(solver=name))

    reference = end(240)
    errors = [(end(steps) - reference).norm(dim=-1).mean(-1).median().item() for steps in (30, 60)]
    assert math.log2(errors[0] / errors[1]) > 1.7


def shape_network(topology: LigandTopology):  # noqa: ANN201
    """Some smooth function of each pose's atoms, and of nothing else."""

    def network(pos: Tensor, t: Tensor) -> PoseTangent:
        weight = topology.atom_mask[..., None].to(pos.dtype)
        arm = (pos - (pos * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True)) * weight
        twist = torch.linalg.cross(arm, arm.roll(1, dims=-1)).sum(1) / 100
        tor = torch.sin(topology.mask_rotate.to(pos.dtype) @ arm.sum(-1, keepdim=True)).squeeze(-1)
        return PoseTangent(arm.abs().sum(1) * -0.01, torch.tanh(twist), tor * topology.tor_mask)

    return network


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("seed", range(5))
def test_poses_do_not_depend_on_the_batch_or_its_padding(name: str, seed: int) -> None:
    pos, topology = random_poses(seed)
    config = SolverConfig(solver=name, steps=6)

    def draw(pos: Tensor, topology: LigandTopology, numbers: list[int]) -> Tensor:
        noise = StreamNoise(seed, numbers, Purpose.POSES)
        return ReverseProcess(shape_network(topology), PROCESS, topology, config).draw(pos, noise)

    together = draw(pos, topology, list(range(len(pos))))
    assert torch.equal(together, draw(pos, topology, list(range(len(pos)))))
    for i in range(len(pos)):
        atoms = topology.atom_mask[i]
        alone = draw(pos[i : i + 1, atoms], select_pose(topology, i), [i])
        torch.testing.assert_close(together[i, atoms], alone[0], rtol=0, atol=1e-6)


def test_poses_take_the_conformers_of_their_own_ligand_in_turn() -> None:
    conformers = torch.arange(6.0).view(2, 3, 1, 1).expand(2, 3, 4, 3)  # complexes 0 and 1: conformers 0-2 and 3-5
    taken = conformers_in_turn(conformers, torch.tensor([0, 0, 1, 1, 1]), [7, 2, 0, 4, 9])
    assert taken.shape == (5, 4, 3)
    assert taken[:, 0, 0].tolist() == [1, 2, 3, 4, 3]


def test_karras_grid_and_callback_reach_the_solver() -> None:
    example = molecule(0)
    pos, topology = example.repeat(4)
    seen: list[int] = []
    times: list[float] = []
    perfect = exact_network(example, 0.0)

    def network(pos: Tensor, t: Tensor) -> PoseTangent:
        times.append(t[0].item())
        return perfect(pos, t)

    config = SolverConfig(solver="dpm_solver_pp", steps=5, rho=3.0)
    ReverseProcess(network, PROCESS, topology, config).denoise(
        pos, torch.Generator(), on_step=lambda step, state: seen.append(step)
    )
    assert seen == [1, 2, 3, 4, 5]
    assert times == pytest.approx(config.times(PROCESS.config.tr)[:-1].tolist())
    assert times[1] != pytest.approx(0.8)


@pytest.mark.parametrize("name", SOLVERS)
def test_nothing_waits_for_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device any `.item()`, `.cpu()` or tensor left on another device raises."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: nullcontext())  # which the meta device lacks
    pos, topology = random_poses(0, dtype=torch.float32)
    pos = pos.to("meta")
    fields = (topology.atom_mask, topology.tor_bond, topology.tor_mask, topology.mask_rotate)
    topology = LigandTopology(*(x.to("meta") for x in fields))
    t = torch.rand(len(pos), device="meta")
    noisy = PROCESS.perturb(pos, topology, t, torch.Generator())
    losses = PROCESS.losses(noisy.score, noisy.score, topology, t)
    start = PROCESS.prior_sample(pos, topology, pos.mean(1), torch.Generator())
    config = SolverConfig(solver=name, steps=3)
    end = ReverseProcess(lambda pos, t: noisy.score, PROCESS, topology, config).denoise(start, torch.Generator())
    assert end.device.type == losses.tor.device.type == "meta" and end.shape == pos.shape
