"""Bond orders and charges for a ligand read from PDB, taken from a SMILES template."""

from __future__ import annotations

import numpy as np
from rdkit import Chem

from discodock.errors import InputError

MAX_MATCHES = 1000

# Typical lengths, Å, by bond order, relative to the single bond of the same elements (Pyykkö and Atsumi 2009 radii).
_LENGTH_FACTOR = {1.0: 1.0, 1.5: 0.92, 2.0: 0.88, 3.0: 0.79}


def apply_template(mol: Chem.Mol, template: Chem.Mol) -> Chem.Mol:
    """Set bond orders and charges of `mol`, which has only connectivity, from a template of the same skeleton.

    Where the skeleton fits in several ways (the two oxygens of an acid), the fit whose bond lengths suit the bond
    orders best is taken.

    Args:
        mol: unsanitised molecule with a conformer; its atom order and hydrogens are kept.
        template: sanitised molecule without explicit hydrogens.

    Returns:
        A molecule to be sanitised.

    Raises:
        InputError: the heavy atoms or their bonds differ (no file name in the message).
    """
    heavy = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() > 1]
    if len(heavy) != template.GetNumAtoms():
        raise InputError(
            f"{len(heavy)} heavy atoms in the file but {template.GetNumAtoms()} in the template SMILES; "
            "give the template of exactly this ligand"
        )
    matches = skeleton(mol).GetSubstructMatches(skeleton(template), uniquify=False, maxMatches=MAX_MATCHES)
    if not matches:
        raise InputError("atoms or bonds differ from the template SMILES; give the template of exactly this ligand")
    pos = mol.GetConformer().GetPositions()
    best = min(matches, key=lambda match: misfit(template, match, pos))
    typed = Chem.RWMol(mol)
    for atom in template.GetAtoms():
        target = typed.GetAtomWithIdx(best[atom.GetIdx()])
        target.SetFormalCharge(atom.GetFormalCharge())
        target.SetIsotope(atom.GetIsotope())
    for bond in _kekulized(template).GetBonds():
        ends = best[bond.GetBeginAtomIdx()], best[bond.GetEndAtomIdx()]
        typed.GetBondBetweenAtoms(*ends).SetBondType(bond.GetBondType())
    return typed.GetMol()


def _kekulized(mol: Chem.Mol) -> Chem.Mol:
    copy = Chem.Mol(mol)
    Chem.Kekulize(copy, clearAromaticFlags=True)
    return copy


def skeleton(mol: Chem.Mol) -> Chem.Mol:
    """A copy with single bonds, no charges and no aromaticity, for matching by elements and connectivity."""
    bare = Chem.RWMol(mol)
    for bond in bare.GetBonds():
        bond.SetBondType(Chem.BondType.SINGLE)
        bond.SetIsAromatic(False)
    for atom in bare.GetAtoms():
        atom.SetFormalCharge(0)
        atom.SetIsAromatic(False)
        atom.SetIsotope(0)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
        atom.SetNumRadicalElectrons(0)
    bare.UpdatePropertyCache(strict=False)
    return bare.GetMol()


def misfit(template: Chem.Mol, match: tuple[int, ...], pos: np.ndarray) -> float:
    """Sum of squared differences between bond lengths and those expected of the template's bond orders, Å^2."""
    table = Chem.GetPeriodicTable()
    total = 0.0
    for bond in template.GetBonds():
        begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
        single = sum(table.GetRcovalent(atom.GetAtomicNum()) for atom in (begin, end))
        expected = single * _LENGTH_FACTOR.get(bond.GetBondTypeAsDouble(), 1.0)
        length = float(np.linalg.norm(pos[match[begin.GetIdx()]] - pos[match[end.GetIdx()]]))
        total += (length - expected) ** 2
    return total
