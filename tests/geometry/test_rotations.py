import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from discodock.geometry import rotations as rt

SEEDS = range(5)


def random_rotvecs(seed: int, num: int = 200) -> torch.Tensor:
    return rt.random_rotvec(num, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("seed", SEEDS)
def test_matrix_and_quaternion_agree_with_scipy(seed: int) -> None:
    rotvec = random_rotvecs(seed)
    reference = Rotation.from_rotvec(rotvec.numpy())
    torch.testing.assert_close(rt.rotvec_to_rotmat(rotvec), torch.from_numpy(reference.as_matrix()), rtol=0, atol=1e-12)
    quat = torch.from_numpy(reference.as_quat(scalar_first=True, canonical=True))
    torch.testing.assert_close(rt.rotvec_to_quat(rotvec), quat, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_cycles_through_all_formats_return(seed: int) -> None:
    rotvec = random_rotvecs(seed)
    rotmat = rt.rotvec_to_rotmat(rotvec)
    quat = rt.rotmat_to_quat(rotmat)
    torch.testing.assert_close(rt.rotmat_to_rotvec(rotmat), rotvec, rtol=0, atol=1e-9)
    torch.testing.assert_close(rt.quat_to_rotvec(rt.rotvec_to_quat(rotvec)), rotvec, rtol=0, atol=1e-12)
    torch.testing.assert_close(rt.quat_to_rotmat(quat), rotmat, rtol=0, atol=1e-12)
    torch.testing.assert_close(rt.quat_to_rotvec(-quat), rotvec, rtol=0, atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-8, 1e-4, 0.5, 3.0, math.pi - 1e-4, math.pi - 1e-8, math.pi])
def test_exp_of_log_is_the_rotation_near_0_and_pi(angle: float) -> None:
    axis = torch.nn.functional.normalize(random_rotvecs(0, 50), dim=-1)
    rotmat = rt.rotvec_to_rotmat(axis * angle)
    rotvec = rt.rotmat_to_rotvec(rotmat)
    torch.testing.assert_close(rt.rotvec_to_rotmat(rotvec), rotmat, rtol=0, atol=1e-12)
    torch.testing.assert_close(rotvec.norm(dim=-1), torch.full((50,), angle, dtype=torch.float64), rtol=0, atol=1e-7)


@pytest.mark.parametrize("seed", SEEDS)
def test_composition_applies_first_then_second(seed: int) -> None:
    first, second = random_rotvecs(seed), random_rotvecs(seed + 100)
    product = rt.rotvec_to_rotmat(second) @ rt.rotvec_to_rotmat(first)
    torch.testing.assert_close(rt.rotvec_to_rotmat(rt.compose_rotvec(second, first)), product, rtol=0, atol=1e-12)
    assert (rt.rotvec_to_rotmat(rt.compose_rotvec(first, second)) - product).abs().max() > 0.1  # order matters


def test_quarter_turn_about_z_is_right_handed() -> None:
    rotmat = rt.rotvec_to_rotmat(torch.tensor([0.0, 0.0, math.pi / 2], dtype=torch.float64))
    x, y = torch.eye(3, dtype=torch.float64)[:2]
    torch.testing.assert_close(rotmat @ x, y)


def test_random_rotations_are_uniform() -> None:
    rotmat = rt.rotvec_to_rotmat(random_rotvecs(0, 50_000))
    assert rotmat.mean(0).abs().max() < 0.02  # Haar: every entry has mean 0 and variance 1/3
    torch.testing.assert_close(
        rotmat.square().mean(0), torch.full((3, 3), 1 / 3, dtype=torch.float64), rtol=0, atol=0.01
    )
    angle = rt.safe_norm(rt.rotmat_to_rotvec(rotmat))
    assert abs(angle.mean().item() - (math.pi / 2 + 2 / math.pi)) < 0.01


def test_gradients_are_finite_at_the_identity() -> None:
    rotvec = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(rt.rotvec_to_rotmat, rotvec)
    generators = torch.stack([rt.skew(axis) for axis in torch.eye(3, dtype=torch.float64)], dim=-1)
    torch.testing.assert_close(jacobian, generators)
    back = torch.autograd.functional.jacobian(lambda v: rt.quat_to_rotvec(rt.rotvec_to_quat(v)), rotvec)
    assert back.isfinite().all()
