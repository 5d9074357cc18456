"""The table of atoms of an mmCIF file, with the columns that some programs leave out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import gemmi

from discodock.chem.residues import parent_amino_acid
from discodock.chem.structures.change_log import ChangeLog
from discodock.chem.structures.elements import ion_element, is_element, named_element
from discodock.chem.structures.repeated_chains import AtomRecord, distinct_chains

PREFIX: Final = "_atom_site."

_NEEDED: Final = (
    ("Cartn_x",),
    ("Cartn_y",),
    ("Cartn_z",),
    ("label_atom_id", "auth_atom_id"),
    ("label_comp_id", "auth_comp_id"),
    ("label_seq_id", "auth_seq_id"),
)
"""Columns without which atoms cannot be read; one of each."""

_LEFT_OUT: Final = "9999"
"""Number of the model that holds what is left out; only the first model is used."""

_UNKNOWN: Final = ("", "?", ".")


def missing_columns(block: gemmi.cif.Block) -> list[str]:
    """Columns that the table of atoms lacks and that nothing else stands for, alternatives joined by "or"."""
    return [
        " or ".join(PREFIX + name for name in names)
        for names in _NEEDED
        if not any(len(block.find_values(PREFIX + name)) for name in names)
    ]


def first_model_size(block: gemmi.cif.Block) -> int:
    """Number of atoms of the first model."""
    models = list(block.find_values(PREFIX + "pdbx_PDB_model_num"))
    return models.count(models[0]) if models else len(block.find_values(PREFIX + "Cartn_x"))


def complete_atom_site(block: gemmi.cif.Block, log: ChangeLog) -> None:
    """Add the columns that gemmi needs, fill in elements, and tell apart chains that share a name, all in place.

    Args:
        block: block with a table of atoms that lacks none of `missing_columns`.
        log: log of what a user must know.

    Raises:
        ValueError: a residue number or an alternative location has other than ASCII characters.
    """
    table = _AtomTable.of(block)
    if table is None:
        return
    table.fill("label_asym_id", table.values("auth_asym_id") or ["A"] * table.num_rows)
    table.fill("auth_asym_id", table.values("label_asym_id"))
    table.fill("label_alt_id", ["."] * table.num_rows)
    table.fill("id", [str(number) for number in range(1, table.num_rows + 1)])
    records = table.records()
    odd = next((each for each in records if not (each.altloc + each.number).isascii()), None)
    if odd is not None:
        raise ValueError(f"number {odd.number!r} or alternative location {odd.altloc!r} of {odd.residue} is not ASCII")
    table.write("type_symbol", _elements(records, table.values("type_symbol")))
    models = table.values("pdbx_PDB_model_num") or ["1"] * table.num_rows
    chains = table.values("auth_asym_id")
    for model in dict.fromkeys(models):
        rows = [row for row, other in enumerate(models) if other == model]
        found = distinct_chains([records[row] for row in rows])
        for row, name in zip(rows, found.names, strict=True):
            chains[row], models[row] = (name, model) if name is not None else (chains[row], _LEFT_OUT)
        for note in found.notes:
            log.warn(note)
    table.write("auth_asym_id", chains)
    if _LEFT_OUT in models:
        table.write("pdbx_PDB_model_num", models)


@dataclass(frozen=True)
class _AtomTable:
    """Columns of atoms by their names."""

    block: gemmi.cif.Block
    loop: gemmi.cif.Loop
    num_rows: int

    @classmethod
    def of(cls, block: gemmi.cif.Block) -> _AtomTable | None:
        loop = block.find_loop(PREFIX + "Cartn_x").get_loop()
        return None if loop is None else cls(block, loop, loop.length())

    def values(self, name: str) -> list[str]:
        """Values of a column, "" where they are not known; none if there is no such column."""
        values = [gemmi.cif.as_string(value) for value in self.block.find_loop(PREFIX + name)]
        return ["" if value in _UNKNOWN else value for value in values]

    def fill(self, name: str, values: list[str]) -> None:
        """Write the values that a column, or the whole table, lacks."""
        there = self.values(name) or [""] * self.num_rows
        self.write(name, [old or new for old, new in zip(there, values, strict=True)])

    def write(self, name: str, values: list[str]) -> None:
        """Write a column, a new one if there is none of the name; nothing where nothing changes."""
        old = self.values(name)
        if old == values:
            return
        if not old:
            self.loop.add_columns([PREFIX + name], "?")
        column = self.block.find_loop(PREFIX + name)
        for row, value in enumerate(values):
            if not old or value != old[row]:
                column[row] = gemmi.cif.quote(value) if value not in _UNKNOWN else "."

    def records(self) -> list[AtomRecord]:
        """The atoms, by the names that authors gave where there are any."""
        numbers = self._either("auth_seq_id", "label_seq_id")
        codes = self.values("pdbx_PDB_ins_code") or [""] * self.num_rows
        columns = (self.values("auth_asym_id"), self._either("auth_comp_id", "label_comp_id"))
        names, altlocs = self._either("auth_atom_id", "label_atom_id"), self.values("label_alt_id")
        places = [[gemmi.cif.as_number(value) for value in self.block.find_loop(PREFIX + f"Cartn_{x}")] for x in "xyz"]
        return [
            AtomRecord(chain, number + code, residue, atom, altloc, pos)
            for chain, residue, number, code, atom, altloc, pos in zip(
                *columns, numbers, codes, names, altlocs, zip(*places, strict=True), strict=True
            )
        ]

    def _either(self, name: str, other: str) -> list[str]:
        first, second = (self.values(each) or [""] * self.num_rows for each in (name, other))
        return [one or two for one, two in zip(first, second, strict=True)]


def _elements(records: list[AtomRecord], given: list[str]) -> list[str]:
    """Elements as given, or by the atoms' names where they are not, or where an ion has that of another atom."""
    sizes = Counter((each.chain, each.number, each.residue) for each in records)
    return [
        _element(each, symbol, is_alone=sizes[each.chain, each.number, each.residue] == 1)
        for each, symbol in zip(records, given or [""] * len(records), strict=True)
    ]


def _element(record: AtomRecord, given: str, *, is_alone: bool) -> str:
    if is_alone and parent_amino_acid(record.residue) is None:
        ion = ion_element(record.residue, record.atom)
        if ion is not None:
            return given if given.upper() == ion.upper() else ion
    if is_element(given):
        return given
    element = named_element(record.residue, record.atom, is_left_aligned=True)
    letter = record.atom.lstrip("0123456789'")[:1]
    return element or (letter if is_element(letter) else "X")
