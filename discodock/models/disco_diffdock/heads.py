"""DiffDock's heads: a convolution onto the ligand's centre for translation and rotation, one onto each rotatable bond.

Vectors and pseudovectors are added on purpose, as are scalars and pseudoscalars: proteins are chiral, and the paper's
scores are equivariant under rotations, not under reflections. Source: Corso et al. 2023, arXiv 2210.01776, section 4.3.
"""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor, nn

from discodock.geometry.alignment import masked_centroid
from discodock.geometry.topology import LigandTopology
from discodock.models.disco_diffdock.config import ResidueNetworkConfig
from discodock.models.disco_diffdock.embedding import HARMONICS
from discodock.nn.fully_connected import FullyConnectedConvolution, IrrepsEdges
from discodock.nn.neighbors import flat_index, radius_pairs
from discodock.nn.radial import GaussianBasis

CENTER_REACH = 30.0
"""Å; the radial basis between the centre and its atoms ends here."""


class CenterHead(nn.Module):
    """Translation and rotation: v = BatchNorm(mean_a h_a (x)_psi Y(r_a - centre)), then v / |v| MLP(|v|, t)."""

    def __init__(self, irreps_in: o3.Irreps, config: ResidueNetworkConfig, num_time: int) -> None:
        super().__init__()
        width = self.num_scalars = config.num_scalars
        self.basis = GaussianBasis(config.num_basis, CENTER_REACH)
        self.edge = _mlp(config.num_basis + num_time, width, width, config.dropout)
        self.convolution = FullyConnectedConvolution(
            irreps_in,
            HARMONICS,
            o3.Irreps("2x1o + 2x1e"),
            2 * width,
            dropout=config.dropout,
            kind=config.convolution,
        )
        self.lengths = nn.ModuleList(_mlp(1 + num_time, width, 1, config.dropout) for _ in range(2))

    def forward(self, features: Tensor, pos: Tensor, topology: LigandTopology, time: Tensor) -> tuple[Tensor, Tensor]:
        """Unit-scale translation and rotation of P poses, shapes (P, 3) and (P, 3).

        Args:
            features: features of all real atoms, laid end to end, shape (atoms, irreps_in.dim).
            pos: ligand atoms, Å, shape (P, L, 3).
            topology: rotatable bonds and padding of the poses.
            time: embedding, shape (P, num_time).
        """
        mask = topology.atom_mask
        vec = (pos - masked_centroid(pos, mask)[:, None])[mask]
        pose = mask.nonzero(as_tuple=True)[0]
        distance = (vec.square().sum(dim=-1) + 1e-8).sqrt()
        attr = self.edge(torch.cat([self.basis(distance), time.index_select(0, pose)], dim=-1))
        edges = IrrepsEdges(
            target=pose,
            source=torch.arange(len(vec), device=vec.device),
            sh=o3.spherical_harmonics(HARMONICS, vec, normalize=True, normalization="component"),
            attr=torch.cat([attr, features[:, : self.num_scalars]], dim=-1),
        )
        vectors = self.convolution(features, edges, len(pos)).view(-1, 2, 2, 3).sum(dim=1)  # parities added: (P, 2, 3)
        lengths = vectors.norm(dim=-1, keepdim=True)
        directions = vectors / (lengths + 1e-6)
        tr, rot = (
            directions[:, i] * length(torch.cat([lengths[:, i], time], dim=-1)) for i, length in enumerate(self.lengths)
        )
        return tr, rot


class BondHead(nn.Module):
    """Torsions: a convolution onto the middle of each rotatable bond, whose filters know the axis of the bond.

        T_g = BatchNorm(mean_a h_a (x)_psi (Y(r_a - r_g) (x) Y2(u_g)))        tor_g = W2 tanh(W1 T_g)

    with u_g the axis, in harmonics of degree 2, which are the same for both directions of the bond, as a torsion is.
    Source: the pseudotorque of Jing et al. 2022, arXiv 2206.01729, section 3.5.
    """

    def __init__(self, irreps_in: o3.Irreps, config: ResidueNetworkConfig) -> None:
        super().__init__()
        width = self.num_scalars = config.num_scalars
        self.cutoff = config.ligand_cutoff
        self.basis = GaussianBasis(config.num_basis, config.ligand_cutoff)
        self.edge = _mlp(config.num_basis, width, width, config.dropout)
        self.filter = o3.FullTensorProduct(HARMONICS, "2e")
        self.convolution = FullyConnectedConvolution(
            irreps_in,
            self.filter.irreps_out,
            o3.Irreps(f"{width}x0o + {width}x0e"),
            3 * width,
            dropout=config.dropout,
            kind=config.convolution,
        )
        self.out = nn.Sequential(
            nn.Linear(2 * width, width, bias=False),
            nn.Tanh(),
            nn.Dropout(config.dropout),
            nn.Linear(width, 1, bias=False),
        )

    def forward(self, features: Tensor, pos: Tensor, topology: LigandTopology) -> Tensor:
        """Unit-scale torsions of P poses, zero at padded bonds, shape (P, T); arguments as in `CenterHead`."""
        mask, tor_mask = topology.atom_mask, topology.tor_mask
        torsions = pos.new_zeros(tor_mask.shape)
        if not tor_mask.any():  # batch normalisation has nothing to work on
            return torsions
        ends = [pos.gather(1, topology.tor_bond[..., k : k + 1].expand(-1, -1, 3)) for k in (0, 1)]  # (P, T, 3)
        pairs = radius_pairs((ends[0] + ends[1]) / 2, tor_mask, pos, mask, self.cutoff, is_self=False)
        bond, atom = flat_index(tor_mask)[pairs.sample, pairs.target], flat_index(mask)[pairs.sample, pairs.source]
        axis = (ends[1] - ends[0])[pairs.sample, pairs.target]
        scalars = features[:, : self.num_scalars]
        end_idx = flat_index(mask).gather(1, topology.tor_bond.flatten(1)).view_as(topology.tor_bond)[tor_mask]
        bond_scalars = scalars[end_idx].sum(dim=1)
        distance = (pairs.vec.square().sum(dim=-1) + 1e-8).sqrt()
        parts = [self.edge(self.basis(distance)), scalars[atom], bond_scalars[bond]]
        edges = IrrepsEdges(bond, atom, self._filters(-pairs.vec, axis), torch.cat(parts, dim=-1))
        torsions[tor_mask] = self.out(self.convolution(features, edges, len(bond_scalars))).squeeze(-1).to(pos.dtype)
        return torsions

    def _filters(self, vec: Tensor, axis: Tensor) -> Tensor:
        """Products of the harmonics of atoms seen from the bond's middle (E, 3) and of its axis (E, 3)."""
        around = o3.spherical_harmonics(HARMONICS, vec, normalize=True, normalization="component")
        along = o3.spherical_harmonics("2e", axis, normalize=True, normalization="component")
        return self.filter(around, along)


def _mlp(num_in: int, num_hidden: int, num_out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(num_in, num_hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(num_hidden, num_out))
