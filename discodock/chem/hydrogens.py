"""Explicit hydrogens of a ligand, carried along when its heavy atoms move."""

from __future__ import annotations

from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom

from discodock.chem.conformers import scaled_effort
from discodock.chem.ligand import LigandRecord, heavy_indices
from discodock.chem.stereo import with_positions
from discodock.geometry.superposition import superposing_rotation

EMBED_SEED = 0x5EED
EMBED_TRIES = 50


def place_hydrogens(record: LigandRecord, poses: np.ndarray) -> np.ndarray:
    """Add the input's explicit hydrogens to heavy-atom poses.

    Each heavy atom's hydrogens keep their place relative to its neighbours (for a terminal atom, also relative to the
    neighbours' neighbours), taken from the input's 3-D structure, or from an embedding if it has none. A pose that is
    the input moved rigidly gets exactly the input's hydrogens.

    Args:
        record: the ligand as read.
        poses: heavy-atom coordinates in the molecule's order, Å, shape (N, L, 3).

    Returns:
        Coordinates of all atoms in the molecule's order, Å, float64, shape (N, atoms, 3).
    """
    mol = record.mol
    poses = np.asarray(poses, dtype=np.float64)
    full = np.zeros((len(poses), mol.GetNumAtoms(), 3))
    full[:, heavy_indices(mol)] = poses
    hydrogens = _hydrogens_by_parent(mol)
    if not hydrogens:
        return full
    reference = mol.GetConformer().GetPositions() if record.has_3d else _embedded_positions(mol, full)
    for parent, attached in hydrogens.items():
        frame = _frame(mol.GetAtomWithIdx(parent))
        rotmat = _rotations(reference[frame] - reference[parent], full[:, frame] - full[:, [parent]])
        offsets = reference[attached] - reference[parent]
        full[:, attached] = full[:, [parent]] + offsets @ rotmat
    return full


def _hydrogens_by_parent(mol: Chem.Mol) -> dict[int, list[int]]:
    """Explicit hydrogens grouped by the heavy atom they sit on."""
    hydrogens: dict[int, list[int]] = {}
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 1:
            parent = next((n.GetIdx() for n in atom.GetNeighbors() if n.GetAtomicNum() > 1), None)
            if parent is not None:
                hydrogens.setdefault(parent, []).append(atom.GetIdx())
    return hydrogens


def _frame(parent: Chem.Atom) -> list[int]:
    """Heavy neighbours of an atom; with only one, its heavy neighbours too, which fix the turn about the bond."""
    near = [n for n in parent.GetNeighbors() if n.GetAtomicNum() > 1]
    frame = [n.GetIdx() for n in near]
    if len(near) == 1:
        frame += [n.GetIdx() for n in near[0].GetNeighbors() if n.GetAtomicNum() > 1 and n.GetIdx() != parent.GetIdx()]
    return frame


def _rotations(reference: np.ndarray, mobile: np.ndarray) -> np.ndarray:
    """Rotations (acting from the right) that turn reference vectors (K, 3) best onto each of (N, K, 3).

    Directions count, not lengths, so that an uneven bond length does not tilt the frame.
    """
    unit_reference = reference / np.maximum(np.linalg.norm(reference, axis=-1, keepdims=True), 1e-9)
    unit_mobile = mobile / np.maximum(np.linalg.norm(mobile, axis=-1, keepdims=True), 1e-9)
    return superposing_rotation(np.einsum("ki,nkj->nij", unit_reference, unit_mobile))


def _embedded_positions(mol: Chem.Mol, full: np.ndarray) -> np.ndarray:
    """A 3-D structure of the molecule with its hydrogens, for inputs without one, Å, shape (atoms, 3)."""
    copy = Chem.Mol(mol)
    params: Any = rdDistGeom.ETKDGv3()
    params.randomSeed = EMBED_SEED
    params.useRandomCoords = True
    with rdBase.BlockLogs():
        # implicit hydrogens come last, so that the first atoms are the molecule's own
        complete = Chem.AddHs(copy)
        params.maxIterations = scaled_effort(EMBED_TRIES, complete.GetNumAtoms())
        if rdDistGeom.EmbedMolecule(complete, params) == 0:
            return np.asarray(complete.GetConformer().GetPositions())[: mol.GetNumAtoms()]
        return _positions_by_rdkit(mol, full[0])


def _positions_by_rdkit(mol: Chem.Mol, pos: np.ndarray) -> np.ndarray:
    """Hydrogens set by RDKit's idealised geometry on the first pose; the way out when embedding fails."""
    pos = pos.copy()
    bare = Chem.RemoveAllHs(with_positions(mol, pos))
    grown = Chem.AddHs(bare, addCoords=True)
    grown_pos = grown.GetConformer().GetPositions()
    heavy = heavy_indices(mol)
    for parent, attached in _hydrogens_by_parent(mol).items():
        at = int(np.searchsorted(heavy, parent))
        placed = [n.GetIdx() for n in grown.GetAtomWithIdx(at).GetNeighbors() if n.GetIdx() >= len(heavy)]
        for target, source in zip(attached, placed, strict=False):
            pos[target] = grown_pos[source]
    return pos
