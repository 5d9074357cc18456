"""MMFF94 parameters of a ligand out of RDKit, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers

from discodock.chem.ligand import heavy_molecule


@dataclass(frozen=True)
class TorsionTerms:
    """MMFF94 torsion terms across the rotatable bonds of P poses.

    Each is (V1 (1 + cos a) + V2 (1 - cos 2a) + V3 (1 + cos 3a)) / 2 of its dihedral a.

    Attributes:
        bond: rotatable bond of each of Q terms, int64, shape (Q,).
        barrier: V1, V2, V3 in kcal/mol, shape (Q, 3).
        corners: the four atoms of each term in each pose, hydrogens among them, Å, shape (P, Q, 4, 3).
    """

    bond: np.ndarray
    barrier: np.ndarray
    corners: np.ndarray


def torsion_terms(mol: Chem.Mol, tor_bond: np.ndarray, poses: np.ndarray) -> TorsionTerms | None:
    """The torsion terms that rotatable bonds change; hydrogens are put where the heavy atoms of each pose want them.

    Args:
        mol: the ligand, L heavy atoms; its own coordinates are not used.
        tor_bond: the two atoms of each rotatable bond, among the heavy ones, shape (T, 2).
        poses: heavy atoms, Å, shape (P, L, 3).

    Returns:
        The terms, or None if MMFF94 does not know an atom of the ligand.
    """
    full = _with_hydrogens(heavy_molecule(mol), poses)
    with rdBase.BlockLogs():
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(full)
    if properties is None:
        return None
    bonds, barriers, quads = [], [], []
    for number, (fixed, moving) in enumerate(tor_bond.tolist()):
        for first in _neighbors(full, fixed, moving):
            for last in _neighbors(full, moving, fixed):
                found = properties.GetMMFFTorsionParams(full, first, fixed, moving, last) if first != last else None
                if found is not None and any(found[1:]):
                    bonds.append(number)
                    barriers.append(found[1:])
                    quads.append((first, fixed, moving, last))
    pos = np.stack([conformer.GetPositions() for conformer in full.GetConformers()])
    index = np.array(quads, dtype=np.int64).reshape(-1, 4)
    return TorsionTerms(np.array(bonds, dtype=np.int64), np.array(barriers).reshape(-1, 3), pos[:, index])


def _with_hydrogens(heavy: Chem.Mol, poses: np.ndarray) -> Chem.Mol:
    """The molecule with all hydrogens and one conformer per pose (P, L, 3)."""
    posed = Chem.Mol(heavy)
    for pos in poses:
        conformer = Chem.Conformer(heavy.GetNumAtoms())
        conformer.SetPositions(np.ascontiguousarray(pos, dtype=np.float64))
        posed.AddConformer(conformer, assignId=True)
    with rdBase.BlockLogs():
        return Chem.AddHs(posed, addCoords=True)


def _neighbors(mol: Chem.Mol, index: int, other: int) -> list[int]:
    return [n.GetIdx() for n in mol.GetAtomWithIdx(index).GetNeighbors() if n.GetIdx() != other]
