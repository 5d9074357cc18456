"""MMFF94 parameters of a ligand out of RDKit, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers

from discodock.chem.ligand import heavy_molecule

LINEAR_TYPES: Final = (4, 53, 61)
"""MMFF94 atom types whose two bonds are in line: acetylenic and allenic carbon, azide and diazo nitrogen."""

CLOSE_SCALE: Final = 0.75
"""Of the electrostatics between atoms three bonds apart."""


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
    full = with_hydrogens(heavy_molecule(mol), poses)
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


def mmff_arrays(full: Chem.Mol) -> dict[str, np.ndarray] | None:
    """All MMFF94 terms of a molecule with its hydrogens; lengths in Å, energies in kcal/mol in Halgren's units.

    Args:
        full: molecule with explicit hydrogens, N atoms.

    Returns:
        None if MMFF94 does not know an atom; else pairs of `<term>_index` (atoms, int64) and `<term>_value`:
        `bond` (i, j): force constant, length; `angle` (i, j, k): force constant, degrees, whether linear;
        `stretch_bend` (i, j, k): two force constants, the lengths i-j and k-j, degrees; `out_of_plane` (i, centre, k,
        l), l off the plane of the others: force constant; `torsion` (i, j, k, l): V1, V2, V3; `nonbonded` (i, j):
        R*, epsilon, and the product of charges, less for atoms three bonds apart. `atom_value` (N, 3): R*, epsilon and
        charge of each atom by itself.
    """
    with rdBase.BlockLogs():
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(full)
    if properties is None:
        return None
    bonded = {
        "bond": _bond_terms(full, properties),
        "angle": _angle_terms(full, properties),
        "stretch_bend": _stretch_bend_terms(full, properties),
        "out_of_plane": _out_of_plane_terms(full, properties),
        "torsion": _all_torsion_terms(full, properties),
        "nonbonded": _nonbonded_terms(full, properties),
    }
    widths = {"bond": (2, 2), "angle": (3, 3), "stretch_bend": (3, 5), "out_of_plane": (4, 1), "torsion": (4, 3)}
    arrays = {"atom_value": np.array([_atom_value(full, properties, atom) for atom in range(full.GetNumAtoms())])}
    for name, terms in bonded.items():
        atoms, values = widths.get(name, (2, 3))
        arrays[f"{name}_index"] = np.array([index for index, _ in terms], dtype=np.int64).reshape(-1, atoms)
        arrays[f"{name}_value"] = np.array([value for _, value in terms], dtype=np.float64).reshape(-1, values)
    return arrays


def metal_binders(full: Chem.Mol) -> np.ndarray:
    """Which atoms of a molecule with all its hydrogens have a lone pair for metals, bool: O, S, N that is not N+."""
    return np.array([_binds_metal(atom) for atom in full.GetAtoms()])


def _binds_metal(atom: Chem.Atom) -> bool:
    if atom.GetSymbol() == "N":
        return bool(atom.GetFormalCharge() <= 0 and atom.GetDegree() < 4)
    return atom.GetSymbol() in ("O", "S")


_Terms = list[tuple[tuple[int, ...], tuple[float, ...]]]


def _bond_terms(mol: Chem.Mol, properties: Any) -> _Terms:
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    found = [(pair, properties.GetMMFFBondStretchParams(mol, *pair)) for pair in ends]
    return [(pair, (value[1], value[2])) for pair, value in found if value is not None]


def _bends(mol: Chem.Mol) -> list[tuple[int, int, int]]:
    return [
        (first, atom.GetIdx(), last)
        for atom in mol.GetAtoms()
        for first, last in combinations([n.GetIdx() for n in atom.GetNeighbors()], 2)
    ]


def _angle_terms(mol: Chem.Mol, properties: Any) -> _Terms:
    terms: _Terms = []
    for bend in _bends(mol):
        found = properties.GetMMFFAngleBendParams(mol, *bend)
        if found is not None:
            terms.append((bend, (found[1], found[2], float(_is_linear(properties, bend[1])))))
    return terms


def _stretch_bend_terms(mol: Chem.Mol, properties: Any) -> _Terms:
    terms: _Terms = []
    for i, j, k in _bends(mol):
        found = None if _is_linear(properties, j) else properties.GetMMFFStretchBendParams(mol, i, j, k)
        angle = properties.GetMMFFAngleBendParams(mol, i, j, k)
        first, last = (properties.GetMMFFBondStretchParams(mol, end, j) for end in (i, k))
        if found is not None and angle is not None and first is not None and last is not None:
            terms.append(((i, j, k), (found[1], found[2], first[2], last[2], angle[2])))
    return terms


def _out_of_plane_terms(mol: Chem.Mol, properties: Any) -> _Terms:
    terms: _Terms = []
    for atom in mol.GetAtoms():
        if atom.GetDegree() == 3:
            near, centre = [n.GetIdx() for n in atom.GetNeighbors()], atom.GetIdx()
            force = properties.GetMMFFOopBendParams(mol, near[0], centre, near[1], near[2])
            for lifted in near if force is not None else ():
                i, k = (index for index in near if index != lifted)
                terms.append(((i, centre, k, lifted), (force,)))
    return terms


def _all_torsion_terms(mol: Chem.Mol, properties: Any) -> _Terms:
    terms: _Terms = []
    for bond in mol.GetBonds():
        j, k = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        for i in _neighbors(mol, j, k):
            for last in _neighbors(mol, k, j):
                found = properties.GetMMFFTorsionParams(mol, i, j, k, last) if i != last else None
                if found is not None and any(found[1:]):
                    terms.append(((i, j, k, last), tuple(found[1:])))
    return terms


def _nonbonded_terms(mol: Chem.Mol, properties: Any) -> _Terms:
    hops = Chem.GetDistanceMatrix(mol)
    charges = [properties.GetMMFFPartialCharge(index) for index in range(mol.GetNumAtoms())]
    terms: _Terms = []
    for i, j in combinations(range(mol.GetNumAtoms()), 2):
        if hops[i, j] >= 3:
            _, _, length, depth = properties.GetMMFFVdWParams(i, j)
            scale = CLOSE_SCALE if hops[i, j] == 3 else 1.0
            terms.append(((i, j), (length, depth, scale * charges[i] * charges[j])))
    return terms


def _atom_value(mol: Chem.Mol, properties: Any, index: int) -> tuple[float, float, float]:
    length, depth, _, _ = properties.GetMMFFVdWParams(index, index)
    return length, depth, properties.GetMMFFPartialCharge(index)


def _is_linear(properties: Any, index: int) -> bool:
    return properties.GetMMFFAtomType(index) in LINEAR_TYPES


def with_hydrogens(heavy: Chem.Mol, poses: np.ndarray) -> Chem.Mol:
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
