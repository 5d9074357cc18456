"""Data items of SDF records ("tags") as raw text, so that they come back letter for letter.

RDKit drops the first of two equal tags, takes names of its own properties for these, and cuts characters of several
bytes where its buffer ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rdkit import Chem

Tags = tuple[tuple[str, str], ...]
"""Names and values in the order of the record; names may repeat, values may have several lines."""

ATOM_NAMES_TAG: Final = "atom.prop.name"
"""RDKit's list of atom names: part of the atoms, not one of the user's tags."""

END_OF_RECORD: Final = "$$$$"
_RECORDS: Final = re.compile(r"^\$\$\$\$.*\n?", re.MULTILINE)
_END_OF_BLOCK: Final = "\nM  END"
_HEADER: Final = re.compile(r"^>.*?<(?P<name>.*)>.*$|^>\s*(?P<bare>\S.*)$")
_OWN_NAMES: Final = frozenset({"numArom"})
"""Properties of RDKit's without the leading underscore that marks the others."""


def split_records(text: str) -> list[str]:
    """Records of an SDF without their ends, and without what is only white space after the last one."""
    return [record for record in _RECORDS.split(text) if record.strip()]


def split_record(record: str) -> tuple[str, Tags]:
    """The mol block of a record, up to its last line, and its tags but for atom names, which stay with the block."""
    block, end, rest = record.partition(_END_OF_BLOCK)
    if not end:
        return record, ()
    after, _, data = rest.partition("\n")
    tags = _parse(data.split("\n"))
    names = [tag for tag in tags if tag[0] == ATOM_NAMES_TAG]
    own = tuple(tag for tag in tags if tag[0] != ATOM_NAMES_TAG)
    return f"{block}{end}{after}\n{tag_text(names, 1)}", own


def _parse(lines: Iterable[str]) -> Tags:
    """Tags in the lines after a mol block; a value ends before the next header, without the empty lines there."""
    found: list[tuple[str, list[str]]] = []
    is_open = False  # an empty line ends a value: only then a line that begins with > is surely a header
    for line in lines:
        header = _HEADER.match(line)
        if header is not None and (not is_open or header["name"] is not None):
            found.append((header["name"] if header["name"] is not None else header["bare"], []))
            is_open = True
        elif found:
            found[-1][1].append(line)
            is_open = bool(line.strip())
    return tuple((name, "\n".join(value).rstrip("\n")) for name, value in found)


def tag_text(tags: Iterable[tuple[str, str]], number: int) -> str:
    """Tags as lines of the record of that number in its file, counted from 1."""
    return "".join(f">  <{name}>  ({number}) \n{value}\n\n" for name, value in tags)


def set_properties(mol: Chem.Mol, tags: Tags) -> None:
    """Give a molecule its tags as properties, for programs that look there; names that are RDKit's own are left out."""
    for name, value in tags:
        if name and not name.startswith("_") and name not in _OWN_NAMES:
            with suppress(RuntimeError, UnicodeError):
                mol.SetProp(name, value)


def with_own_tags(tags: Tags, added: Sequence[tuple[str, str]]) -> Tags:
    """The user's tags and then others; of equal names the user's is called `input_<name>`, and so on.

    Args:
        tags: tags of the ligand as read.
        added: tags of a pose.
    """
    names = {name for name, _ in tags}
    moved = set()
    for name, _ in added:
        while name in names and name not in moved:
            moved.add(name)
            name = f"input_{name}"
    return (*((f"input_{name}" if name in moved else name, value) for name, value in tags), *added)
