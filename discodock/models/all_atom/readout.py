"""From a vector per atom to a tangent vector of the pose: forces, projected on what the ligand can do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from discodock.geometry.pose import PoseTangent
from discodock.geometry.topology import LigandTopology
from discodock.nn.features import Features, GatedUpdate

_INERTIA_FLOOR = 1.0
"""Å^2, added to moments of inertia, so that small or linear groups do not blow up."""


class GeneralisedForces(nn.Module):
    """Three polar vector fields over the atoms, read as rigid translation, rigid rotation and torsions.

    Each field f is a displacement of the atoms, projected on the motions of one kind:

        tr = mean_i f_i      rot = (I + 1)^-1 mean_i r_i x f_i      tor = mean_i s_i . f_i / sqrt(mean_i |s_i|^2 + 1)

    with r_i from the centroid, I the mean inertia tensor, and s_i = u x r_i the sweep of an atom on the moving side of
    a bond with axis u, r_i from the bond, means over that side. The first two are least-squares fits of a displacement
    field, the third a torque over the square root of its inertia. Polar fields give a polar translation, an axial
    rotation and pseudoscalar torsions, as the true score has.
    A learned positive function of time scales each component, one of both ends of a bond each torsion.
    """

    def __init__(self, num_scalars: int, num_vectors: int, num_time: int) -> None:
        super().__init__()
        self.update = GatedUpdate(num_scalars, num_vectors)
        self.fields = nn.Linear(num_vectors, 3, bias=False)
        self.field_gate = nn.Linear(num_scalars, 3)
        self.time_scale = nn.Linear(num_time, 3)
        self.bond_scale = nn.Sequential(nn.Linear(2 * num_scalars, num_scalars), nn.SiLU(), nn.Linear(num_scalars, 1))

    def forward(self, features: Features, pos: Tensor, topology: LigandTopology, time: Tensor) -> PoseTangent:
        """Unit-scale output for P poses.

        Args:
            features: features of all real atoms, laid end to end over the poses.
            pos: ligand atoms, Å, shape (P, L, 3).
            topology: rotatable bonds and padding of the poses.
            time: time embedding, shape (P, num_time).
        """
        features = features + self.update(features)
        mask = topology.atom_mask
        flat_fields = self.fields(features.vectors) * self.field_gate(features.scalars)[:, None, :]  # (N, 3, 3)
        fields = pos.new_zeros(*mask.shape, 3, 3)
        fields[mask] = flat_fields.to(pos.dtype)
        scalars = pos.new_zeros(*mask.shape, features.scalars.shape[1])
        scalars[mask] = features.scalars.to(pos.dtype)
        scale = torch.exp(self.time_scale(time))
        tor_scale = self._bond_scale(scalars, topology) * scale[:, 2:]
        return PoseTangent(
            tr=mean_over_atoms(fields[..., 0], mask) * scale[:, :1],
            rot=rigid_rotation(fields[..., 1], pos, mask) * scale[:, 1:2],
            tor=torsion_rates(fields[..., 2], pos, topology) * tor_scale,
        )

    def _bond_scale(self, scalars: Tensor, topology: LigandTopology) -> Tensor:
        """Positive factor of each rotatable bond from its ends, the same whichever end comes first, shape (P, T)."""
        ends = [_gather_atoms(scalars, topology.tor_bond[..., k]) for k in (0, 1)]
        return 2 * torch.sigmoid(self.bond_scale(torch.cat([ends[0] + ends[1], ends[0] * ends[1]], dim=-1))).squeeze(-1)


def mean_over_atoms(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over real atoms of (P, L, 3) values that are zero on padding, shape (P, 3)."""
    return values.sum(dim=1) / mask.sum(dim=1, keepdim=True)


def rigid_rotation(field: Tensor, pos: Tensor, mask: Tensor) -> Tensor:
    """Least-squares rotation vector about the centroid of a displacement field (P, L, 3), damped, shape (P, 3)."""
    weight = mask.to(pos.dtype)[..., None]
    arm = (pos - (mean_over_atoms(pos * weight, mask))[:, None]) * weight
    torque = mean_over_atoms(torch.linalg.cross(arm, field), mask)
    eye = torch.eye(3, dtype=pos.dtype, device=pos.device)
    with torch.autocast(pos.device.type, enabled=False):  # coordinates must not be rounded to half precision
        second_moment = torch.einsum("pli,plj->pij", arm, arm) / mask.sum(dim=1)[:, None, None]
    trace = second_moment.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None]
    inertia = (trace + _INERTIA_FLOOR) * eye - second_moment
    return torch.linalg.solve(inertia, torque)


def torsion_rates(field: Tensor, pos: Tensor, topology: LigandTopology) -> Tensor:
    """Torque of a field (P, L, 3) on each moving side, over the square root of its inertia, damped, shape (P, T)."""
    fixed, moving = (_gather_atoms(pos, topology.tor_bond[..., k]) for k in (0, 1))
    axis = torch.nn.functional.normalize(moving - fixed, dim=-1)  # (P, T, 3); zero on padding
    side = topology.mask_rotate.to(pos.dtype)  # (P, T, L)
    arm = pos[:, None] - moving[:, :, None]  # (P, T, L, 3)
    sweep = torch.linalg.cross(axis[:, :, None].expand_as(arm), arm) * side[..., None]
    num_moving = side.sum(dim=-1).clamp(min=1)
    with torch.autocast(pos.device.type, enabled=False):  # as above
        torque = torch.einsum("ptli,pli->pt", sweep, field) / num_moving
    return torque * (sweep.square().sum(dim=(2, 3)) / num_moving + _INERTIA_FLOOR).rsqrt()


def _gather_atoms(values: Tensor, atom_idx: Tensor) -> Tensor:
    """Pick atoms (P, T) from values (P, L, C), shape (P, T, C)."""
    return values.gather(1, atom_idx[..., None].expand(-1, -1, values.shape[2]))
