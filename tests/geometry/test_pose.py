import math

import pytest
import torch

from discodock.geometry.alignment import align, kabsch_rotation, masked_centroid
from discodock.geometry.pose import PoseTangent, pose_jacobian, update_pose
from discodock.geometry.rotations import rotvec_to_rotmat
from discodock.geometry.topology import LigandTopology
from discodock.geometry.torsions import apply_torsions
from tests.geometry.random_molecules import random_poses, select_pose

SEEDS = range(5)


def random_update(topology: LigandTopology, seed: int, scale: float = 1.0) -> PoseTangent:
    generator = torch.Generator().manual_seed(seed)
    num_poses, num_torsions = topology.tor_mask.shape
    drawn = torch.randn(num_poses, 6 + num_torsions, generator=generator, dtype=torch.float64) * scale
    return PoseTangent(drawn[:, :3] * 3, drawn[:, 3:6], drawn[:, 6:] * topology.tor_mask)


def scaled(update: PoseTangent, factor: float) -> PoseTangent:
    return PoseTangent(update.tr * factor, update.rot * factor, update.tor * factor)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_torsions_it_is_a_rotation_about_the_centroid_and_a_shift(seed: int) -> None:
    pos, topology = random_poses(seed)
    update = random_update(topology, seed)
    update = PoseTangent(update.tr, update.rot, update.tor * 0)
    center = masked_centroid(pos, topology.atom_mask)[:, None]
    expected = (pos - center) @ rotvec_to_rotmat(update.rot).mT + center + update.tr[:, None]
    moved = update_pose(pos, topology, update)
    torch.testing.assert_close(moved[topology.atom_mask], expected[topology.atom_mask], rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_torsions_cause_no_net_shift_or_rotation(seed: int) -> None:
    pos, topology = random_poses(seed)
    update = random_update(topology, seed)
    rigid = update_pose(pos, topology, PoseTangent(update.tr, update.rot, update.tor * 0))
    moved = update_pose(pos, topology, update)
    mask = topology.atom_mask
    torch.testing.assert_close(masked_centroid(moved, mask), masked_centroid(rigid, mask), rtol=0, atol=1e-9)
    weight = mask[..., None].to(pos.dtype)
    arms = [(x - masked_centroid(x, mask)[:, None]) * weight for x in (moved, rigid)]
    eye = torch.eye(3, dtype=pos.dtype).expand(len(pos), 3, 3)
    torch.testing.assert_close(kabsch_rotation(*arms), eye, rtol=0, atol=1e-8)
    assert (moved - rigid)[mask].abs().max() > 0.5  # and yet something moved


@pytest.mark.parametrize("seed", SEEDS)
def test_equals_the_order_of_the_paper(seed: int) -> None:
    """Rigid motion first, then torsions, then alignment onto the rigidly moved pose."""
    pos, topology = random_poses(seed)
    update = random_update(topology, seed)
    rigid = update_pose(pos, topology, PoseTangent(update.tr, update.rot, update.tor * 0))
    turned = apply_torsions(rigid, topology, update.tor)
    expected = align(turned, rigid, topology.atom_mask).apply(turned)
    moved = update_pose(pos, topology, update)
    torch.testing.assert_close(moved[topology.atom_mask], expected[topology.atom_mask], rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pose_without_rotatable_bonds_ignores_torsions_exactly(seed: int) -> None:
    pos, topology = random_poses(seed, sizes=(3, 3))
    assert topology.tor_mask.shape[1] == 0
    update = random_update(topology, seed)
    mixed_pos, mixed = random_poses(seed, sizes=(3, 20))
    assert not mixed.tor_mask[0].any() and mixed.tor_mask[1].any()
    still = PoseTangent(torch.zeros(2, 3), torch.zeros(2, 3), torch.ones(mixed.tor_mask.shape))
    moved = update_pose(mixed_pos, mixed, PoseTangent(*(x.double() for x in (still.tr, still.rot, still.tor))))
    torch.testing.assert_close(moved[0, :3], mixed_pos[0, :3], rtol=0, atol=1e-12)
    assert update_pose(pos, topology, update).isfinite().all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_equals_its_members_alone(seed: int) -> None:
    pos, topology = random_poses(seed)
    update = random_update(topology, seed)
    together = update_pose(pos, topology, update)
    for i in range(len(pos)):
        atoms, bonds = topology.atom_mask[i], topology.tor_mask[i]
        alone = update_pose(
            pos[i : i + 1, atoms],
            select_pose(topology, i),
            PoseTangent(update.tr[i : i + 1], update.rot[i : i + 1], update.tor[i : i + 1, bonds]),
        )
        torch.testing.assert_close(together[i, atoms], alone[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_is_equivariant_and_torsions_are_pseudoscalars(seed: int) -> None:
    pos, topology = random_poses(seed)
    update = random_update(topology, seed)
    rotmat = rotvec_to_rotmat(torch.tensor([0.4, -1.0, 2.0], dtype=torch.float64))
    moved = update_pose(pos, topology, update)
    turned = update_pose(pos @ rotmat.T, topology, PoseTangent(update.tr @ rotmat.T, update.rot @ rotmat.T, update.tor))
    mirrored = update_pose(-pos, topology, PoseTangent(-update.tr, update.rot, -update.tor))
    mask = topology.atom_mask
    torch.testing.assert_close(turned[mask], (moved @ rotmat.T)[mask], rtol=0, atol=1e-8)
    torch.testing.assert_close(mirrored[mask], -moved[mask], rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_step_follows_two_half_steps_to_second_order(seed: int) -> None:
    """The gap between one step and two half steps falls with the cube of the step, which solvers of order 2 need."""
    pos, topology = random_poses(seed)
    update = random_update(topology, seed, scale=0.5)
    gaps = []
    for size in (0.1, 0.05):
        one = update_pose(pos, topology, scaled(update, size))
        half = scaled(update, size / 2)
        two = update_pose(update_pose(pos, topology, half), topology, half)
        gaps.append((one - two)[topology.atom_mask].norm().item())
    assert math.log2(gaps[0] / gaps[1]) > 2.7


def test_float32_and_autocast_agree_with_float64() -> None:
    pos, topology = random_poses(0)
    update = random_update(topology, 0)
    exact = update_pose(pos, topology, update)
    single = PoseTangent(update.tr.float(), update.rot.float(), update.tor.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = update_pose(pos.float(), topology, single)
    assert moved.dtype == torch.float32
    torch.testing.assert_close(moved[topology.atom_mask].double(), exact[topology.atom_mask], rtol=0, atol=2e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_jacobian_is_the_derivative_of_the_update(seed: int) -> None:
    pos, topology = random_poses(seed)
    jacobian = pose_jacobian(pos, topology)
    step, mask = 1e-6, topology.atom_mask
    for k in range(jacobian.shape[1]):
        tangent = torch.zeros(jacobian.shape[:2], dtype=pos.dtype)
        tangent[:, k] = step
        there, back = (
            update_pose(pos, topology, PoseTangent(t[:, :3], t[:, 3:6], t[:, 6:])) for t in (tangent, -tangent)
        )
        torch.testing.assert_close(((there - back) / (2 * step))[mask], jacobian[:, k][mask], rtol=0, atol=1e-4)
    assert (jacobian[:, :, ~mask.all(0)].transpose(1, 2)[~mask[:, ~mask.all(0)]] == 0).all()
