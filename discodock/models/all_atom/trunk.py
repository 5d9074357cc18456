"""What networks on ligand poses share: encoders that run once per complex, message passing on each pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.latents.registry import CodeLayout
from discodock.models.all_atom.code_conditioning import CodeConditioning, CodeContext, zeroed
from discodock.models.all_atom.edges import NUM_PAIR_ATTR, contact_edges, ligand_edges
from discodock.models.all_atom.encoders import LigandEncoder, PoseNetworkConfig, ReceptorEncoder
from discodock.models.code_nodes import code_nodes
from discodock.nn.features import Features
from discodock.nn.interaction import InteractionLayer
from discodock.nn.radial import GaussianBasis, TimeEmbedding
from discodock.nn.scatter import scatter_mean


class PoseTrunkConfig(PoseNetworkConfig):
    """Sizes of a pose trunk."""

    num_time: int = Field(32, gt=0, le=1024, description="channels of the time embedding")


@dataclass(frozen=True)
class ComplexContext:
    """What all poses of B complexes share.

    Attributes:
        receptor: the padded receptor atoms.
        receptor_sources: projected receptor features of each layer, each of shape (all receptor atoms, channels).
        ligand: the padded molecular graphs.
        ligand_scalars: graph features of ligand atoms, shape (B, L, S).
        pocket: mean over the atoms of each receptor, shape (B, S).
        codes: nodes that discrete codes may choose; None for a network without codes.
    """

    receptor: ReceptorGraph
    receptor_sources: tuple[Tensor, ...]
    ligand: LigandGraph
    ligand_scalars: Tensor
    pocket: Tensor
    codes: CodeContext | None = None


class PoseTrunk(nn.Module):
    """Equivariant features of the ligand atoms of a pose, in the field of a receptor that was encoded once.

    Receptor features do not depend on pose, time or codes (`encode`).

    Args:
        config: sizes.
        layout: discrete codes that the network reads; None for a network without.
    """

    def __init__(self, config: PoseTrunkConfig, layout: CodeLayout | None = None) -> None:
        super().__init__()
        self.config = config
        size = (config.num_scalars, config.num_vectors)
        self.receptor_encoder, self.ligand_encoder = ReceptorEncoder(config), LigandEncoder(config)
        self.time_embedding = TimeEmbedding(config.num_time)
        self.ligand_basis = GaussianBasis(config.num_basis, config.ligand_cutoff)
        self.contact_basis = GaussianBasis(config.num_basis, config.contact_cutoff)
        self.codes = None if layout is None else CodeConditioning(layout, config.num_scalars, config.num_basis)
        edge_attr: tuple[int, ...] = (config.num_basis + NUM_PAIR_ATTR, config.num_basis)
        degrees: tuple[float, ...] = (12.0, 20.0)
        if self.codes is not None and self.codes.residue_pointers:
            edge_attr, degrees = (*edge_attr, self.codes.num_edge_attr), (*degrees, len(self.codes.residue_pointers))
        self.layers = nn.ModuleList(
            InteractionLayer(
                *size,
                edge_attr,
                mean_degrees=degrees,
                convolution=config.convolution,
                dropout=config.layer_dropout,
            )
            for _ in range(config.num_layers)
        )
        self.time_shifts = nn.ModuleList(
            nn.Linear(config.num_time, 2 * config.num_scalars) for _ in range(config.num_layers)
        )
        if len(edge_attr) == 3:  # the virtual nodes of codes are heard only once training says so
            for layer in self.layers:
                zeroed(cast(InteractionLayer, layer).convolution(2).out_scalars)
                zeroed(cast(InteractionLayer, layer).convolution(2).out_vectors)

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
        codes = None
        if self.codes is not None:
            nodes = code_nodes(receptor, ligand)
            codes = CodeContext(nodes, scalars, nodes.pool(features))
        mask = receptor.mask
        sample = torch.arange(len(mask), device=mask.device).repeat_interleave(mask.sum(dim=1))
        pocket = scatter_mean(features.scalars, sample, len(mask))
        return ComplexContext(receptor, sources, ligand, scalars, pocket, codes)

    def features(
        self,
        context: ComplexContext,
        pos: Tensor,
        pose_complex: Tensor,
        time: Tensor,
        codes: Sequence[Tensor] | None = None,
    ) -> Features:
        """Features of the real ligand atoms of P poses, laid end to end.

        Args:
            context: context of the complexes, from `encode`.
            pos: ligand atoms in the frame of the receptor, Å, shape (P, L, 3).
            pose_complex: the complex of each pose, int64, shape (P,).
            time: time embedding of each pose, shape (P, num_time).
            codes: weights (P, N_i) of every code of the layout, rows of zeros for null codes; None for no codes.

        Raises:
            ValueError: there are codes, and the network was made without.
        """
        config, mask = self.config, context.ligand.topology.atom_mask[pose_complex]
        scalars = context.ligand_scalars[pose_complex][mask]
        edges = [
            ligand_edges(context.ligand, pos, pose_complex, self.ligand_basis, config.ligand_cutoff),
            contact_edges(context.receptor, mask, pos, pose_complex, self.contact_basis, config.contact_cutoff),
        ]
        virtual: Features | None = None
        if self.codes is not None and context.codes is not None:
            # Codes shift the scalars of the atoms, and send messages from virtual nodes over edges of their own.
            effect = self.codes(context.codes, codes, pos, pose_complex)
            scalars, virtual = scalars + effect.shift, effect.virtual
            edges += [] if effect.edges is None else [effect.edges]
        elif codes is not None:
            raise ValueError("a score model without a code layout was given codes")
        # Vectors begin at zero: all directions come from the edges, which keeps the network equivariant.
        features = Features(scalars, scalars.new_zeros(scalars.shape[0], 3, config.num_vectors))
        atom_pose = torch.arange(pos.shape[0], device=pos.device).repeat_interleave(mask.sum(dim=1))
        for module, time_shift, contacts in zip(self.layers, self.time_shifts, context.receptor_sources, strict=True):
            layer = cast(InteractionLayer, module)
            gain, shift = time_shift(time).index_select(0, atom_pose).chunk(2, dim=-1)  # (atoms, S) each
            features = Features(features.scalars * (1 + gain) + shift, features.vectors)
            # Ligand atoms hear each other, the receptor (projected once per complex by `encode`), and virtual nodes.
            sources = [None, contacts] + ([] if virtual is None else [layer.convolution(2).project(virtual)])
            features = layer(features, edges, sources)
        return features
