"""What element an atom is whose file does not say, or says it in the types of AutoDock."""

import re
from typing import Final

import gemmi

from discodock.chem.residues import is_standard_atom, parent_amino_acid

ION_NAMES: Final = {
    "SOD": "Na", "POT": "K", "CAL": "Ca", "CLA": "Cl", "CES": "Cs", "CAD": "Cd", "LIT": "Li", "RUB": "Rb", "BAR": "Ba",
    "IOD": "I", "IM": "Cl", "IP": "Na", "NIO": "Na", "CIO": "Cs", "CHL": "Cl", "ZN2": "Zn", "MAG": "Mg", "FLU": "F",
    "BRO": "Br",
}  # fmt: skip
"""Names of ions in CHARMM, Amber and GROMACS files that are not their elements'."""

AUTODOCK_TYPES: Final = {
    "A": "C", "C": "C", "G": "C", "GA": "C", "CG": "C", "N": "N", "NA": "N", "NS": "N", "NX": "N", "OA": "O", "OS": "O",
    "OX": "O", "O": "O", "SA": "S", "S": "S", "H": "H", "HD": "H", "HS": "H", "HX": "H", "W": "O",
}  # fmt: skip
"""Elements of those atom types of AutoDock that do not name their element; glue atoms of macrocycles are carbon."""

AUTODOCK_PSEUDO_TYPES: Final = frozenset({"TZ", "Q", "J", "LP"})
"""AutoDock's types without an atom: its zinc's four charges, lone pairs."""

HALOGENS: Final = frozenset({"F", "Cl", "Br", "I"})

CLEAR_SYMBOLS: Final = frozenset({"Fe", "Zn", "Mg", "Mn", "Cu", "Ni", "Mo", "Br", "Cl", "Se"})
"""Elements of two letters that an atom's name means wherever it stands in its columns; CA, CD or NE may be carbon."""

_ION: Final = re.compile(r"([A-Z][A-Z]?)([0-9]?[+-]|[+-]?[0-9]?)[+-]?")


def is_element(symbol: str) -> bool:
    """Whether a text is the symbol of an element, in any case."""
    return symbol.strip().isalpha() and gemmi.Element(symbol.strip().capitalize()).name != "X"


def ion_element(residue: str, atom: str) -> str | None:
    """Element of a residue of one atom if it is an ion by its names, as PDB, CHARMM, Amber and GROMACS write them.

    Args:
        residue: name of the residue, such as `ZN`, `CLA` or `Na+`.
        atom: name of the atom.
    """
    by_residue, by_atom = _named_ion(residue), _named_ion(atom)
    if by_residue is not None and by_residue == by_atom:
        return by_residue
    return by_atom if by_atom in CLEAR_SYMBOLS - HALOGENS - {"Se"} and parent_amino_acid(residue) is None else None


def _named_ion(name: str) -> str | None:
    """Element of the metal or halide that a name of a residue or an atom means."""
    name = name.strip().upper()
    if name in ION_NAMES:
        return ION_NAMES[name]
    found = _ION.fullmatch(name)
    if found is None:
        return None
    symbol = found[1].capitalize()
    return symbol if symbol in HALOGENS or gemmi.Element(symbol).is_metal else None


def named_element(residue: str, columns: str, *, is_left_aligned: bool) -> str | None:
    """Element of an atom without one, where its name is clearer than gemmi's reading of the columns; else None.

    Args:
        residue: name of the residue.
        columns: four columns of the atom's name, blanks included.
        is_left_aligned: whether the names of the file begin in the first column, whatever the element is.
    """
    name = columns.strip()
    parent = parent_amino_acid(residue)
    letters = re.match(r"[0-9']*([A-Za-z]*)", name)
    word = letters[1].upper() if letters is not None else ""
    if parent is not None:
        if word.startswith("H"):
            return "H"
        return name[0] if is_standard_atom(parent, name) else None
    symbol = word.capitalize()
    is_clear = symbol in CLEAR_SYMBOLS
    if columns[:1] == " " and is_clear:
        return symbol
    if is_left_aligned and len(name) < 4 and len(symbol) > 1 and not is_clear and is_element(word[0]):
        return word[0]
    return None


def autodock_element(kind: str) -> str | None:
    """Element of an atom type of AutoDock, in its own spelling (`NA` is nitrogen, `Na` sodium); None if it has none."""
    if kind in AUTODOCK_PSEUDO_TYPES:
        return None
    element = AUTODOCK_TYPES.get(kind.rstrip("0123456789")) or AUTODOCK_TYPES.get(kind)
    return element or (kind.capitalize() if is_element(kind) else "X")
