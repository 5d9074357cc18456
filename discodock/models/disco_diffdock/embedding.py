"""What the residue-level networks begin with: embedded nodes and edges of poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
from e3nn import o3
from torch import Tensor, nn
from torch.nn import functional as F

from discodock import schema
from discodock.graphs import LigandGraph
from discodock.latents.registry import CodeLayout
from discodock.models.code_nodes import COMPLEX, LIGAND, RESIDUES, check_layout
from discodock.models.disco_diffdock.code_marks import CodeMarks, null_codes_of
from discodock.models.disco_diffdock.config import ResidueNetworkConfig
from discodock.models.disco_diffdock.graph import AlphaCarbonGraph, repeat_pairs
from discodock.nn.features import CategoricalEmbedding
from discodock.nn.fully_connected import IrrepsEdges
from discodock.nn.neighbors import PairList, flat_index, radius_pairs
from discodock.nn.radial import GaussianBasis

HARMONICS: Final = o3.Irreps("0e + 1o")

CROSS_REACH: Final = 80.0
"""Å; the radial basis between ligand and receptor ends here. Edges may be longer."""


@dataclass(frozen=True)
class PoseNodes:
    """Nodes of P poses, real ones laid end to end, pose after pose.

    Attributes:
        ligand: features of ligand atoms, shape (atoms, irreps.dim).
        residues: features of residues, shape (residues, irreps.dim).
    """

    ligand: Tensor
    residues: Tensor


@dataclass(frozen=True)
class Poses:
    """P poses of the ligands of B complexes, and what they are told.

    Attributes:
        receptor: residues of the complexes.
        ligand: molecular graphs of the complexes.
        pos: ligand atoms in the frame of the receptor, Å, shape (P, L, 3).
        pose_complex: the complex of each pose, int64, shape (P,).
        condition: features given to nodes and edges of each pose, such as the time embedding, shape (P, num_condition).
        cross_cutoff: ligand-receptor edges of each pose, Å, shape (P,).
        codes: weights (P, N_i) of every code; None for no codes.
    """

    receptor: AlphaCarbonGraph
    ligand: LigandGraph
    pos: Tensor
    pose_complex: Tensor
    condition: Tensor
    cross_cutoff: Tensor
    codes: Sequence[Tensor] | None = None

    def masks(self) -> dict[str, Tensor]:
        """Real nodes of each set of nodes of a pose, bool, shapes (P, L), (P, N), (P, L + N)."""
        return complex_masks(self.ligand.topology.atom_mask, self.receptor.mask, self.pose_complex)


def complex_masks(atoms: Tensor, residues: Tensor, pose_complex: Tensor) -> dict[str, Tensor]:
    """Masks of the sets of nodes of P poses from those (B, L) and (B, N) of complexes."""
    ligand, receptor = atoms[pose_complex], residues[pose_complex]
    return {LIGAND: ligand, RESIDUES: receptor, COMPLEX: torch.cat([ligand, receptor], dim=1)}


class EdgeEmbedding(nn.Module):
    """Scalars of an edge from its own attributes, what its pose is told, and the codes at both ends."""

    def __init__(
        self, num_attr: int, num_condition: int, config: ResidueNetworkConfig, layout: CodeLayout | None
    ) -> None:
        super().__init__()
        width = config.num_scalars
        self.attr = nn.Linear(num_attr, width)
        self.condition = nn.Linear(num_condition, width, bias=False)
        self.marks = nn.ModuleList() if layout is None else nn.ModuleList(CodeMarks(layout, width) for _ in range(2))
        self.out = nn.Sequential(nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(width, width))

    def forward(self, attr: Tensor, pose: Tensor, condition: Tensor, marks: Sequence[Tensor]) -> Tensor:
        """Embed edges (E, num_attr) of poses (E,); `marks` of their ends have shape (E, num_scalars)."""
        return self.out(sum(marks, self.attr(attr) + self.condition(condition).index_select(0, pose)))


class PoseEmbedding(nn.Module):
    """First features of ligand atoms and residues, and the edges between them.

    Nodes: their kind, what the pose is told, the language model's embedding, marks of codes. Edges: length, bond type,
    what the pose is told, marks of codes at both ends.
    """

    def __init__(self, config: ResidueNetworkConfig, num_condition: int, layout: CodeLayout | None) -> None:
        super().__init__()
        if layout is not None:
            check_layout(layout, (LIGAND, RESIDUES, COMPLEX))
        self.config, self.layout = config, layout
        width = config.num_scalars
        self.atom = CategoricalEmbedding(tuple(schema.LIGAND_ATOM_FEATURES.values()), width)
        self.residue = nn.Embedding(len(schema.RESIDUE_TYPES), width)
        self.language = nn.Linear(config.embedding_size, width) if config.embedding_size else None
        self.condition = nn.ModuleDict({name: nn.Linear(num_condition, width) for name in (LIGAND, RESIDUES)})
        self.marks = None if layout is None else CodeMarks(layout, width)
        reach = {LIGAND: config.ligand_cutoff, RESIDUES: config.receptor_cutoff, COMPLEX: CROSS_REACH}
        self.basis = nn.ModuleDict({name: GaussianBasis(config.num_basis, each) for name, each in reach.items()})
        num_extra = {LIGAND: len(schema.BOND_TYPES) + 1, RESIDUES: 0, COMPLEX: 0}
        self.edges = nn.ModuleDict(
            {
                name: EdgeEmbedding(config.num_basis + extra, num_condition, config, layout)
                for name, extra in num_extra.items()
            }
        )

    def forward(self, poses: Poses) -> tuple[PoseNodes, dict[str, IrrepsEdges]]:
        """Nodes, and the edges of each kind in `EDGE_KINDS`."""
        masks = poses.masks()
        codes = poses.codes
        if codes is None and self.layout is not None:
            codes = null_codes_of(self.layout, masks, poses.pos)
        nodes = self._nodes(poses, codes, masks)
        ligand = self._edges(LIGAND, LIGAND, self._ligand_pairs(poses, masks), poses, codes, masks)
        own = repeat_pairs(poses.receptor.pairs, poses.pose_complex, len(poses.receptor.mask))
        receptor = self._edges(RESIDUES, RESIDUES, own, poses, codes, masks)
        cross = self._edges(LIGAND, RESIDUES, self._cross_pairs(poses, masks), poses, codes, masks)
        back = torch.cat([cross.sh[:, :1], -cross.sh[:, 1:]], dim=-1)
        to_receptor = IrrepsEdges(cross.source, cross.target, back, cross.attr)
        return nodes, {"ligand": ligand, "to_ligand": cross, "receptor": receptor, "to_receptor": to_receptor}

    def _nodes(self, poses: Poses, codes: Sequence[Tensor] | None, masks: Mapping[str, Tensor]) -> PoseNodes:
        own = {
            LIGAND: self.atom(poses.ligand.atom_feat.flatten(0, 1)).view(*poses.ligand.atom_feat.shape[:2], -1),
            RESIDUES: self.residue(poses.receptor.residue_type),
        }
        if self.language is not None:
            if poses.receptor.embedding is None:
                raise ValueError("the network reads ESM-2 embeddings, and the receptors have none")
            own[RESIDUES] = own[RESIDUES] + self.language(poses.receptor.embedding)
        features = torch.cat(
            [each[poses.pose_complex] + self.condition[name](poses.condition)[:, None] for name, each in own.items()],
            dim=1,
        )
        if self.marks is not None and codes is not None:
            features = features + self.marks(codes, masks)
        ligand, residues = split_nodes(features, masks)
        return PoseNodes(ligand, residues)

    def _edges(
        self,
        target: str,
        source: str,
        pairs: PairList,
        poses: Poses,
        codes: Sequence[Tensor] | None,
        masks: Mapping[str, Tensor],
    ) -> IrrepsEdges:
        """Embed edges from one set of nodes to another or the same."""
        name = target if target == source else COMPLEX
        distance = (pairs.vec.square().sum(dim=-1) + 1e-8).sqrt()
        attr = cast(GaussianBasis, self.basis[name])(distance)
        if name == LIGAND:
            bond_type = poses.ligand.bond_type[poses.pose_complex[pairs.sample], pairs.target, pairs.source]
            attr = torch.cat([attr, F.one_hot(bond_type, len(schema.BOND_TYPES) + 1).to(attr.dtype)], dim=-1)
        target_idx = flat_index(masks[target])[pairs.sample, pairs.target]
        source_idx = flat_index(masks[source])[pairs.sample, pairs.source]
        embedding = cast(EdgeEmbedding, self.edges[name])
        marks: list[Tensor] = []
        if codes is not None:
            for module, end, index in zip(embedding.marks, (target, source), (target_idx, source_idx), strict=False):
                ligand, residues = split_nodes(module(codes, masks), masks)
                marks.append((ligand if end == LIGAND else residues).index_select(0, index))
        attr = embedding(attr, pairs.sample, poses.condition, marks)
        sh = o3.spherical_harmonics(HARMONICS, pairs.vec, normalize=True, normalization="component")
        return IrrepsEdges(target_idx, source_idx, sh, attr)

    def _ligand_pairs(self, poses: Poses, masks: Mapping[str, Tensor]) -> PairList:
        mask = masks[LIGAND]
        return radius_pairs(poses.pos, mask, poses.pos, mask, self.config.ligand_cutoff, is_self=True)

    def _cross_pairs(self, poses: Poses, masks: Mapping[str, Tensor]) -> PairList:
        receptor_pos = poses.receptor.pos[poses.pose_complex]
        return radius_pairs(poses.pos, masks[LIGAND], receptor_pos, masks[RESIDUES], poses.cross_cutoff, is_self=False)


def split_nodes(values: Tensor, masks: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Real ligand atoms and real residues of values (P, L + N, C), each laid end to end."""
    ligand, residues = values.split([masks[LIGAND].shape[1], masks[RESIDUES].shape[1]], dim=1)
    return ligand[masks[LIGAND]], residues[masks[RESIDUES]]
