"""Time- and pose-free encoders: they run once per complex, and every pose, step and noise draw shares their output."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock import schema
from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.nn.features import CategoricalEmbedding, Features
from discodock.nn.graph_convolution import GINEConvolution
from discodock.nn.interaction import InteractionLayer, make_edges
from discodock.nn.neighbors import flat_index, radius_pairs
from discodock.nn.radial import GaussianBasis
from discodock.settings import Settings


class EncoderConfig(Settings):
    """Sizes of the encoders, and of the all-atom networks around them."""

    num_scalars: int = Field(64, gt=0, le=1024, description="scalar (0e) channels of every node")
    num_vectors: int = Field(16, gt=0, le=256, description="vector (1o) channels of every node")
    num_receptor_layers: int = Field(2, ge=0, le=64, description="all-atom rounds over the receptor, once per complex")
    num_ligand_layers: int = Field(3, ge=0, le=64, description="rounds over the molecular graph, once per complex")
    num_basis: int = Field(16, gt=1, le=1024, description="radial basis functions per edge")
    receptor_cutoff: float = Field(4.5, gt=0, le=100, description="edges between receptor atoms, Å")
    layer_dropout: float = Field(0.0, ge=0, lt=1, description="dropout of what every round adds to the features")
    convolution: Literal["fused", "e3nn"] = Field("fused", description="tensor product: fast path or e3nn reference")


class PoseNetworkConfig(EncoderConfig):
    """Sizes that the score model and the code encoder have in common."""

    num_layers: int = Field(4, gt=0, le=64, description="rounds of ligand-ligand and receptor-ligand convolutions")
    ligand_cutoff: float = Field(6.0, gt=0, le=100, description="ligand-ligand edges, Å")
    contact_cutoff: float = Field(6.0, gt=0, le=100, description="receptor-ligand edges, Å")


class ReceptorEncoder(nn.Module):
    """All-atom convolutions over the receptor's own contacts."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.num_vectors, self.cutoff = config.num_vectors, config.receptor_cutoff
        num_pairs = len(schema.RESIDUE_TYPES) * len(schema.ATOM_NAMES)
        categories = (num_pairs, len(schema.ELEMENTS), len(schema.RESIDUE_TYPES))
        self.embedding = CategoricalEmbedding(categories, config.num_scalars)
        self.basis = GaussianBasis(config.num_basis, self.cutoff)
        self.layers = nn.ModuleList(
            InteractionLayer(
                config.num_scalars,
                config.num_vectors,
                (config.num_basis + 1,),
                mean_degrees=(12.0,),
                convolution=config.convolution,
                dropout=config.layer_dropout,
            )
            for _ in range(config.num_receptor_layers)
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
    """Message passing over the molecular graph, without coordinates."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        num_scalars, num_layers = config.num_scalars, config.num_ligand_layers
        self.embedding = CategoricalEmbedding(tuple(schema.LIGAND_ATOM_FEATURES.values()), num_scalars)
        self.bond_embedding = nn.Embedding(len(schema.BOND_TYPES), num_scalars)
        self.layers = nn.ModuleList(GINEConvolution(num_scalars) for _ in range(num_layers))
        self.norms = nn.ModuleList(nn.LayerNorm(num_scalars) for _ in range(num_layers))
        self.dropout = nn.Dropout(config.layer_dropout)

    def forward(self, ligand: LigandGraph) -> Tensor:
        """Scalars of all real atoms, laid end to end over the batch, shape (N, S)."""
        mask = ligand.topology.atom_mask
        index = flat_index(mask)
        sample, target, source = (ligand.bond_type > 0).nonzero(as_tuple=True)
        edge_index = torch.stack([index[sample, source], index[sample, target]])
        edge_attr = self.bond_embedding(ligand.bond_type[sample, target, source] - 1)
        scalars = self.embedding(ligand.atom_feat[mask])
        for layer, norm in zip(self.layers, self.norms, strict=True):
            scalars = scalars + self.dropout(layer(norm(scalars), edge_index, edge_attr))
        return scalars
