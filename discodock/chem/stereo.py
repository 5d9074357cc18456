"""Stereochemistry: what a 3-D structure shows, what a molecule leaves open, and whether the two agree."""

from __future__ import annotations

import numpy as np
from rdkit import Chem, rdBase


def with_positions(mol: Chem.Mol, pos: np.ndarray) -> Chem.Mol:
    """A copy of the molecule with one 3-D conformer, coordinates in Å, shape (atoms, 3)."""
    copy = Chem.Mol(mol, confId=-2)  # no conformer has id -2: none is copied
    copy.RemoveAllConformers()
    conformer = Chem.Conformer(mol.GetNumAtoms())
    conformer.Set3D(True)
    conformer.SetPositions(np.ascontiguousarray(pos, dtype=np.float64))
    copy.AddConformer(conformer, assignId=True)
    return copy


def perceived_stereo(reference: Chem.Mol, mol: Chem.Mol) -> str:
    """Isomeric SMILES of `mol` with the stereo of its 3-D conformer, at the centres that `reference` defines.

    Centres that the reference leaves open may have any hand in a pose, so they are cleared.

    Args:
        reference: molecule with stereo labels, same atom and bond order as `mol`.
        mol: molecule with a 3-D conformer.
    """
    shown = Chem.Mol(mol)
    with rdBase.BlockLogs():
        Chem.AssignStereochemistryFrom3D(shown, replaceExistingTags=True)
    for atom, wanted in zip(shown.GetAtoms(), reference.GetAtoms(), strict=True):
        if wanted.GetChiralTag() == Chem.ChiralType.CHI_UNSPECIFIED:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    for bond, wanted in zip(shown.GetBonds(), reference.GetBonds(), strict=True):
        if wanted.GetStereo() in (Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY):
            bond.SetStereo(Chem.BondStereo.STEREONONE)
    return labelled_stereo(shown)


def labelled_stereo(mol: Chem.Mol) -> str:
    """Canonical isomeric SMILES of the molecule's own stereo labels."""
    return str(Chem.MolToSmiles(Chem.Mol(mol), isomericSmiles=True))


def undefined_stereo(mol: Chem.Mol) -> tuple[str, ...]:
    """Stereocentres and double bonds that the molecule leaves open, as 'atom 5 (C)' or 'bond 3=4', counted from 1."""
    found = []
    for info in Chem.FindPotentialStereo(Chem.Mol(mol), cleanIt=False):
        if info.specified == Chem.StereoSpecified.Specified:
            continue
        if info.type == Chem.StereoType.Atom_Tetrahedral:
            if mol.GetAtomWithIdx(info.centeredOn).GetAtomicNum() == 7:
                continue  # bridgehead amines follow their ring
            found.append(f"atom {info.centeredOn + 1} ({mol.GetAtomWithIdx(info.centeredOn).GetSymbol()})")
        elif info.type == Chem.StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(info.centeredOn)
            if _is_bare_imine(bond) or _is_cumulated(bond):
                continue
            found.append(f"bond {bond.GetBeginAtomIdx() + 1}={bond.GetEndAtomIdx() + 1}")
    return tuple(found)


def _is_cumulated(bond: Chem.Bond) -> bool:
    """Whether an end is linear, with a second double bond (allenes, azides, isocyanates): it has no two sides."""
    return any(
        atom.GetAtomicNum() in (6, 7) and sum(b.GetBondType() == Chem.BondType.DOUBLE for b in atom.GetBonds()) > 1
        for atom in (bond.GetBeginAtom(), bond.GetEndAtom())
    )


def _is_bare_imine(bond: Chem.Bond) -> bool:
    """Whether one end is =NH with an implicit hydrogen, whose side nobody draws."""
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    return any(atom.GetDegree() == 1 and atom.GetAtomicNum() == 7 for atom in ends)
