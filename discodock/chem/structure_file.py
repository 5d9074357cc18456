"""Reading the text of a structure file (PDB or mmCIF, plain or gzipped) into gemmi, refusing damaged ones by name."""

import math
import re
from pathlib import Path
from typing import Final

import gemmi

from discodock.chem.residues import parent_amino_acid
from discodock.errors import InputError
from discodock.input_files import InputKind, read_text

STRUCTURE: Final = InputKind(remedy="give a PDB or mmCIF text file (or one packed with gzip)")

MAX_ATOMS: Final = 300_000
"""Most atoms of the first model, hydrogens included: a whole ribosome has fewer, reading them takes half a minute."""

_ATOM_RECORDS = ("ATOM  ", "HETATM")
_ATOM_LINE: Final = re.compile(r"^(?:ATOM  |HETATM)", re.MULTILINE)
_END_OF_MODEL: Final = re.compile(r"^END(?:MDL)?\s*$", re.MULTILINE)


def read_structure(path: Path) -> gemmi.Structure:
    """Read a PDB or mmCIF file, gzipped or not, judged by its content rather than its name.

    Raises:
        InputError: the file is missing, empty, binary, truncated, of another format, too large, or has unusable
            coordinates.
    """
    text = read_text(path, STRUCTURE)
    if not text.strip():
        raise InputError(f"{path}: the file is empty; give a PDB or mmCIF file")
    if _looks_like_mmcif(text):
        return _parse_mmcif(text, path)
    other = _other_format(text)
    if other is not None:
        raise InputError(f"{path}: this is {other}, not a protein structure; give a PDB or mmCIF file")
    return _parse_pdb(text, path)


def _check_size(num_atoms: int, path: Path) -> None:
    """Refuse structures that would take minutes to read."""
    if num_atoms > MAX_ATOMS:
        raise InputError(
            f"{path}: {num_atoms} atoms, at most {MAX_ATOMS} can be read; cut out the chains around the pocket"
        )


def _looks_like_mmcif(text: str) -> bool:
    head = [line.strip() for line in text[:20000].splitlines()]
    head = [line for line in head if line and not line.startswith("#")]
    return bool(head) and (head[0].lower().startswith("data_") or any(line.startswith("_atom_site.") for line in head))


def _other_format(text: str) -> str | None:
    lines = text.splitlines()
    if any(line.startswith(_ATOM_RECORDS) for line in lines):
        return None
    if any("V2000" in line[33:] or "V3000" in line[33:] for line in lines[:6]) or "M  END" in lines:
        return "an SDF/MOL file"
    if "@<TRIPOS>" in text:
        return "a MOL2 file"
    if text.lstrip().startswith(">"):
        return "a FASTA file"
    if text.lstrip()[:1] in "<{[":
        return "a web page or JSON/XML file"
    return None


def _parse_mmcif(text: str, path: Path) -> gemmi.Structure:
    try:
        document = gemmi.cif.read_string(text)
        structure = next((gemmi.make_structure_from_block(block) for block in document if _has_atoms(block)), None)
    except (ValueError, RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: truncated or malformed mmCIF ({reason}); download it again") from None
    if structure is None:
        raise InputError(f"{path}: mmCIF file without atoms (_atom_site); give a file with coordinates")
    _check_size(structure[0].count_atom_sites() if len(structure) else 0, path)
    bad = next((atom for atom in structure[0].all() if not _is_finite(atom.atom.pos)), None) if len(structure) else None
    if bad is not None:
        raise InputError(f"{path}: atom {bad} has no usable coordinates; repair or remove it")
    return structure


def _has_atoms(block: gemmi.cif.Block) -> bool:
    return bool(block.find_values("_atom_site.Cartn_x"))


def _is_finite(pos: gemmi.Position) -> bool:
    return all(math.isfinite(value) and abs(value) < 1e5 for value in (pos.x, pos.y, pos.z))


def _parse_pdb(text: str, path: Path) -> gemmi.Structure:
    """Parse PDB text; gemmi reads unreadable coordinates as zero, so the columns are checked first."""
    first_model = _END_OF_MODEL.split(text, maxsplit=1)[0]
    _check_size(sum(1 for _ in _ATOM_LINE.finditer(first_model)), path)
    num_atoms = 0
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if line.startswith(_ATOM_RECORDS):
            num_atoms += 1
            _check_atom_line(line, number, path)
    if num_atoms == 0:
        raise InputError(f"{path}: no ATOM or HETATM records found; give a PDB or mmCIF file")
    try:
        structure = gemmi.read_pdb_string("\n".join(map(_with_hydrogen, _without_ends(lines))) + "\n")
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: malformed PDB file ({reason}); repair it or download it again") from None
    _check_size(structure[0].count_atom_sites() if len(structure) else 0, path)
    structure.merge_chain_parts()  # hetero groups stand after all chains in PDB files, with their chain in mmCIF
    return structure


def _without_ends(lines: list[str]) -> list[str]:
    """Lines without END, at which gemmi stops although hetero groups may follow, as where files were joined.

    What follows an END and has an atom that was there before, as the further frames of a trajectory have, is left out.
    """
    kept: list[str] = []
    seen: set[str] = set()
    section: list[str] = []
    for line in [*lines, "END"]:
        if line.strip() != "END":
            section.append(line)
            continue
        atoms = {other[12:27] for other in section if other.startswith(_ATOM_RECORDS)}
        if not atoms & seen:
            kept += section
            seen |= atoms
        section = []
    return kept


def _with_hydrogen(line: str) -> str:
    """An atom line without an element, as hydrogen if it is one of an amino acid: gemmi would read HG as mercury."""
    is_hydrogen = line.startswith(_ATOM_RECORDS) and not line[76:78].strip() and line[12:16].strip().startswith("H")
    if not is_hydrogen or parent_amino_acid(line[17:21].strip()) is None:
        return line
    return f"{line[:76]:<76} H{line[78:]}"


def _check_atom_line(line: str, number: int, path: Path) -> None:
    if len(line) < 54:
        raise InputError(f"{path}: line {number} is cut off in the coordinates (truncated file?); copy it again")
    try:
        is_usable = all(math.isfinite(float(line[start : start + 8])) for start in (30, 38, 46))
    except ValueError:
        is_usable = False
    if not is_usable:
        raise InputError(f"{path}: line {number} has no usable coordinates ({line[30:54].strip()!r}); repair the file")
