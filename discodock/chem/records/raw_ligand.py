"""A record of a ligand file as its format's reader gives it, before anything is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from discodock.chem.records.sd_tags import Tags
from discodock.failures import reason_of

if TYPE_CHECKING:
    from rdkit import Chem

RecordT = TypeVar("RecordT")

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
        tags: data items of an SDF record, as they stand there.
    """

    title: str
    mol: Chem.Mol | None
    problem: str = ""
    notes: tuple[str, ...] = ()
    tags: Tags = ()


def parse_each(parse: Callable[[RecordT], RawLigand], records: Iterable[RecordT]) -> Iterator[RawLigand]:
    """Records parsed one by one; whatever a parser stumbles over is the problem of one record.

    Args:
        parse: parser of one record.
        records: texts of the records, or what else `parse` takes.
    """
    for record in records:
        try:
            yield parse(record)
        except Exception as error:
            yield RawLigand("", None, reason_of(error))


def rdkit_reason(log: Any) -> str:
    """The first message in RDKit's captured log, as ' (message)', without its time stamp; empty if it was silent."""
    try:
        messages = str(log.messages)
    except UnicodeDecodeError:  # RDKit cuts lines anywhere, in the middle of a character too
        return ""
    lines = [re.sub(r"^\[[\d:]+\]\s*", "", line).strip() for line in messages.splitlines()]
    first = next((line for line in lines if line), "")
    return f" ({first})" if first else ""
