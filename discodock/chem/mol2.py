"""MOL2 records as molecules, with charges from valences where RDKit's reading of atom types fails."""

from __future__ import annotations

from rdkit import Chem


def parse_mol2(block: str) -> Chem.Mol | None:
    """One MOL2 record as an unsanitised molecule, hydrogens kept; None if it is damaged.

    RDKit reads charges off the atom types, and refuses types it does not expect (O.co2 on phosphorus or on an alkoxide)
    or charges amide-like nitrogens in aromatic rings. Such a record is read again by elements and bonds alone; its
    charges then follow from the valences, as MOL2 files name every hydrogen.
    """
    mol = _read(block, by_types=True)
    if mol is not None and not Chem.DetectChemistryProblems(mol):
        return mol
    plain = _read(block, by_types=False)
    if plain is None or plain.GetNumAtoms() != _atom_count(block):
        return None
    for atom in plain.GetAtoms():
        atom.SetFormalCharge(0)
    if any(atom.GetAtomicNum() == 1 for atom in plain.GetAtoms()):
        _charge_by_valence(plain)
    return plain


def _read(block: str, *, by_types: bool) -> Chem.Mol | None:
    try:
        return Chem.MolFromMol2Block(block, sanitize=False, removeHs=False, cleanupSubstructures=by_types)
    except RuntimeError:  # RDKit's invariant violations, on damaged records
        return None


def _atom_count(block: str) -> int:
    """Number of atoms that the record announces on its third line, -1 if it has none."""
    words = (block.splitlines() + ["", "", ""])[2].split()
    return int(words[0]) if words and words[0].isdigit() else -1


def _charge_by_valence(mol: Chem.Mol) -> None:
    """Charge O, S and N whose single bonds, hydrogens named, are one too few, and nitrogen with four."""
    neutral = {"O": 2, "S": 2, "N": 3}
    for atom in mol.GetAtoms():
        bonds = atom.GetBonds()
        if atom.GetSymbol() not in neutral or any(bond.GetBondType() != Chem.BondType.SINGLE for bond in bonds):
            continue
        excess = len(bonds) - neutral[atom.GetSymbol()]
        if excess == -1 or (excess == 1 and atom.GetSymbol() == "N"):
            atom.SetFormalCharge(excess)
