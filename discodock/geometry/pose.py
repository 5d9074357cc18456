"""Ligand poses as padded batches, and how a tangent vector moves them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from discodock.geometry.alignment import kabsch_rotation, masked_centroid
from discodock.geometry.rotations import rotvec_to_rotmat
from discodock.geometry.topology import LigandTopology
from discodock.geometry.torsions import apply_torsions


@dataclass(frozen=True)
class PoseTangent:
    """A tangent vector of R^3 x SO(3) x T^k at a batch of P poses: an update, a score, or unit noise.

    Attributes:
        tr: translation, shape (P, 3).
        rot: rotation vector in the lab frame, about the pose's centroid, shape (P, 3).
        tor: one value per rotatable bond, shape (P, T); zero where `LigandTopology.tor_mask` is false.
    """

    tr: Tensor
    rot: Tensor
    tor: Tensor

    def __add__(self, other: PoseTangent) -> PoseTangent:
        """The sum of two vectors at the same poses."""
        return PoseTangent(self.tr + other.tr, self.rot + other.rot, self.tor + other.tor)

    def __sub__(self, other: PoseTangent) -> PoseTangent:
        """The difference of two vectors at the same poses."""
        return PoseTangent(self.tr - other.tr, self.rot - other.rot, self.tor - other.tor)

    def __mul__(self, factor: float) -> PoseTangent:
        """The vector, so many times as long."""
        return PoseTangent(factor * self.tr, factor * self.rot, factor * self.tor)


def update_pose(pos: Tensor, topology: LigandTopology, update: PoseTangent) -> Tensor:
    """Move poses by a finite tangent vector: torsions, then rotation about the centroid, then translation.

    The torsions are followed by the rigid motion that superposes the result on the pose before them, so they cause no
    net shift or rotation: the centroid moves by `tr` exactly, and a pose without rotatable bonds moves as a rigid body.
    Turning bonds and moving the whole commute, so this equals DiffDock's order (rigid motion, torsions, alignment onto
    the rigidly moved pose) with one alignment and one matrix product.

    Args:
        pos: positions in Å, shape (P, L, 3).
        topology: masks and rotatable bonds of the poses.
        update: translation in Å, rotation vector and torsion angles in radians.

    Returns:
        New positions in Å, shape (P, L, 3); padded atoms move along and mean nothing.

    Source: Corso et al. 2023, arXiv 2210.01776, section 4.1 and appendix A.
    """
    with torch.autocast(pos.device.type, enabled=False):  # coordinates must not be rounded to half precision
        return _update_pose(pos, topology, update)


def _update_pose(pos: Tensor, topology: LigandTopology, update: PoseTangent) -> Tensor:
    center = masked_centroid(pos, topology.atom_mask)
    arm = pos - center[:, None]
    rotmat = rotvec_to_rotmat(update.rot)
    if topology.tor_mask.shape[1] > 0:
        turned = apply_torsions(arm, topology, update.tor)
        turned = turned - masked_centroid(turned, topology.atom_mask)[:, None]
        weight = topology.atom_mask[..., None].to(pos.dtype)
        has_torsion = topology.tor_mask.any(-1)[:, None, None]
        arm = torch.where(has_torsion, turned, arm)
        # only one side needs the weights: a masked atom then contributes nothing to the covariance
        realign = kabsch_rotation(turned * weight, pos - center[:, None])
        rotmat = torch.where(has_torsion, rotmat @ realign, rotmat)
    return arm @ rotmat.mT + (center + update.tr)[:, None]


def pose_jacobian(pos: Tensor, topology: LigandTopology) -> Tensor:
    """Velocities of the atoms under every unit tangent vector: the derivative of `update_pose` at no update.

    Translation moves all atoms alike; rotation about axis e gives e x arm; a torsion gives u x (x - v) on its moving
    side, less the rigid motion of the whole that it contains (its mean, and the angular velocity that the inertia
    tensor gives its angular momentum), because `update_pose` superposes what torsions do.

    Args:
        pos: positions in Å, shape (P, L, 3).
        topology: masks and rotatable bonds of the poses.

    Returns:
        d pos / d (tr, rot, tor), shape (P, 6 + T, L, 3); zero for padded atoms and bonds.
    """
    mask = topology.atom_mask[..., None].to(pos.dtype)  # (P, L, 1)
    arm = (pos - masked_centroid(pos, topology.atom_mask)[:, None]) * mask
    eye = torch.eye(3, dtype=pos.dtype, device=pos.device)
    shift = eye[None, :, None] * mask[:, None]  # (P, 3, L, 3)
    turn = torch.linalg.cross(eye[None, :, None].expand_as(shift), arm[:, None].expand_as(shift))
    ends = pos.gather(1, topology.tor_bond.flatten(1)[..., None].expand(-1, -1, 3)).unflatten(1, (-1, 2))
    axis = torch.nn.functional.normalize(ends[:, :, 1] - ends[:, :, 0], dim=-1)[:, :, None]  # (P, T, 1, 3)
    side = (topology.mask_rotate & topology.tor_mask[..., None] & topology.atom_mask[:, None])[..., None]
    lever = (pos[:, None] - ends[:, :, 1:2]) * side  # (P, T, L, 3)
    twist = torch.linalg.cross(axis.expand_as(lever), lever)
    num_atoms = mask.sum(1, keepdim=True).clamp(min=1)[:, None]  # (P, 1, 1, 1)
    twist = twist - twist.sum(2, keepdim=True) / num_atoms * mask[:, None]
    inertia = arm.square().sum((1, 2))[:, None, None] * eye - arm.mT @ arm
    inertia = inertia + (1e-6 * inertia.diagonal(dim1=1, dim2=2).sum(1) + 1e-6)[:, None, None] * eye  # rods have none
    momentum = torch.linalg.cross(arm[:, None].expand_as(twist), twist).sum(2)  # (P, T, 3)
    spin = torch.linalg.solve(inertia, momentum.mT).mT[:, :, None]
    twist = twist - torch.linalg.cross(spin.expand_as(twist), arm[:, None].expand_as(twist))
    return torch.cat((shift, turn, twist), dim=1)
