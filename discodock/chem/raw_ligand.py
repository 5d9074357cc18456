"""A record of a ligand file as its format's reader gives it, before anything is checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rdkit import Chem

ATOM_NAME: Final = "name"
"""Atom property with the name of an atom in MOL2 and PDB; SDF carries it as RDKit's `atom.prop.name` tag."""

NOT_A_NUMBER: Final = re.compile(r"(?i)(?<![\w.])[-+]?(nan|inf(inity)?)(?![\w.])")
"""Coordinates that are no numbers, in the words of other programs."""


@dataclass(frozen=True)
class RawLigand:
    """One record of a file, before sanitisation.

    Attributes:
        title: name in the record, may be empty.
        mol: molecule as drawn, unsanitised, hydrogens kept; None if it could not be parsed.
        problem: reason why `mol` is None, one line; empty otherwise.
        notes: guesses made while parsing that a user should know of, one sentence each.
    """

    title: str
    mol: Chem.Mol | None
    problem: str = ""
    notes: tuple[str, ...] = ()


def rdkit_reason(messages: str) -> str:
    """The first message RDKit logged, as ' (message)', without its time stamp; empty if it was silent."""
    lines = [re.sub(r"^\[[\d:]+\]\s*", "", line).strip() for line in messages.splitlines()]
    first = next((line for line in lines if line), "")
    return f" ({first})" if first else ""
