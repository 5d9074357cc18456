"""From prepared complexes to the padded tensors the networks and the pose process work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from discodock.geometry.topology import LigandTopology
from discodock.graphs import EmbeddedReceptorGraph, LigandGraph, ReceptorGraph
from discodock.tensors import TensorRecord

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ComplexBatch(TensorRecord):
    """B complexes, each in the frame of its own site (`discodock.data.crop`), padded.

    Attributes:
        receptor: the receptors, padded to R atoms.
        ligand: molecular graphs and rotatable bonds of the ligands, padded to L atoms.
        ligand_pos: reference poses, Å, shape (B, L, 3).
        conformer_pos: conformers, Å; a complex with fewer repeats its own, shape (B, C, L, 3).
        automorphisms: symmetry permutations of the atoms, repeated likewise, int64, shape (B, S, L).
    """

    receptor: ReceptorGraph
    ligand: LigandGraph
    ligand_pos: Tensor
    conformer_pos: Tensor
    automorphisms: Tensor


def collate(complexes: Sequence[Arrays]) -> ComplexBatch:
    """Pad and stack cropped complexes (`discodock.schema.FIELDS`)."""
    return ComplexBatch(
        collate_receptors(complexes),
        collate_ligands(complexes),
        ligand_pos=pad([c["ligand_pos"] for c in complexes]),
        conformer_pos=pad(_repeat_to_longest([c["ligand_conformer_pos"] for c in complexes])),
        automorphisms=pad(_repeat_to_longest([c["ligand_automorphisms"] for c in complexes])),
    )


def collate_receptors(complexes: Sequence[Arrays]) -> ReceptorGraph:
    """Pad and stack receptors; with embeddings of their residues where complexes have these."""
    names = ("pos", "element", "residue_type", "atom_name", "residue_idx")
    stacked = {name: pad([c[f"receptor_{name}"] for c in complexes]) for name in names}
    stacked["mask"] = pad([np.ones(len(c["receptor_pos"]), dtype=bool) for c in complexes])
    if "residue_embedding" not in complexes[0]:
        return ReceptorGraph(**stacked)
    return EmbeddedReceptorGraph(**stacked, residue_embedding=pad([c["residue_embedding"] for c in complexes]))


def collate_ligands(complexes: Sequence[Arrays]) -> LigandGraph:
    """Pad and stack the molecular graphs of ligands."""
    return LigandGraph(
        atom_feat=pad([c["ligand_atom_feat"] for c in complexes]),
        bond_type=pad([_bond_matrix(c) for c in complexes]),
        hops=pad([c["ligand_hops"] for c in complexes]),
        topology=LigandTopology(
            atom_mask=pad([np.ones(len(c["ligand_atom_feat"]), dtype=bool) for c in complexes]),
            tor_bond=pad([c["ligand_tor_bond"] for c in complexes]),
            tor_mask=pad([np.ones(len(c["ligand_tor_bond"]), dtype=bool) for c in complexes]),
            mask_rotate=pad([c["ligand_mask_rotate"] for c in complexes]),
        ),
    )


def repeat_complexes(batch: ComplexBatch, num_each: int) -> Tensor:
    """The complex of each pose, when every complex has `num_each` in a row, int64, shape (B * num_each,)."""
    num_complexes = batch.ligand_pos.shape[0]
    return torch.arange(num_complexes, device=batch.ligand_pos.device).repeat_interleave(num_each)


def pad(arrays: Sequence[np.ndarray]) -> Tensor:
    """Stack arrays of one rank and any sizes, padding with zeros at the end of every axis; integers become int64."""
    shape = np.max([a.shape for a in arrays], axis=0)
    dtype = torch.int64 if np.issubdtype(arrays[0].dtype, np.integer) else torch.from_numpy(arrays[0]).dtype
    out = torch.zeros(len(arrays), *shape.tolist(), dtype=dtype)
    for row, array in zip(out, arrays, strict=True):
        row[tuple(slice(n) for n in array.shape)] = torch.from_numpy(np.ascontiguousarray(array)).to(dtype)
    return out


def _bond_matrix(arrays: Arrays) -> np.ndarray:
    """1 + bond type for bonded pairs, 0 elsewhere, shape (L, L)."""
    num_atoms = len(arrays["ligand_atom_feat"])
    matrix = np.zeros((num_atoms, num_atoms), dtype=np.int64)
    matrix[tuple(arrays["ligand_bond_index"])] = arrays["ligand_bond_type"].astype(np.int64) + 1
    return matrix


def _repeat_to_longest(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Repeat the rows of each array in turn until all have as many as the longest."""
    longest = max(len(a) for a in arrays)
    return [a[np.arange(longest) % len(a)] for a in arrays]
