"""Time- and pose-free encoders: they run once per complex, and every pose, step and noise draw shares their output."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv

from discodock import schema
from discodock.models.graphs import LigandGraph, ReceptorGraph
from discodock.nn.features import CategoricalEmbedding, Features
from discodock.nn.interaction import InteractionLayer, make_edges
from discodock.nn.neighbors import flat_index, radius_pairs
from discodock.nn.radial import GaussianBasis


class ReceptorEncoder(nn.Module):
    """All-atom convolutions over the receptor's own contacts."""

    def __init__(
        self, num_scalars: int, num_vectors: int, *, num_layers: int, cutoff: float, num_basis: int, convolution: str
    ) -> None:
        super().__init__()
        self.num_vectors, self.cutoff = num_vectors, cutoff
        num_pairs = len(schema.RESIDUE_TYPES) * len(schema.ATOM_NAMES)
        self.embedding = CategoricalEmbedding((num_pairs, len(schema.ELEMENTS), len(schema.RESIDUE_TYPES)), num_scalars)
        self.basis = GaussianBasis(num_basis, cutoff)
        self.layers = nn.ModuleList(
            InteractionLayer(num_scalars, num_vectors, (num_basis + 1,), mean_degrees=(12.0,), convolution=convolution)
            for _ in range(num_layers)
        )

    def forward(self, receptor: ReceptorGraph) -> Features:
        """Features of all real atoms, laid end to end over the batch: scalars (N, S), vectors (N, 3, V)."""
        mask = receptor.mask
        atom_type = receptor.residue_type * len(schema.ATOM_NAMES) + receptor.atom_name
        categories = torch.stack([atom_type, receptor.element, receptor.residue_type], dim=-1)[mask]
        scalars = self.embedding(categories)
        features = Features(scalars, scalars.new_zeros(scalars.shape[0], 3, self.num_vectors))
        pairs = radius_pairs(receptor.pos, mask, receptor.pos, mask, self.cutoff, is_self=True)
        residue_idx = receptor.residue_idx
        is_same = residue_idx[pairs.sample, pairs.target] == residue_idx[pairs.sample, pairs.source]
        index = flat_index(mask)
        target, source = index[pairs.sample, pairs.target], index[pairs.sample, pairs.source]
        edges = make_edges(target, source, pairs.vec, self.basis, self.cutoff, is_same[:, None].to(scalars.dtype))
        for layer in self.layers:
            features = layer(features, [edges], [None])
        return features


class LigandEncoder(nn.Module):
    """Message passing over the molecular graph (GINE, arXiv 1905.12265), without coordinates."""

    def __init__(self, num_scalars: int, *, num_layers: int) -> None:
        super().__init__()
        self.embedding = CategoricalEmbedding(tuple(schema.LIGAND_ATOM_FEATURES.values()), num_scalars)
        self.bond_embedding = nn.Embedding(len(schema.BOND_TYPES), num_scalars)
        self.layers = nn.ModuleList(GINEConv(_mlp(num_scalars)) for _ in range(num_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(num_scalars) for _ in range(num_layers))

    def forward(self, ligand: LigandGraph) -> Tensor:
        """Scalars of all real atoms, laid end to end over the batch, shape (N, S)."""
        mask = ligand.topology.atom_mask
        index = flat_index(mask)
        sample, target, source = (ligand.bond_type > 0).nonzero(as_tuple=True)
        edge_index = torch.stack([index[sample, source], index[sample, target]])
        edge_attr = self.bond_embedding(ligand.bond_type[sample, target, source] - 1)
        scalars = self.embedding(ligand.atom_feat[mask])
        for layer, norm in zip(self.layers, self.norms, strict=True):
            scalars = scalars + layer(norm(scalars), edge_index, edge_attr)
        return scalars


def _mlp(num_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(num_channels, num_channels), nn.SiLU(), nn.Linear(num_channels, num_channels))
