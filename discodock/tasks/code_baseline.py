"""What a prior has to beat: how often codes choose each category of node, whatever the complex."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from discodock import schema
from discodock.data.batch import ComplexBatch
from discodock.latents import categorical
from discodock.latents.registry import CodeLayout
from discodock.latents.space import CodeSpace
from discodock.models.code_nodes import COMPLEX, LIGAND, RESIDUES, code_nodes

NUM_DEGREES = schema.LIGAND_ATOM_FEATURES["degree"]
NUM_ATOM_CATEGORIES = len(schema.ELEMENTS) * NUM_DEGREES


@dataclass(frozen=True)
class NodeKinds:
    """What the nodes of B complexes are that pointers choose among.

    Attributes:
        elements: elements of ligand atoms, an index into `schema.ELEMENTS`, int64, shape (B, L).
        residue_types: an index into `schema.RESIDUE_TYPES`, int64, shape (B, N).
    """

    elements: Tensor
    residue_types: Tensor

    def of(self, nodes: str) -> Tensor:
        """Kinds of the nodes of one set; in sets of both, residues count on from the elements."""
        if nodes == COMPLEX:
            return torch.cat([self.elements, len(schema.ELEMENTS) + self.residue_types], dim=1)
        return self.elements if nodes == LIGAND else self.residue_types

    @staticmethod
    def number(nodes: str) -> int:
        """How many kinds there are in a set of nodes."""
        num_elements, num_types = len(schema.ELEMENTS), len(schema.RESIDUE_TYPES)
        return {COMPLEX: num_elements + num_types, LIGAND: num_elements}.get(nodes, num_types)


def node_kinds(batch: ComplexBatch) -> NodeKinds:
    """Read them off a batch; residues in the order of `code_nodes`."""
    nodes = code_nodes(batch.receptor, batch.ligand)
    residue_type = torch.zeros_like(nodes.residue_idx).flatten()
    residue_type[nodes.atom_residue] = batch.receptor.residue_type[batch.receptor.mask]
    return NodeKinds(batch.ligand.atom_feat[..., 0], residue_type.view_as(nodes.residue_idx))


class CategoryBaseline(nn.Module):
    """Marginal distribution of the codes: p(node) ~ times its category was chosen / times it was there to choose.

    Categories are element and number of neighbours of a ligand atom, type of a residue, entry of a codebook; codes that
    point at atoms and residues have both. The counts are buffers, so that they travel with a run.
    """

    chosen: Tensor
    present: Tensor

    def __init__(self, layout: CodeLayout) -> None:
        super().__init__()
        self.layout = layout
        shape = (layout.num_codes, max(_num_categories(space) for space in layout.spaces))
        self.register_buffer("chosen", torch.full(shape, 0.1))  # a little for what was never seen
        self.register_buffer("present", torch.ones(shape))

    @torch.no_grad()
    def count(
        self, batch: ComplexBatch, pose_complex: Tensor, probs: Sequence[Tensor], masks: Sequence[Tensor]
    ) -> None:
        """Add the encoder's distributions, shape (P, N_i) of every code, over the entries that exist."""
        for index, (category, mask, each) in enumerate(self._rows(batch, pose_complex, probs, masks)):
            self.chosen[index].scatter_add_(0, category.flatten(), each.flatten().to(self.chosen))
            self.present[index].scatter_add_(0, category.flatten(), mask.flatten().to(self.present))

    def cross_entropy(
        self, batch: ComplexBatch, pose_complex: Tensor, probs: Sequence[Tensor], masks: Sequence[Tensor]
    ) -> Tensor:
        """Of the counted frequencies against the encoder's distributions, nats, shape (P, num_codes)."""
        rates = (self.chosen / self.present).log()
        rows = enumerate(self._rows(batch, pose_complex, probs, masks))
        found = [categorical.cross_entropy(rates[i][category], mask, each) for i, (category, mask, each) in rows]
        return torch.stack(found, dim=1)

    def _rows(
        self, batch: ComplexBatch, pose_complex: Tensor, probs: Sequence[Tensor], masks: Sequence[Tensor]
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Category and mask of every entry (P, N_i), and its probability."""
        kinds = node_kinds(batch)
        atoms = (kinds.elements * NUM_DEGREES + batch.ligand.atom_feat[..., 1])[pose_complex]
        residues = kinds.residue_types[pose_complex]

        by_set = {LIGAND: atoms, RESIDUES: residues, COMPLEX: torch.cat([atoms, NUM_ATOM_CATEGORIES + residues], dim=1)}

        def category(space: CodeSpace, each: Tensor) -> Tensor:
            if space.node_set is None:
                return torch.arange(each.shape[1], device=each.device).expand_as(each)
            return by_set[space.node_set]

        rows = zip(self.layout.spaces, masks, probs, strict=True)
        return [(category(space, each), mask.expand(each.shape), each) for space, mask, each in rows]


def _num_categories(space: CodeSpace) -> int:
    num_types = len(schema.RESIDUE_TYPES)
    if space.node_set == COMPLEX:
        return NUM_ATOM_CATEGORIES + num_types
    return max(space.num_entries or 0, NUM_ATOM_CATEGORIES, num_types)
