"""Atom records of PDB files as other programs write them, put into the columns that gemmi reads.

Residue names of four letters, files without elements, AutoDock's types, chains that share a name.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from discodock.chem.residues import is_common_residue, is_known_residue, is_long_name, parent_amino_acid
from discodock.chem.structures.change_log import ChangeLog, named
from discodock.chem.structures.elements import autodock_element, ion_element, is_element, named_element
from discodock.chem.structures.repeated_chains import AtomRecord, distinct_chains

ATOM_RECORDS: Final = ("ATOM  ", "HETATM")

_MODEL_ENDS: Final = ("MODEL ", "ENDMDL", "END")

_PDBQT_END: Final = re.compile(r" {3,4}[ +-]*\d*\.\d{3} [A-Za-z]")
"""Charge and type, in columns 67 to 78 of a PDBQT line."""

_CODE: Final = "#{:02X}"
"""Stands for a residue name of four letters while gemmi reads the text."""


@dataclass(frozen=True)
class PdbText:
    """A PDB text as gemmi reads it.

    Attributes:
        lines: lines of the text.
        names: residue names that are longer than their columns, by what stands for them.
    """

    lines: list[str]
    names: dict[str, str]


def standard_records(lines: Sequence[str], log: ChangeLog) -> PdbText:
    """Put the atom records of a PDB or PDBQT text into standard columns; other lines stay.

    Args:
        lines: lines of the text, with usable coordinates.
        log: log of what a user must know.
    """
    standard = list(lines)
    atoms = [number for number, line in enumerate(standard) if line.startswith(ATOM_RECORDS)]
    names = _shorten_names(standard, atoms)
    if _is_pdbqt(standard, atoms):
        atoms = _elements_from_types(standard, atoms, log)
    _complete_elements(standard, atoms, names)
    _separate_chains(standard, names, log)
    return PdbText([line for line in standard if line], names)


def _residue_name(line: str, names: dict[str, str]) -> str:
    name = line[17:20].strip()
    return names.get(name, name)


def _shorten_names(lines: list[str], atoms: list[int]) -> dict[str, str]:
    """Replace residue names of four letters, in columns 18 to 21, by codes; returns the names by code."""
    wide = [number for number in atoms if lines[number][20] != " "]
    pairs = {(lines[n][17:21], lines[n][20:22]) for n in wide}
    two_letter_chains = {chain for name, chain in pairs if is_common_residue(name[:3]) and not is_long_name(name)}
    codes: dict[str, str] = {}
    for number in wide:
        line = lines[number]
        name, chain = line[17:21], line[20:22]
        is_long = (is_long_name(name) and chain not in two_letter_chains) or name[3] in "+-"  # of an ion
        is_chain = not is_long and (bool(two_letter_chains) or is_known_residue(name[:3]) or _is_written_ligand(name))
        if not is_chain and name.strip() == name:
            code = codes.setdefault(name, _CODE.format(len(codes)))
            lines[number] = f"{line[:17]}{code} {line[21:]}"
    return {code: name for name, code in codes.items()}


def _is_written_ligand(name: str) -> bool:
    """Whether the fourth letter is the first of a ligand's chain, as `complex_file` writes it for many chains."""
    return name[:3] == "LIG" and name[3].isalpha()


def _is_pdbqt(lines: list[str], atoms: list[int]) -> bool:
    some = [lines[number] for number in atoms[:50]]
    return bool(some) and all(_PDBQT_END.match(line[66:80]) for line in some)


def _elements_from_types(lines: list[str], atoms: list[int], log: ChangeLog) -> list[int]:
    """Write elements for AutoDock's types; returns the atoms that are any."""
    kept, unknown = [], Counter[str]()
    for number in atoms:
        line = lines[number]
        kind = line[77:80].strip()
        element = autodock_element(kind)
        if element is None:
            lines[number] = ""
            continue
        kept.append(number)
        unknown.update([kind] if element == "X" else [])
        lines[number] = f"{line[:66]:<76}{'' if element == 'X' else element.upper():>2}"
    if unknown:
        log.warn(f"types that AutoDock does not have: {named(sorted(unknown))}; elements are guessed from atom names")
    return kept


def _complete_elements(lines: list[str], atoms: list[int], names: dict[str, str]) -> None:
    """Write elements where there are none, or where an ion has that of another atom with its first letter."""
    sizes = Counter(lines[number][17:27] for number in atoms)
    alphas = [lines[n][12:16] for n in atoms if lines[n][12:16].strip() == "CA" and is_common_residue(lines[n][17:20])]
    is_left_aligned = sum(columns.startswith("CA") for columns in alphas) > len(alphas) / 2
    for number in atoms:
        line = lines[number]
        given, residue = line[76:78], _residue_name(line, names)
        has_element = is_element(given)
        element = None
        if sizes[line[17:27]] == 1 and parent_amino_acid(residue) is None:
            element = ion_element(residue, line[12:16])
        if element is None and not has_element:
            element = named_element(residue, line[12:16], is_left_aligned=is_left_aligned)
        if element is not None and element.upper() != given.strip().upper():
            lines[number] = f"{line[:76]:<76}{element.upper():>2}"
        elif not has_element:
            lines[number] = line[:76]  # old files have their identifier and line numbers there


def _separate_chains(lines: list[str], names: dict[str, str], log: ChangeLog) -> None:
    """Give names of their own to chains that share one; other structures in the same place are taken out."""
    model: list[int] = []
    for number, line in enumerate([*lines, "END"]):
        if line.startswith(ATOM_RECORDS):
            model.append(number)
        elif line.startswith(_MODEL_ENDS):
            records = [_record(lines[index], names) for index in model]
            found = distinct_chains(records)
            for index, record, chain in zip(model, records, found.names, strict=True):
                if chain is None:
                    lines[index] = ""
                elif chain != record.chain:
                    lines[index] = f"{lines[index][:20]}{chain:>2}{lines[index][22:]}"
            for note in found.notes:
                log.warn(note)
            model = []


def _record(line: str, names: dict[str, str]) -> AtomRecord:
    return AtomRecord(
        chain=line[20:22].strip(),
        number=line[22:27],
        residue=_residue_name(line, names),
        atom=line[12:16].strip(),
        altloc=line[16].strip(),
        pos=(float(line[30:38]), float(line[38:46]), float(line[46:54])),
    )
