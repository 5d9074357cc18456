"""Bounds of a ligand's record, checked before RDKit parses it, which believes counts and may take quadratic time."""

from __future__ import annotations

import re
from typing import Final

MAX_ATOMS: Final = 10_000
"""Most atoms, and bonds, that a record may announce; ligands have at most 150 heavy ones, solvent may be about."""

MAX_TAGS: Final = 1_000
"""Most SD tags of a record."""

MAX_SMILES: Final = 5_000
"""Most characters of a SMILES."""

MAX_RECORDS: Final = 200_000
"""Most records of a file."""

_V3000_COUNTS: Final = re.compile(r"^M  V30 COUNTS(.*)$", re.MULTILINE)
_PDB_ATOM: Final = re.compile(r"^(?:ATOM  |HETATM)", re.MULTILINE)
_RECORD_START: Final = {
    "sdf": re.compile(r"^\$\$\$\$", re.MULTILINE),
    "mol2": re.compile(r"^@<TRIPOS>MOLECULE", re.MULTILINE),
    "smi": re.compile(r"^.", re.MULTILINE),
}


def too_many_records(text: str, file_format: str) -> str | None:
    """What is wrong with a file of more than `MAX_RECORDS` records; None if it has fewer.

    Args:
        text: text of the file.
        file_format: name of its format in `ligand_formats.FORMATS`.
    """
    mark = _RECORD_START.get(file_format)
    number = 0 if mark is None else sum(1 for _ in mark.finditer(text))
    return None if number <= MAX_RECORDS else f"{number} records, at most {MAX_RECORDS} are read; split the file"


def sdf_problem(record: str) -> str | None:
    """What is beyond the bounds in an SDF record; None if nothing is."""
    if (found := _V3000_COUNTS.search(record)) is not None and (problem := _wrong_counts(found[1].split(), record)):
        return problem
    num_tags = record.count("\n>")
    return f"{num_tags} SD tags, at most {MAX_TAGS} are read" if num_tags > MAX_TAGS else None


def mol2_problem(record: str) -> str | None:
    """What is beyond the bounds in a MOL2 record; None if nothing is."""
    return _wrong_counts((record.split("\n", 3) + ["", "", ""])[2].split(), record)


def pdb_problem(text: str) -> str | None:
    """What is beyond the bounds in a PDB file with a ligand; None if nothing is."""
    num_atoms = sum(1 for _ in _PDB_ATOM.finditer(text))
    return f"{num_atoms} atoms, at most {MAX_ATOMS} are read as a ligand" if num_atoms > MAX_ATOMS else None


def smiles_problem(smiles: str) -> str | None:
    """What is beyond the bounds in a SMILES; None if nothing is."""
    if len(smiles) <= MAX_SMILES:
        return None
    return f"a SMILES of {len(smiles)} characters, at most {MAX_SMILES} are read"


def _wrong_counts(counts: list[str], record: str) -> str | None:
    """What is wrong with the numbers of atoms and bonds that a record announces; None if they are possible."""
    num_lines = record.count("\n") + 1
    for word in counts[:2]:
        digits = word.removeprefix("-")
        if digits.isdecimal() and (word != digits or len(digits) > 9 or int(digits) > min(num_lines, MAX_ATOMS)):
            return f"announces {word[:20]} atoms or bonds in {num_lines} lines"
    return None
