"""From prepared complexes to the padded tensors the networks and the pose process work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from discodock.geometry.topology import LigandTopology

Arrays = dict[str, np.ndarray]
T = TypeVar("T")


@dataclass(frozen=True)
class ComplexBatch:
    """B complexes, each in the frame of its own site (`discodock.data.crop`), padded.

    Attributes:
        receptor: fields of `graphs.ReceptorGraph` by name, shapes (B, R, ...).
        ligand: fields of `graphs.LigandGraph` by name but the topology, shapes (B, L, ...).
        topology: padding masks and rotatable bonds of the ligands.
        ligand_pos: reference poses, Å, shape (B, L, 3).
        conformer_pos: conformers, Å; a complex with fewer repeats its own, shape (B, C, L, 3).
        automorphisms: symmetry permutations of the atoms, repeated likewise, int64, shape (B, S, L).
    """

    receptor: dict[str, Tensor]
    ligand: dict[str, Tensor]
    topology: LigandTopology
    ligand_pos: Tensor
    conformer_pos: Tensor
    automorphisms: Tensor

    def to(self, device: torch.device | str) -> ComplexBatch:
        """A copy on `device`."""
        return move_tensors(self, device)


def collate(complexes: Sequence[Arrays]) -> ComplexBatch:
    """Pad and stack cropped complexes (`discodock.schema.FIELDS`)."""
    receptor = collate_receptors(complexes)
    ligand, topology = collate_ligands(complexes)
    return ComplexBatch(
        receptor,
        ligand,
        topology,
        ligand_pos=pad([c["ligand_pos"] for c in complexes]),
        conformer_pos=pad(_repeat_to_longest([c["ligand_conformer_pos"] for c in complexes])),
        automorphisms=pad(_repeat_to_longest([c["ligand_automorphisms"] for c in complexes])),
    )


def collate_receptors(complexes: Sequence[Arrays]) -> dict[str, Tensor]:
    """Fields of `graphs.ReceptorGraph` by name, shapes (B, R, ...), and embeddings of residues where given."""
    receptor = {
        name: pad([c[f"receptor_{name}"] for c in complexes])
        for name in ("pos", "element", "residue_type", "atom_name", "residue_idx")
    }
    if "residue_embedding" in complexes[0]:
        receptor["residue_embedding"] = pad([c["residue_embedding"] for c in complexes])
    return receptor | {"mask": pad([np.ones(len(c["receptor_pos"]), dtype=bool) for c in complexes])}


def collate_ligands(complexes: Sequence[Arrays]) -> tuple[dict[str, Tensor], LigandTopology]:
    """Fields of `graphs.LigandGraph` by name, shapes (B, L, ...), and its topology."""
    ligand = {
        "atom_feat": pad([c["ligand_atom_feat"] for c in complexes]),
        "bond_type": pad([_bond_matrix(c) for c in complexes]),
        "hops": pad([c["ligand_hops"] for c in complexes]),
    }
    topology = LigandTopology(
        atom_mask=pad([np.ones(len(c["ligand_atom_feat"]), dtype=bool) for c in complexes]),
        tor_bond=pad([c["ligand_tor_bond"] for c in complexes]),
        tor_mask=pad([np.ones(len(c["ligand_tor_bond"]), dtype=bool) for c in complexes]),
        mask_rotate=pad([c["ligand_mask_rotate"] for c in complexes]),
    )
    return ligand, topology


def pad(arrays: Sequence[np.ndarray]) -> Tensor:
    """Stack arrays of one rank and any sizes, padding with zeros at the end of every axis; integers become int64."""
    shape = np.max([a.shape for a in arrays], axis=0)
    dtype = torch.int64 if np.issubdtype(arrays[0].dtype, np.integer) else torch.from_numpy(arrays[0]).dtype
    out = torch.zeros(len(arrays), *shape.tolist(), dtype=dtype)
    for row, array in zip(out, arrays, strict=True):
        row[tuple(slice(n) for n in array.shape)] = torch.from_numpy(np.ascontiguousarray(array)).to(dtype)
    return out


def move_tensors(tree: T, device: torch.device | str) -> T:
    """Copy a frozen dataclass or mapping of tensors, however nested, to `device`."""
    moved: Any
    if isinstance(tree, Tensor):
        moved = tree.to(device, non_blocking=True)
    elif isinstance(tree, dict):
        moved = {key: move_tensors(value, device) for key, value in tree.items()}
    elif is_dataclass(tree) and not isinstance(tree, type):
        moved = type(tree)(**{f.name: move_tensors(getattr(tree, f.name), device) for f in fields(tree)})
    else:
        moved = tree
    return moved


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
