"""The score model: ligand poses in the field of a receptor that was encoded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock import schema
from discodock.geometry.pose import PoseTangent
from discodock.models.encoders import LigandEncoder, ReceptorEncoder
from discodock.models.graphs import LigandGraph, ReceptorGraph
from discodock.models.readout import GeneralisedForces
from discodock.nn.convolution import Edges
from discodock.nn.features import Features
from discodock.nn.interaction import InteractionLayer, make_edges
from discodock.nn.neighbors import flat_index, radius_pairs
from discodock.nn.radial import GaussianBasis, TimeEmbedding
from discodock.settings import Settings


class ScoreModelConfig(Settings):
    """Sizes of the score model."""

    num_scalars: int = Field(64, gt=0, description="scalar (0e) channels of every node")
    num_vectors: int = Field(16, gt=0, description="vector (1o) channels of every node")
    num_layers: int = Field(4, gt=0, description="rounds of ligand-ligand and receptor-ligand convolutions")
    num_receptor_layers: int = Field(2, ge=0, description="rounds of receptor convolutions, run once per complex")
    num_ligand_layers: int = Field(3, ge=0, description="rounds over the molecular graph, run once per complex")
    num_basis: int = Field(16, gt=1, description="radial basis functions per edge")
    num_time: int = Field(32, gt=0, description="channels of the time embedding")
    ligand_cutoff: float = Field(6.0, gt=0, description="ligand-ligand edges, Å")
    contact_cutoff: float = Field(6.0, gt=0, description="receptor-ligand edges, Å")
    receptor_cutoff: float = Field(4.5, gt=0, description="receptor-receptor edges, Å")
    convolution: Literal["fused", "e3nn"] = Field("fused", description="tensor product: fast path or e3nn reference")


@dataclass(frozen=True)
class ComplexContext:
    """What all poses of B complexes share.

    Attributes:
        receptor: the padded receptor atoms.
        receptor_sources: projected receptor features of each layer, each of shape (all receptor atoms, channels).
        ligand: the padded molecular graphs.
        ligand_scalars: graph features of ligand atoms, shape (B, L, S).
    """

    receptor: ReceptorGraph
    receptor_sources: tuple[Tensor, ...]
    ligand: LigandGraph
    ligand_scalars: Tensor


class ScoreModel(nn.Module):
    """Unit-scale score of ligand poses over translation, rotation and torsions.

    SE(3)-equivariant: rotating receptor and poses rotates `tr` and `rot` and leaves `tor`; under a reflection `tr` is
    polar, `rot` axial, `tor` changes sign. Receptor features do not depend on pose or time (`encode`).
    """

    def __init__(self, config: ScoreModelConfig) -> None:
        super().__init__()
        self.config = config
        size = (config.num_scalars, config.num_vectors)
        self.receptor_encoder = ReceptorEncoder(
            *size,
            num_layers=config.num_receptor_layers,
            cutoff=config.receptor_cutoff,
            num_basis=config.num_basis,
            convolution=config.convolution,
        )
        self.ligand_encoder = LigandEncoder(config.num_scalars, num_layers=config.num_ligand_layers)
        self.time_embedding = TimeEmbedding(config.num_time)
        self.ligand_basis = GaussianBasis(config.num_basis, config.ligand_cutoff)
        self.contact_basis = GaussianBasis(config.num_basis, config.contact_cutoff)
        num_pair_attr = schema.MAX_HOPS + 1 + len(schema.BOND_TYPES) + 1
        self.layers = nn.ModuleList(
            InteractionLayer(
                *size,
                (config.num_basis + num_pair_attr, config.num_basis),
                mean_degrees=(12.0, 20.0),
                convolution=config.convolution,
            )
            for _ in range(config.num_layers)
        )
        self.time_shifts = nn.ModuleList(
            nn.Linear(config.num_time, 2 * config.num_scalars) for _ in range(config.num_layers)
        )
        self.readout = GeneralisedForces(*size, config.num_time)

    def compile_layers(self) -> None:
        """Have `torch.compile` fuse every round of message passing; it needs a C++ compiler and a minute to start."""
        for module in self.modules():
            if isinstance(module, InteractionLayer):
                module.compile(dynamic=True)

    def encode(self, receptor: ReceptorGraph, ligand: LigandGraph) -> ComplexContext:
        """Encode B complexes once, for any number of poses and times."""
        features = self.receptor_encoder(receptor)
        sources = tuple(cast(InteractionLayer, layer).convolution(1).project(features) for layer in self.layers)
        flat = self.ligand_encoder(ligand)
        scalars = flat.new_zeros(*ligand.topology.atom_mask.shape, flat.shape[1])
        scalars[ligand.topology.atom_mask] = flat
        return ComplexContext(receptor, sources, ligand, scalars)

    def forward(self, context: ComplexContext, pos: Tensor, pose_complex: Tensor, t: Tensor) -> PoseTangent:
        """Unit-scale scores of P poses.

        Args:
            context: from `encode`.
            pos: ligand atoms in the frame of the receptor, Å, shape (P, L, 3).
            pose_complex: the complex of each pose, int64, shape (P,).
            t: diffusion time of each pose in [0, 1], shape (P,).

        Returns:
            tr (P, 3), rot (P, 3), tor (P, T), of about unit variance; `PoseProcess.to_score` scales them.
        """
        topology = context.ligand.topology.select(pose_complex)
        mask = topology.atom_mask
        time = self.time_embedding(t)
        scalars = context.ligand_scalars[pose_complex][mask]
        features = Features(scalars, scalars.new_zeros(scalars.shape[0], 3, self.config.num_vectors))
        edges = [self._ligand_edges(context, pos, pose_complex, mask), self._contacts(context, pos, pose_complex, mask)]
        atom_pose = torch.arange(pos.shape[0], device=pos.device).repeat_interleave(mask.sum(dim=1))
        for layer, time_shift, source in zip(self.layers, self.time_shifts, context.receptor_sources, strict=True):
            gain, shift = time_shift(time).index_select(0, atom_pose).chunk(2, dim=-1)
            features = Features(features.scalars * (1 + gain) + shift, features.vectors)
            features = layer(features, edges, [None, source])
        return self.readout(features, pos, topology, time)

    def _ligand_edges(self, context: ComplexContext, pos: Tensor, pose_complex: Tensor, mask: Tensor) -> Edges:
        """Ligand-ligand edges, which know the bond and the number of bonds between their ends."""
        pairs = radius_pairs(pos, mask, pos, mask, self.config.ligand_cutoff, is_self=True)
        pair_complex = pose_complex[pairs.sample]
        hops = context.ligand.hops[pair_complex, pairs.target, pairs.source]
        bond_type = context.ligand.bond_type[pair_complex, pairs.target, pairs.source]
        attr = torch.cat(
            [
                nn.functional.one_hot(hops, schema.MAX_HOPS + 1),
                nn.functional.one_hot(bond_type, len(schema.BOND_TYPES) + 1),
            ],
            dim=-1,
        )
        index = flat_index(mask)
        target, source = index[pairs.sample, pairs.target], index[pairs.sample, pairs.source]
        return make_edges(target, source, pairs.vec, self.ligand_basis, self.config.ligand_cutoff, attr.to(pos.dtype))

    def _contacts(self, context: ComplexContext, pos: Tensor, pose_complex: Tensor, mask: Tensor) -> Edges:
        """Edges from receptor atoms to ligand atoms."""
        receptor = context.receptor
        pairs = radius_pairs(
            pos,
            mask,
            receptor.pos[pose_complex],
            receptor.mask[pose_complex],
            self.config.contact_cutoff,
            is_self=False,
        )
        target = flat_index(mask)[pairs.sample, pairs.target]
        source = flat_index(receptor.mask)[pose_complex[pairs.sample], pairs.source]
        no_attr = pos.new_zeros(target.shape[0], 0)
        return make_edges(target, source, pairs.vec, self.contact_basis, self.config.contact_cutoff, no_attr)
