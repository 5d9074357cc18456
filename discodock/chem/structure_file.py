"""Reading the text of a structure file (PDB or mmCIF, plain or gzipped) into gemmi, refusing damaged ones by name."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import gemmi

from discodock.chem.structures.change_log import ChangeLog
from discodock.chem.structures.doubts import doubt_end, doubt_models, doubt_sequences, doubt_table_end, without_ends
from discodock.chem.structures.mmcif_table import PREFIX, complete_atom_site, first_model_size, missing_columns
from discodock.chem.structures.pdb_records import ATOM_RECORDS, standard_records
from discodock.errors import InputError
from discodock.input_files import InputKind, read_text

STRUCTURE: Final = InputKind(remedy="give a PDB or mmCIF text file (or one packed with gzip)")

MAX_ATOMS: Final = 300_000
"""Most atoms of the first model, hydrogens included: a whole ribosome has fewer, reading them takes half a minute."""

_ATOM_LINE: Final = re.compile(r"^(?:ATOM  |HETATM)", re.MULTILINE)
_END_OF_MODEL: Final = re.compile(r"^END(?:MDL)?\s*$", re.MULTILINE)

MAX_COORDINATE: Final = 9990.0
"""Å; programs write 9999 for atoms that they have no place for."""

_COORDINATE: Final = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+) *", re.ASCII)


def read_structure(path: Path, log: ChangeLog | None = None) -> gemmi.Structure:
    """Read a PDB, PDBQT or mmCIF file, gzipped or not, judged by its content rather than its name.

    What other programs write otherwise than the formats say is put right: residue names of four letters, elements that
    are not given or are AutoDock's types, several chains of one name, columns that mmCIF files lack.

    Args:
        path: structure file.
        log: log of what a user must know of the file.

    Raises:
        InputError: the file is missing, empty, binary, truncated, of another format, too large, or has unusable
            coordinates.
    """
    log = log or ChangeLog()
    text = read_text(path, STRUCTURE)
    if not text.strip():
        raise InputError(f"{path}: the file is empty; give a PDB or mmCIF file")
    if _looks_like_mmcif(text):
        return _doubted(_parse_mmcif(text, path, log), log)
    other = _other_format(text)
    if other is not None:
        raise InputError(f"{path}: this is {other}, not a protein structure; give a PDB or mmCIF file")
    return _doubted(_parse_pdb(text, path, log), log)


def _doubted(structure: gemmi.Structure, log: ChangeLog) -> gemmi.Structure:
    doubt_models(structure, log)
    doubt_sequences(structure, log)
    return structure


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
    if any(line.startswith(ATOM_RECORDS) for line in lines):
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


def _parse_mmcif(text: str, path: Path, log: ChangeLog) -> gemmi.Structure:
    try:
        document = gemmi.cif.read_string(text)
        blocks = [block for block in document if _has_atoms(block)]
        if not blocks:
            raise InputError(f"{path}: mmCIF file without atoms (_atom_site); give a file with coordinates")
        missing = missing_columns(blocks[0])
        if missing:
            raise InputError(f"{path}: its table of atoms has no column {', '.join(missing)}; write the file again")
        if len(blocks) > 1:
            log.warn(f"{len(blocks)} structures in one file: {blocks[0].name}, the first, is used")
        _check_size(first_model_size(blocks[0]), path)
        complete_atom_site(blocks[0], log)
        structure = gemmi.make_structure_from_block(blocks[0])
    except (ValueError, RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: truncated or malformed mmCIF ({reason}); download it again") from None
    bad = next((atom for atom in structure[0].all() if not _is_finite(atom.atom.pos)), None) if len(structure) else None
    if bad is not None:
        raise InputError(f"{path}: atom {bad} has no usable coordinates; repair or remove it")
    doubt_table_end(blocks[0], structure, log)
    return structure


def _has_atoms(block: gemmi.cif.Block) -> bool:
    return any(len(block.find_values(f"{PREFIX}{name}")) for name in ("Cartn_x", "Cartn_y", "Cartn_z"))


def _is_finite(pos: gemmi.Position) -> bool:
    return all(math.isfinite(value) and abs(value) < MAX_COORDINATE for value in (pos.x, pos.y, pos.z))


def _parse_pdb(text: str, path: Path, log: ChangeLog) -> gemmi.Structure:
    """Parse PDB text; gemmi reads unreadable coordinates as zero, so the columns are checked first."""
    first_model = _END_OF_MODEL.split(text, maxsplit=1)[0]
    _check_size(sum(1 for _ in _ATOM_LINE.finditer(first_model)), path)
    lines = text.splitlines()
    atom_lines = [number for number, line in enumerate(lines) if line.startswith(ATOM_RECORDS)]
    for number in atom_lines:
        _check_atom_line(lines[number], number + 1, path)
    if not atom_lines:
        raise InputError(f"{path}: no ATOM or HETATM records found; give a PDB or mmCIF file")
    if not text.endswith("\n"):
        _check_last_line(lines, path)
    standard = standard_records(without_ends(lines, log), log)
    try:
        structure = gemmi.read_pdb_string("\n".join(standard.lines) + "\n")
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: malformed PDB file ({reason}); repair it or download it again") from None
    _check_size(structure[0].count_atom_sites() if len(structure) else 0, path)
    for site in structure[0].all() if standard.names and len(structure) else []:
        site.residue.name = standard.names.get(site.residue.name, site.residue.name)
    structure.merge_chain_parts()  # hetero groups stand after all chains in PDB files, with their chain in mmCIF
    doubt_end(lines, structure, log)
    return structure


def _check_atom_line(line: str, number: int, path: Path) -> None:
    if len(line) < 54:
        raise InputError(f"{path}: line {number} is cut off in the coordinates (truncated file?); copy it again")
    if not line[:80].isascii():
        odd = next(char for char in line if not char.isascii())
        raise InputError(f"{path}: line {number} has {odd!r} in its columns, which PDB files cannot hold; rename it")
    words = [line[start : start + 8] for start in (30, 38, 46)]
    if not all(_COORDINATE.fullmatch(word) and abs(float(word)) < MAX_COORDINATE for word in words):
        raise InputError(f"{path}: line {number} has no usable coordinates ({line[30:54].strip()!r}); repair the file")


def _check_last_line(lines: Sequence[str], path: Path) -> None:
    """Refuse a file whose last line is shorter than any like it and has no end."""
    *before, last = lines
    lengths = [len(line.rstrip()) for line in before if line.startswith(ATOM_RECORDS)]
    if last.startswith(ATOM_RECORDS) and lengths and len(last.rstrip()) < min(lengths):
        raise InputError(
            f"{path}: line {len(lines)}, the last, is cut off (truncated file?); copy it again, or close it with END"
        )
