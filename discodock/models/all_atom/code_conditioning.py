"""How the score model reads discrete codes: shifts, marks at ligand atoms, and virtual nodes at residues.

At initialisation every output here and of the convolutions from the virtual nodes is zero: a network with codes begins
as the same network without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from discodock.latents.pointer import gather_nodes
from discodock.latents.registry import CodeLayout
from discodock.latents.space import absence
from discodock.models.code_marks import MarkedCodesEmbedding
from discodock.models.code_nodes import LIGAND, RESIDUES, CodeNodes, check_layout, pointers_into
from discodock.nn.convolution import Edges
from discodock.nn.features import Features
from discodock.nn.neighbors import flat_index
from discodock.nn.radial import GaussianBasis

REACH = 20.0
"""Å; the radial basis of edges from a virtual node ends here. The edges do not: they see how far away they are."""


@dataclass(frozen=True)
class CodeContext:
    """What the codes of all poses of B complexes may choose.

    Attributes:
        nodes: the sets of nodes.
        ligand: features of ligand atoms, shape (B, L, S).
        residues: features of residues, shapes (B, N, S) and (B, N, 3, V).
    """

    nodes: CodeNodes
    ligand: Tensor
    residues: Features


@dataclass(frozen=True)
class CodeEffect:
    """What codes do to P poses.

    Attributes:
        shift: shift of the scalars of all real ligand atoms, laid end to end, shape (atoms, S).
        virtual: features of the P * K virtual nodes, one for each of K pointers at residues; None if K = 0.
        edges: edges from every virtual node to all ligand atoms of its pose; None if K = 0.
    """

    shift: Tensor
    virtual: Features | None = None
    edges: Edges | None = None


class CodeConditioning(nn.Module):
    """Turns the codes of poses into features of their atoms and edges from the residues that they point at.

    A pointer at a residue becomes a node at sum_n w_n x_n, so that the encoder learns from where it should have been.
    """

    def __init__(self, layout: CodeLayout, num_scalars: int, num_basis: int) -> None:
        super().__init__()
        check_layout(layout)
        self.embedding = MarkedCodesEmbedding(layout, num_scalars)
        pointed = [name for name in (LIGAND, RESIDUES) if pointers_into(layout, name)]
        self.node_projections = nn.ModuleDict({name: nn.Linear(num_scalars, num_scalars) for name in pointed})
        self.shift = zeroed(nn.Linear(num_scalars, num_scalars, bias=False))
        self.mark = zeroed(nn.Linear(num_scalars, num_scalars, bias=False))
        self.basis = GaussianBasis(num_basis, REACH)
        self.atom_pointers, self.residue_pointers = (pointers_into(layout, name) for name in (LIGAND, RESIDUES))
        self.layout = layout
        for i in self.residue_pointers:  # nobody reads marks at residues; data-parallel training wants that known
            for parameter in self.embedding.mark_parameters(i):
                parameter.requires_grad_(False)

    @property
    def num_edge_attr(self) -> int:
        """Attributes of an edge from a virtual node: length, which code it is, which codes point at the target."""
        return len(self.basis.centers) + len(self.residue_pointers) + len(self.atom_pointers)

    def forward(
        self, context: CodeContext, codes: Sequence[Tensor] | None, pos: Tensor, pose_complex: Tensor
    ) -> CodeEffect:
        """The effect of codes on P poses.

        Args:
            context: context of the complexes.
            codes: weights (P, N_i) of every code, rows of zeros for null codes; None for no codes at all.
            pos: ligand atoms, Å, shape (P, L, 3).
            pose_complex: the complex of each pose, int64, shape (P,).
        """
        masks = {name: mask[pose_complex] for name, mask in context.nodes.masks.items()}
        if codes is None:
            entries = self.layout.masks(masks, pos.device)
            codes = tuple(pos.new_zeros(len(pos), mask.shape[-1]) for mask in entries)
        features = {LIGAND: context.ligand, RESIDUES: context.residues.scalars}
        nodes = {name: project(features[name])[pose_complex] for name, project in self.node_projections.items()}
        atom_mask = masks[LIGAND]
        shift = self.shift(self.embedding(codes, nodes).sum(dim=1))[:, None]
        shift = shift + self.mark(self.embedding.marks(codes, LIGAND, atom_mask))
        if not self.residue_pointers:
            return CodeEffect(shift[atom_mask])
        return CodeEffect(shift[atom_mask], *self._virtual_nodes(context, codes, pos, pose_complex, atom_mask))

    def _virtual_nodes(
        self, context: CodeContext, codes: Sequence[Tensor], pos: Tensor, pose_complex: Tensor, atom_mask: Tensor
    ) -> tuple[Features, Edges]:
        """Features (P * K) of the virtual nodes, and their edges."""
        weights = [codes[i] for i in self.residue_pointers]
        residues = (context.residues.scalars, context.residues.vectors, context.nodes.residue_pos)
        scalars, vectors, centers = (
            torch.stack([gather_nodes(each, values[pose_complex]) for each in weights], dim=1) for values in residues
        )  # (P, K, ...)
        presence = torch.stack([1 - absence(each) for each in weights], dim=1).to(pos.dtype)
        pose, atom = atom_mask.nonzero(as_tuple=True)
        vec = pos[pose, atom][:, None] - centers[pose]  # (atoms, K, 3)
        distance = (vec.square().sum(dim=-1) + 1e-8).sqrt()
        num_codes = len(weights)
        number = torch.arange(num_codes, device=pos.device)
        pointed = [codes[i][pose, atom] for i in self.atom_pointers]
        attr = torch.cat(
            [
                self.basis(distance.flatten()),
                torch.eye(num_codes, dtype=pos.dtype, device=pos.device).repeat(len(pose), 1),
                *(each.to(pos.dtype).repeat_interleave(num_codes)[:, None] for each in pointed),
            ],
            dim=-1,
        )
        edges = Edges(
            target=flat_index(atom_mask)[pose, atom].repeat_interleave(num_codes),
            source=(pose[:, None] * num_codes + number).flatten(),
            unit_vec=(vec / distance[..., None]).flatten(0, 1),
            attr=attr,
            envelope=presence[pose].flatten(),
        )
        return Features(scalars.flatten(0, 1), vectors.flatten(0, 1)), edges


def zeroed(linear: nn.Linear) -> nn.Linear:
    """A linear map that begins as zero."""
    nn.init.zeros_(linear.weight)
    return linear
