"""Ligand poses as padded batches: what may move, and how a tangent vector moves it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from discodock.geometry.alignment import kabsch_rotation, masked_centroid
from discodock.geometry.rotations import rotvec_to_rotmat
from discodock.geometry.torsions import apply_torsions


@dataclass(frozen=True)
class LigandTopology:
    """What stays fixed while a batch of P poses moves; ligands are padded to L atoms and T rotatable bonds.

    Attributes:
        atom_mask: true for real atoms, bool, shape (P, L).
        tor_bond: rotatable bonds as (fixed end, moving end) atom indices, int64, shape (P, T, 2); padding is 0.
        tor_mask: true for real rotatable bonds, bool, shape (P, T).
        mask_rotate: atoms on the moving side of each bond, bool, shape (P, T, L); padding is false.
    """

    atom_mask: Tensor
    tor_bond: Tensor
    tor_mask: Tensor
    mask_rotate: Tensor

    def select(self, idx: Tensor) -> LigandTopology:
        """The topology of the chosen rows, for instance each ligand repeated for its poses; `idx` is int64, (P,)."""
        return LigandTopology(self.atom_mask[idx], self.tor_bond[idx], self.tor_mask[idx], self.mask_rotate[idx])


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
