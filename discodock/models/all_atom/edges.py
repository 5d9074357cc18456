"""Edges of ligand poses: within the ligand, and from the receptor."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from discodock import schema
from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.nn.convolution import Edges
from discodock.nn.interaction import make_edges
from discodock.nn.neighbors import flat_index, radius_pairs
from discodock.nn.radial import GaussianBasis

NUM_PAIR_ATTR = schema.MAX_HOPS + 1 + len(schema.BOND_TYPES) + 1
"""Attributes of a ligand-ligand edge beside its length: hops and bond type."""


def ligand_edges(ligand: LigandGraph, pos: Tensor, pose_complex: Tensor, basis: GaussianBasis, cutoff: float) -> Edges:
    """Ligand-ligand edges of P poses (P, L, 3), which know the bond and the number of bonds between their ends."""
    mask = ligand.topology.atom_mask[pose_complex]
    pairs = radius_pairs(pos, mask, pos, mask, cutoff, is_self=True)
    pair_complex = pose_complex[pairs.sample]
    hops = ligand.hops[pair_complex, pairs.target, pairs.source]
    bond_type = ligand.bond_type[pair_complex, pairs.target, pairs.source]
    attr = torch.cat(
        [
            nn.functional.one_hot(hops, schema.MAX_HOPS + 1),
            nn.functional.one_hot(bond_type, len(schema.BOND_TYPES) + 1),
        ],
        dim=-1,
    )
    index = flat_index(mask)
    target, source = index[pairs.sample, pairs.target], index[pairs.sample, pairs.source]
    return make_edges(target, source, pairs.vec, basis, cutoff, attr.to(pos.dtype))


def contact_edges(
    receptor: ReceptorGraph, mask: Tensor, pos: Tensor, pose_complex: Tensor, basis: GaussianBasis, cutoff: float
) -> Edges:
    """Edges from receptor atoms to the ligand atoms of P poses (P, L, 3) with mask (P, L)."""
    pairs = radius_pairs(pos, mask, receptor.pos[pose_complex], receptor.mask[pose_complex], cutoff, is_self=False)
    target = flat_index(mask)[pairs.sample, pairs.target]
    source = flat_index(receptor.mask)[pose_complex[pairs.sample], pairs.source]
    return make_edges(target, source, pairs.vec, basis, cutoff, pos.new_zeros(target.shape[0], 0))


def reverse_edges(edges: Edges) -> Edges:
    """The same edges the other way round; the attributes must not depend on the direction."""
    return Edges(edges.source, edges.target, -edges.unit_vec, edges.attr, edges.envelope)
