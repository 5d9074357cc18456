"""MOL2 records as molecules: charges by valence where RDKit's reading of types fails, hydrogens where none are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from discodock.chem.records.bounds import mol2_problem
from discodock.chem.records.raw_ligand import ATOM_NAME, NOT_A_NUMBER, RawLigand, parse_each, rdkit_reason

if TYPE_CHECKING:
    from rdkit import Chem

MOL2_START: Final = "@<TRIPOS>MOLECULE"
BOND_ORDERS: Final = frozenset({"1", "2", "3", "am", "ar", "nc"})
"""Bonds with a definite order, and "not connected"; unknown and dummy ones are refused."""

ATOM_TYPE: Final = "_TriposAtomType"
CHARGED_TYPES: Final = {"N.4": 1}
"""Types that say a charge, whatever hydrogens a record names."""

NAMED_ATOMS: Final = 6
"""Atoms that a sentence names; the rest is counted."""


def parse_mol2_file(text: str) -> Iterator[RawLigand]:
    """Every record of a MOL2 file."""
    parts = re.split(rf"^(?={re.escape(MOL2_START)})", text, flags=re.MULTILINE)
    return parse_each(_parse_record, (part for part in parts if part.startswith(MOL2_START)))


def _parse_record(block: str) -> RawLigand:
    from rdkit import rdBase

    title = (block.splitlines() + ["", ""])[1].strip()
    if (problem := mol2_problem(block)) is not None:
        return RawLigand(title, None, problem)
    if (problem := _unknown_bond(block)) is not None:
        return RawLigand(title, None, problem)
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        mol = parse_mol2(block)
    if mol is not None:
        for atom in mol.GetAtoms():
            atom.SetProp(ATOM_NAME, atom.GetProp("_TriposAtomName"))
        note = _open_valences(mol)
        return RawLigand(title, mol, notes=() if note is None else (note,))
    if NOT_A_NUMBER.search(block):
        return RawLigand(title, None, "coordinates that are not numbers (NaN or infinite)")
    return RawLigand(title, None, f"truncated or damaged MOL2 record{rdkit_reason(log)}")


def parse_mol2(block: str) -> Chem.Mol | None:
    """One MOL2 record as an unsanitised molecule, hydrogens kept; None if it is damaged.

    RDKit reads charges off the atom types, and refuses types it does not expect (O.co2 on phosphorus or on an alkoxide)
    or charges amide-like nitrogens in aromatic rings. Such a record is read again by elements and bonds alone; its
    charges then follow from the valences, if it names hydrogens.
    """
    from rdkit import Chem

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
    from rdkit import Chem

    try:
        return Chem.MolFromMol2Block(block, sanitize=False, removeHs=False, cleanupSubstructures=by_types)
    except RuntimeError:  # RDKit's invariant violations, on damaged records
        return None


def _unknown_bond(block: str) -> str | None:
    """What is wrong with the bonds of a record, which RDKit would leave out without a word; None if nothing is."""
    for line in _section(block, "BOND"):
        words = line.split()
        if len(words) >= 4 and words[3].lower() not in BOND_ORDERS:
            return f"bond {words[1]}-{words[2]} has no definite order ({words[3]!r}); give it as 1, 2, 3, am or ar"
    return None


def _section(block: str, name: str) -> list[str]:
    """Lines of a section of a record that are not empty."""
    _, _, after = block.partition(f"@<TRIPOS>{name}\n")
    return [line for line in after.partition("\n@<TRIPOS>")[0].splitlines() if line.strip()]


def _atom_count(block: str) -> int:
    """Number of atoms that the record announces on its third line, -1 if it has none."""
    words = (block.splitlines() + ["", "", ""])[2].split()
    return int(words[0]) if words and words[0].isdigit() else -1


def _charge_by_valence(mol: Chem.Mol) -> None:
    """Charge O, S and N whose single bonds, hydrogens named, are one too few, and nitrogen with four."""
    from rdkit import Chem

    neutral = {"O": 2, "S": 2, "N": 3}
    for atom in mol.GetAtoms():
        bonds = atom.GetBonds()
        if atom.GetSymbol() not in neutral or any(bond.GetBondType() != Chem.BondType.SINGLE for bond in bonds):
            continue
        excess = len(bonds) - neutral[atom.GetSymbol()]
        if excess == -1 or (excess == 1 and atom.GetSymbol() == "N"):
            atom.SetFormalCharge(excess)


def _open_valences(mol: Chem.Mol) -> str | None:
    """Let atoms whose hydrogens the record leaves out have them; a sentence that says so, None if all are named.

    A record without any hydrogen leaves out all, and RDKit has charged heteroatoms for those that miss; one that names
    hydrogens leaves out those of carbon alone, as AutoDockTools, DOCK and Chimera do. There heteroatoms without are
    charged, as they should be.
    """
    for atom in filter(_is_isocyanide, mol.GetAtoms()):
        atom.SetFormalCharge(-1)
    carbons = [atom for atom in mol.GetAtoms() if _lacks_hydrogen(atom)]
    if any(atom.GetAtomicNum() == 1 for atom in mol.GetAtoms()):
        for atom in carbons:
            atom.SetNoImplicit(False)
        if any(
            n.GetAtomicNum() == 1 for atom in mol.GetAtoms() if atom.GetSymbol() == "C" for n in atom.GetNeighbors()
        ):
            return f"hydrogens are missing and were added: {_named(carbons)}" if carbons else None
        return "a MOL2 record with polar hydrogens only: those of carbon were added" if carbons else None
    for atom in mol.GetAtoms():
        atom.SetNoImplicit(False)
        if atom.GetFormalCharge() < 0 and not _is_charged_by_design(atom):
            atom.SetFormalCharge(0)
        atom.SetFormalCharge(CHARGED_TYPES.get(_type(atom), atom.GetFormalCharge()))
    mol.UpdatePropertyCache(strict=False)
    if not any(atom.GetTotalNumHs() for atom in mol.GetAtoms()):
        return None
    return "a MOL2 record without hydrogens: they were added by valence; check charges and protonation"


def _lacks_hydrogen(atom: Chem.Atom) -> bool:
    """Whether a neutral carbon has bonds to spare."""
    orders = sum(bond.GetBondTypeAsDouble() for bond in atom.GetBonds())
    return atom.GetSymbol() == "C" and atom.GetFormalCharge() == 0 and orders < 4


def _is_isocyanide(atom: Chem.Atom) -> bool:
    """Whether an atom is the carbon of R-N#C, which bears a negative charge."""
    if atom.GetSymbol() != "C" or atom.GetDegree() != 1:
        return False
    bond = atom.GetBonds()[0]
    nitrogen = bond.GetOtherAtom(atom)
    return bond.GetBondTypeAsDouble() == 3 and nitrogen.GetSymbol() == "N" and nitrogen.GetDegree() > 1


def _is_charged_by_design(atom: Chem.Atom) -> bool:
    """Whether a negative charge is of the type, or drawn against a positive neighbour's (nitro, azide)."""
    return _type(atom) == "O.co2" or any(neighbor.GetFormalCharge() > 0 for neighbor in atom.GetNeighbors())


def _type(atom: Chem.Atom) -> str:
    return str(atom.GetProp(ATOM_TYPE)) if atom.HasProp(ATOM_TYPE) else ""


def _named(atoms: list[Chem.Atom]) -> str:
    more = f" and {len(atoms) - NAMED_ATOMS} more" if len(atoms) > NAMED_ATOMS else ""
    return ", ".join(f"atom {atom.GetIdx() + 1} ({atom.GetSymbol()})" for atom in atoms[:NAMED_ATOMS]) + more
