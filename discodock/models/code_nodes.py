"""The nodes that pointer codes choose among, in a batch of receptor crops: ligand atoms and receptor residues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.latents.registry import CodeLayout
from discodock.latents.space import CodeSpace
from discodock.nn.features import Features
from discodock.nn.scatter import scatter_mean

LIGAND: Final = "ligand"
"""Set of nodes: the heavy atoms of the ligand, L of them."""

RESIDUES: Final = "residues"
"""Set of nodes: the residues with an atom in the crop, N of them, in the order of their numbers."""

COMPLEX: Final = "complex"
"""Set of nodes: the ligand's L heavy atoms, then the N residues; for the residue-level networks of DisCo-DiffDock."""


@dataclass(frozen=True)
class CodeNodes:
    """Nodes of B complexes by set.

    Attributes:
        masks: real nodes of each set, bool, shapes (B, L) and (B, N).
        residue_pos: centroid of a residue's atoms in the crop, Å, zero in the padding, shape (B, N, 3).
        residue_idx: number of each residue in its complex, -1 in the padding, int64, shape (B, N).
        atom_residue: row in (B * N) of every real receptor atom, laid end to end, int64.
    """

    masks: dict[str, Tensor]
    residue_pos: Tensor
    residue_idx: Tensor
    atom_residue: Tensor

    def pool(self, atoms: Features) -> Features:
        """Mean over the atoms of each residue, padding zero, shapes (B, N, S) and (B, N, 3, V)."""
        shape = self.residue_idx.shape
        scalars, vectors = (
            scatter_mean(each, self.atom_residue, shape.numel()).view(*shape, *each.shape[1:])
            for each in (atoms.scalars, atoms.vectors)
        )
        return Features(scalars, vectors)


def code_nodes(receptor: ReceptorGraph, ligand: LigandGraph) -> CodeNodes:
    """Find the residues of every crop; the order of the receptor's atoms does not matter."""
    past_all = torch.iinfo(torch.int64).max
    numbers, order = torch.where(receptor.mask, receptor.residue_idx, past_all).sort(dim=1)
    is_new = torch.ones_like(receptor.mask)
    is_new[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
    row = torch.empty_like(order).scatter_(1, order, is_new.cumsum(1) - 1)  # (B, R): its residue, counted from 0
    num_residues = torch.where(receptor.mask, row + 1, 0).amax(dim=1)
    mask = torch.arange(int(num_residues.max()), device=row.device) < num_residues[:, None]
    offset = torch.arange(len(row), device=row.device)[:, None] * mask.shape[1]
    atom_residue = (row + offset)[receptor.mask]
    pos = scatter_mean(receptor.pos[receptor.mask], atom_residue, mask.numel())
    idx = torch.full((mask.numel(),), -1, dtype=torch.int64, device=row.device)
    idx[atom_residue] = receptor.residue_idx[receptor.mask]
    masks = {LIGAND: ligand.topology.atom_mask, RESIDUES: mask}
    return CodeNodes(masks, pos.view(*mask.shape, 3), idx.view(mask.shape), atom_residue)


def pointers_into(layout: CodeLayout, nodes: str) -> list[int]:
    """Numbers of the codes that choose among the nodes of a set."""
    return [i for i, space in enumerate(layout.spaces) if space.node_set == nodes]


def first_residue(space: CodeSpace, num_atoms: int) -> int | None:
    """The entry of a code that is the first residue, with so many ligand atoms; None if it points at no residues."""
    return None if space.node_set is None else {RESIDUES: 0, COMPLEX: num_atoms}.get(space.node_set)


def check_layout(layout: CodeLayout, known: tuple[str, ...] = (LIGAND, RESIDUES)) -> None:
    """Refuse pointers into sets of nodes that a docking network does not have.

    Raises:
        ValueError: names the set and the known ones.
    """
    for space in layout.spaces:
        if space.node_set is not None and space.node_set not in known:
            names = " and ".join(map(repr, known))
            raise ValueError(f"a code points into the nodes {space.node_set!r}; there are {names}")
