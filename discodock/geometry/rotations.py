"""Rotations as rotation vectors, matrices and quaternions, and the conversions between them.

A rotation vector is axis times angle in radians, right-handed; a matrix acts on column vectors, x -> R x; a quaternion
is (w, x, y, z) with the real part first. All functions are batched over leading dimensions and differentiable, also at
the identity.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def skew(vec: Tensor) -> Tensor:
    """Matrices K of the cross product, K x = vec x x; shape (..., 3) to (..., 3, 3)."""
    x, y, z = vec.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).unflatten(-1, (3, 3))


def safe_norm(vec: Tensor) -> Tensor:
    """Euclidean norm over the last dimension, shape (...), whose gradient at zero is zero and not NaN."""
    tiny = torch.finfo(vec.dtype).tiny
    return vec.square().sum(-1).clamp(min=tiny).sqrt()


def rotvec_to_rotmat(rotvec: Tensor) -> Tensor:
    """Exponential map by Rodrigues' formula, R = I + sin(a)/a K + (1 - cos(a))/a^2 K^2 with K = skew(rotvec).

    Args:
        rotvec: rotation vectors in radians, any norm, shape (..., 3).

    Returns:
        Rotation matrices, shape (..., 3, 3).
    """
    angle = safe_norm(rotvec)[..., None, None]
    cross = skew(rotvec)
    # torch.sinc(x) is sin(pi x) / (pi x); (1 - cos a) / a^2 = sinc(a / 2)^2 / 2 has no cancellation near 0
    first = torch.sinc(angle / math.pi)
    second = torch.sinc(angle / (2 * math.pi)).square() / 2
    eye = torch.eye(3, dtype=rotvec.dtype, device=rotvec.device)
    return eye + first * cross + second * (cross @ cross)


def rotmat_to_rotvec(rotmat: Tensor) -> Tensor:
    """Logarithm: rotation vectors of norm at most pi, shape (..., 3, 3) to (..., 3); sound near angles 0 and pi."""
    return quat_to_rotvec(rotmat_to_quat(rotmat))


def rotvec_to_quat(rotvec: Tensor) -> Tensor:
    """Unit quaternions (cos(a/2), sin(a/2) axis), shape (..., 3) to (..., 4)."""
    angle = safe_norm(rotvec)[..., None]
    return torch.cat((torch.cos(angle / 2), rotvec * torch.sinc(angle / (2 * math.pi)) / 2), dim=-1)


def quat_to_rotvec(quat: Tensor) -> Tensor:
    """Rotation vectors of norm at most pi from unit quaternions of either sign, shape (..., 4) to (..., 3)."""
    quat = torch.where(quat[..., :1] < 0, -quat, quat)
    real, imag = quat[..., 0], quat[..., 1:]
    sine = safe_norm(imag)
    half = torch.atan2(sine, real)
    return imag * (2 * half / sine)[..., None]


def quat_to_rotmat(quat: Tensor) -> Tensor:
    """Rotation matrices I + 2 w K + 2 K^2, K the skew matrix of the imaginary part; (..., 4) to (..., 3, 3)."""
    cross = skew(quat[..., 1:])
    eye = torch.eye(3, dtype=quat.dtype, device=quat.device)
    return eye + 2 * quat[..., :1, None] * cross + 2 * (cross @ cross)


def rotmat_to_quat(rotmat: Tensor) -> Tensor:
    """Unit quaternions with real part >= 0, by the largest of the four components, shape (..., 3, 3) to (..., 4).

    The outer product 4 q q^T is linear in R; its row with the largest diagonal entry is q up to scale, without
    cancellation for any angle.

    Source: Bar-Itzhack 2000, J. Guid. Control Dyn. 23, 1085; choice of row as in Shepperd 1978, same journal 1, 223.
    """
    xx, yy, zz = rotmat.diagonal(dim1=-2, dim2=-1).unbind(-1)
    wx, wy, wz = (rotmat[..., i, j] - rotmat[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    xy, xz, yz = (rotmat[..., i, j] + rotmat[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
    rows = torch.stack(
        (
            torch.stack((1 + xx + yy + zz, wx, wy, wz), dim=-1),
            torch.stack((wx, 1 + xx - yy - zz, xy, xz), dim=-1),
            torch.stack((wy, xy, 1 - xx + yy - zz, yz), dim=-1),
            torch.stack((wz, xz, yz, 1 - xx - yy + zz), dim=-1),
        ),
        dim=-2,
    )
    best = rows.diagonal(dim1=-2, dim2=-1).argmax(-1)
    quat = torch.take_along_dim(rows, best[..., None, None], dim=-2).squeeze(-2)
    quat = quat / torch.linalg.vector_norm(quat, dim=-1, keepdim=True)
    return torch.where(quat[..., :1] < 0, -quat, quat)


def quat_multiply(second: Tensor, first: Tensor) -> Tensor:
    """Hamilton product: the rotation `first`, then `second`, both of shape (..., 4)."""
    w2, v2 = second[..., :1], second[..., 1:]
    w1, v1 = first[..., :1], first[..., 1:]
    real = w2 * w1 - (v2 * v1).sum(-1, keepdim=True)
    return torch.cat((real, w2 * v1 + w1 * v2 + torch.linalg.cross(v2, v1)), dim=-1)


def compose_rotvec(second: Tensor, first: Tensor) -> Tensor:
    """Rotation vector of R(second) R(first): `first` is applied first; shapes (..., 3), norm at most pi."""
    return quat_to_rotvec(quat_multiply(rotvec_to_quat(second), rotvec_to_quat(first)))


def rotvec_from_normal(normal: Tensor) -> Tensor:
    """Uniformly (Haar) distributed rotations from independent standard normals, shape (..., 4) to (..., 3)."""
    return quat_to_rotvec(normal / torch.linalg.vector_norm(normal, dim=-1, keepdim=True))


def random_rotvec(
    *shape: int,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Uniformly (Haar) distributed rotation vectors, shape (*shape, 3).

    Args:
        *shape: leading dimensions.
        generator: random stream, on `device`.
        dtype: floating type of the result.
        device: device that the numbers are drawn on.
    """
    return rotvec_from_normal(torch.randn(*shape, 4, generator=generator, dtype=dtype, device=device))
