"""Axes of chirality: hindered bonds between two rings (atropisomers) and allenes, whose hand RDKit does not label.

The hand is the sign of a dihedral: (neighbour, end, end, neighbour), of the neighbours at each end the one with the
smallest index. The molecule keeps it as a property of the axis' first atom, so that it survives copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem

HAND: Final = "_discodock_axis_hand"
"""Property of an atom at which an axis begins: 1 or -1."""

FLAT: Final = 0.1
"""Sine of a dihedral below which an axis shows no hand."""

SMALLEST_MACROCYCLE: Final = 8
"""Atoms of the smallest ring whose bonds may be axes."""

MOST_FLUORINES: Final = 1
"""Fluorines among the four substituents beside a hindered bond; with more, the rings slip past each other."""


@dataclass(frozen=True)
class Axis:
    """An axis of chirality.

    Attributes:
        ends: indices of the atoms at its ends, the smaller one first.
        sides: index of the neighbour at each end by which the hand is told.
        is_in_ring: whether no rotation about it can change its hand.
    """

    ends: tuple[int, int]
    sides: tuple[int, int]
    is_in_ring: bool

    @property
    def label(self) -> str:
        """The axis in messages, atoms counted from 1."""
        return f"axis {self.ends[0] + 1}-{self.ends[1] + 1}"

    def dihedral(self, pos: np.ndarray) -> float:
        """Dihedral of the axis in rad; `pos` in Å, shape (atoms, 3)."""
        first, begin, end, last = pos[[self.sides[0], *self.ends, self.sides[1]]]
        axis = (end - begin) / np.linalg.norm(end - begin)
        before, after = np.cross(axis, first - begin), np.cross(axis, last - end)
        return float(np.arctan2(np.cross(before, after) @ axis, before @ after))

    def hand(self, pos: np.ndarray) -> int:
        """1 or -1, 0 where the axis is flat; `pos` in Å, shape (atoms, 3)."""
        sine = np.sin(self.dihedral(pos))
        return 0 if abs(sine) < FLAT else int(np.sign(sine))


def find_axes(mol: Chem.Mol) -> list[Axis]:
    """Axes of a molecule that have two hands, whether these are known or not.

    A bond between two flat rings counts if all four atoms beside it bear substituents, at most one of them fluorine
    (such atropisomers are stable for years: LaPlante et al. 2011, doi 10.1021/jm200584g), and an allene always. Either
    end must have two different sides.
    """
    ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=False))
    return [*_hindered_bonds(mol, ranks), *_allenes(mol, ranks)]


def label_axes(mol: Chem.Mol) -> None:
    """Write down the hand that a molecule's 3-D conformer shows for each axis, in place."""
    pos = mol.GetConformer().GetPositions()
    for axis in find_axes(mol):
        if hand := axis.hand(pos):
            mol.GetAtomWithIdx(axis.ends[0]).SetIntProp(HAND, hand)


def known_hands(mol: Chem.Mol) -> list[tuple[Axis, int]]:
    """Axes whose hand is written down, with it; indices are those of the molecule, with or without hydrogens."""
    if not any(atom.HasProp(HAND) for atom in mol.GetAtoms()):
        return []
    atoms = [(axis, mol.GetAtomWithIdx(axis.ends[0])) for axis in find_axes(mol)]
    return [(axis, atom.GetIntProp(HAND)) for axis, atom in atoms if atom.HasProp(HAND)]


def open_axes(mol: Chem.Mol) -> tuple[str, ...]:
    """Axes whose hand nobody has said, as 'axis 5-12', atoms counted from 1."""
    axes = find_axes(mol)
    return tuple(axis.label for axis in axes if not mol.GetAtomWithIdx(axis.ends[0]).HasProp(HAND))


def turned_axis(mol: Chem.Mol, pos: np.ndarray) -> Axis | None:
    """The first axis that shows another hand in a pose than the molecule has.

    Args:
        mol: molecule with its hands written down.
        pos: positions of all its atoms in the pose, Å, shape (atoms, 3).
    """
    return next((axis for axis, hand in known_hands(mol) if axis.hand(pos) != hand), None)


def with_known_hands(mol: Chem.Mol, pos: np.ndarray) -> np.ndarray:
    """Conformers with every axis of the wrong hand turned to the mirror image of its dihedral.

    Args:
        mol: molecule with its hands written down.
        pos: conformers, Å, shape (C, atoms, 3).
    """
    turned = pos.copy()
    for axis, hand in known_hands(mol):
        moving = _far_side(mol, axis)
        for conformer in turned if not axis.is_in_ring else ():
            if axis.hand(conformer) == -hand:
                conformer[moving] = _rotated(
                    conformer[moving], conformer[list(axis.ends)], -2 * axis.dihedral(conformer)
                )
    return turned


def _hindered_bonds(mol: Chem.Mol, ranks: list[int]) -> Iterator[Axis]:
    rings = mol.GetRingInfo()
    for bond in mol.GetBonds():
        size = rings.MinBondRingSize(bond.GetIdx())
        if bond.GetBondType() != Chem.BondType.SINGLE or 0 < size < SMALLEST_MACROCYCLE:
            continue
        ends = sorted((bond.GetBeginAtom(), bond.GetEndAtom()), key=lambda atom: atom.GetIdx())
        beside = [_ring_neighbors(end, other) for end, other in zip(ends, reversed(ends), strict=True)]
        if not all(len(pair) == 2 and ranks[pair[0].GetIdx()] != ranks[pair[1].GetIdx()] for pair in beside):
            continue
        crowding = [_substituent(atom, end) for end, pair in zip(ends, beside, strict=True) for atom in pair]
        if None not in crowding and crowding.count("F") <= MOST_FLUORINES:
            first, second = (min(atom.GetIdx() for atom in pair) for pair in beside)
            yield Axis((ends[0].GetIdx(), ends[1].GetIdx()), (first, second), size > 0)


def _ring_neighbors(end: Chem.Atom, other: Chem.Atom) -> list[Chem.Atom]:
    """The two neighbours of a flat atom within its ring, beside a bond to another atom; none of other atoms."""
    if end.GetHybridization() != Chem.HybridizationType.SP2 or end.GetDegree() != 3:
        return []
    info, idx = end.GetOwningMol().GetRingInfo(), end.GetIdx()
    near = [atom for atom in end.GetNeighbors() if atom.GetIdx() != other.GetIdx()]
    is_in_ring = any({idx, near[0].GetIdx(), near[1].GetIdx()} <= set(ring) for ring in info.AtomRings())
    return near if is_in_ring else []


def _substituent(atom: Chem.Atom, end: Chem.Atom) -> str | None:
    """Element of the heavy atom that a ring atom bears besides its ring; None if it bears none."""
    info = atom.GetOwningMol().GetRingInfo()
    rings = [set(ring) for ring in info.AtomRings() if atom.GetIdx() in ring and end.GetIdx() in ring]
    outside = [
        other
        for other in atom.GetNeighbors()
        if other.GetAtomicNum() > 1 and any(other.GetIdx() not in ring for ring in rings)
    ]
    return outside[0].GetSymbol() if outside else None


def _allenes(mol: Chem.Mol, ranks: list[int]) -> Iterator[Axis]:
    for centre in mol.GetAtoms():
        bonds = centre.GetBonds()
        is_allene = len(bonds) == 2 and all(bond.GetBondType() == Chem.BondType.DOUBLE for bond in bonds)
        ends = sorted((bond.GetOtherAtom(centre) for bond in bonds), key=lambda atom: atom.GetIdx())
        if not is_allene or any(atom.GetAtomicNum() != 6 for atom in (centre, *ends)):
            continue
        beside = [
            [n for n in end.GetNeighbors() if n.GetAtomicNum() > 1 and n.GetIdx() != centre.GetIdx()] for end in ends
        ]
        if all(pair and len({ranks[atom.GetIdx()] for atom in pair}) == len(pair) for pair in beside):
            first, second = (min(atom.GetIdx() for atom in pair) for pair in beside)
            yield Axis((ends[0].GetIdx(), ends[1].GetIdx()), (first, second), centre.IsInRing())


def _far_side(mol: Chem.Mol, axis: Axis) -> list[int]:
    """Atoms beyond an axis' second end, that end included."""
    path = set(Chem.GetShortestPath(mol, *axis.ends)) - {axis.ends[1]}
    seen, stack = {axis.ends[1]}, [axis.ends[1]]
    while stack:
        for neighbor in mol.GetAtomWithIdx(stack.pop()).GetNeighbors():
            if neighbor.GetIdx() not in seen | path:
                seen.add(neighbor.GetIdx())
                stack.append(neighbor.GetIdx())
    return sorted(seen)


def _rotated(pos: np.ndarray, ends: np.ndarray, angle: float) -> np.ndarray:
    """Points turned about the axis through two others, right-handed, rad (Rodrigues)."""
    axis = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    vec = pos - ends[1]
    along = np.outer(vec @ axis, axis)
    turned = along + np.cos(angle) * (vec - along) + np.sin(angle) * np.cross(axis, vec)
    return np.asarray(ends[1] + turned)
