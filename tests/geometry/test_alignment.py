import pytest
import torch
from scipy.spatial.transform import Rotation

from discodock.geometry.alignment import align, masked_centroid
from discodock.geometry.rotations import random_rotvec, rotvec_to_rotmat
from tests.geometry.random_molecules import random_poses

SEEDS = range(5)


def moved_pair(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    pos, topology = random_poses(seed)
    generator = torch.Generator().manual_seed(seed)
    rotmat = rotvec_to_rotmat(random_rotvec(len(pos), generator=generator, dtype=pos.dtype))
    shift = torch.randn(len(pos), 1, 3, generator=generator, dtype=pos.dtype) * 10
    moved = pos @ rotmat.mT + shift
    moved[~topology.atom_mask] = 1e4  # padding must not matter
    return pos, moved, topology.atom_mask


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rigid_motion_is_undone(seed: int) -> None:
    pos, moved, mask = moved_pair(seed)
    motion = align(moved, pos, mask)
    torch.testing.assert_close(motion.apply(moved)[mask], pos[mask], rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sign", [1, -1], ids=["noise", "mirror image"])
def test_agrees_with_scipy_and_never_reflects(seed: int, sign: int) -> None:
    pos, moved, mask = moved_pair(seed)
    moved = sign * moved + torch.randn(moved.shape, generator=torch.Generator().manual_seed(seed), dtype=moved.dtype)
    motion = align(moved, pos, mask)
    torch.testing.assert_close(torch.linalg.det(motion.rotmat), torch.ones(len(pos), dtype=pos.dtype))
    for i in range(len(pos)):
        a, b = pos[i, mask[i]], moved[i, mask[i]]
        _, rssd = Rotation.align_vectors((a - a.mean(0)).numpy(), (b - b.mean(0)).numpy())
        ours = (motion.apply(moved)[i, mask[i]] - a).norm()
        assert ours.item() == pytest.approx(rssd, abs=1e-6)


@pytest.mark.parametrize("num_atoms", [1, 2])
def test_degenerate_sets_are_superposed(num_atoms: int) -> None:
    pos = torch.randn(3, num_atoms, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = pos.flip(-1) + 5
    mask = torch.ones(3, num_atoms, dtype=torch.bool)
    torch.testing.assert_close(align(moved, pos, mask).apply(moved), pos, rtol=0, atol=1e-9)


def test_centroid_ignores_padding_and_survives_an_empty_mask() -> None:
    pos, topology = random_poses(0)
    mask = topology.atom_mask.clone()
    mask[1] = False
    centroid = masked_centroid(pos, mask)
    torch.testing.assert_close(centroid[0], pos[0, mask[0]].mean(0))
    assert centroid[1].eq(0).all()


def test_autocast_does_not_round_coordinates() -> None:
    pos, moved, mask = moved_pair(0)
    pos, moved = pos.float(), moved.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        motion = align(moved, pos, mask)
    assert motion.rotmat.dtype == torch.float32
    torch.testing.assert_close(motion.apply(moved)[mask], pos[mask], rtol=0, atol=1e-3)
