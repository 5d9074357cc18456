"""Receptors as DiffDock sees them: one node per residue at its alpha carbon, edges to its nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from discodock import schema
from discodock.graphs import EmbeddedReceptorGraph, ReceptorGraph
from discodock.models.code_nodes import CodeNodes
from discodock.nn.neighbors import PairList, nearest_pairs
from discodock.nn.scatter import scatter_sum

_ALPHA_CARBON = schema.ATOM_NAMES.index("CA")


@dataclass(frozen=True)
class AlphaCarbonGraph:
    """Residues of B receptors, padded to N; those without an alpha carbon (metals, cofactors) are left out.

    Attributes:
        pos: alpha carbons, Å, zero in the padding, shape (B, N, 3).
        mask: true for residues with an alpha carbon, bool, shape (B, N).
        residue_type: index into `schema.RESIDUE_TYPES`, int64, shape (B, N).
        pairs: pairs of each residue and its nearest neighbours, as edges that end at it.
        embedding: embeddings by a protein language model, zero in the padding, shape (B, N, E); None if the receptors
            have none.
    """

    pos: Tensor
    mask: Tensor
    residue_type: Tensor
    pairs: PairList
    embedding: Tensor | None


def alpha_carbon_graph(
    receptor: ReceptorGraph, nodes: CodeNodes, *, max_neighbors: int, cutoff: float
) -> AlphaCarbonGraph:
    """Reduce B receptors to their residues.

    Args:
        receptor: heavy atoms.
        nodes: residues of the atoms, from `code_nodes`.
        max_neighbors: edges that end at a residue, at most.
        cutoff: longest edge, Å.
    """
    shape = nodes.residue_idx.shape
    is_alpha = (receptor.atom_name == _ALPHA_CARBON)[receptor.mask].to(receptor.pos.dtype)
    sums = scatter_sum(
        torch.cat([receptor.pos[receptor.mask] * is_alpha[:, None], is_alpha[:, None]], dim=-1),
        nodes.atom_residue,
        shape.numel(),
    ).view(*shape, 4)
    pos, mask = sums[..., :3] / sums[..., 3:].clamp(min=1), sums[..., 3] > 0
    residue_type = torch.zeros(shape.numel(), dtype=torch.int64, device=mask.device)
    residue_type[nodes.atom_residue] = receptor.residue_type[receptor.mask]
    embedding = None
    if isinstance(receptor, EmbeddedReceptorGraph):
        number = nodes.residue_idx.clamp(min=0)[..., None].expand(-1, -1, receptor.residue_embedding.shape[2])
        embedding = receptor.residue_embedding.gather(1, number) * mask[..., None]
    pairs = nearest_pairs(pos, mask, cutoff, max_neighbors)
    return AlphaCarbonGraph(pos, mask, residue_type.view(shape), pairs, embedding)


def repeat_pairs(pairs: PairList, chosen: Tensor, num_samples: int) -> PairList:
    """Pairs of chosen samples, one after the other: `sample` then counts the choices.

    Args:
        pairs: pairs of `num_samples` samples, sorted by sample.
        chosen: samples, any of them any number of times, int64, shape (P,).
        num_samples: number of samples, B.
    """
    count = torch.bincount(pairs.sample, minlength=num_samples)
    first = count.cumsum(0) - count
    copies = count[chosen]
    sample = torch.arange(len(chosen), device=chosen.device).repeat_interleave(copies)
    within = torch.arange(len(sample), device=chosen.device) - (copies.cumsum(0) - copies)[sample]
    which = first[chosen[sample]] + within
    return PairList(sample, pairs.target[which], pairs.source[which], pairs.vec[which])
