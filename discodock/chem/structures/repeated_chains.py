"""Chains that share a name: the copies of a multimer whose file has no chain names, or the same for several chains."""

import math
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from discodock.chem.residues import is_nucleotide, is_water, parent_amino_acid

SAME_ATOM: Final = 0.5
"""Å between two atoms of one name below which the second is a repetition of the first, not an atom of a copy."""

CLASH: Final = 2.0
"""Å; atoms of two molecules that are both there are farther apart."""

MAX_CLASHING: Final = 0.2
"""Share of atoms in a clash below which two molecules stand apart."""

_LETTERS: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class AtomRecord:
    """What a structure file says of one atom.

    Attributes:
        chain: chain name, "" if there is none.
        number: residue number and insertion code, as written.
        residue: residue name.
        atom: atom name.
        altloc: alternative location, "" if there is none.
        pos: position, Å.
    """

    chain: str
    number: str
    residue: str
    atom: str
    altloc: str
    pos: tuple[float, float, float]


@dataclass(frozen=True)
class DistinctChains:
    """Names of chains that tell apart those which shared one.

    Attributes:
        names: chain name of each atom; None where the atom is of another structure in the place of the first.
        notes: sentences on names that several chains shared, and on atoms that are left out.
    """

    names: list[str | None]
    notes: list[str]


@dataclass
class _Copy:
    """The residues of one chain, or of one of several chains that share a name; `first` is the first of them."""

    name: str | None
    first: str = ""
    is_water: bool = True
    atoms: dict[tuple[str, str, str], tuple[float, float, float]] = field(default_factory=dict)
    polymer: dict[str, str] = field(default_factory=dict)


class _SharedName:
    """Tells apart the chains of one name; a residue goes to the latest chain that can hold it."""

    def __init__(self, name: str) -> None:
        self.copies = [_Copy(name)]
        self.current = 0
        self.last = ("", "")

    def place(self, run: Sequence[AtomRecord]) -> int:
        """The copy to which the next residue belongs."""
        first = run[0]
        is_polymer = _is_polymer(first.residue)
        earlier = [] if is_polymer else range(self.current)  # hetero groups may stand after all chains
        order = [self.current, *range(self.current + 1, len(self.copies)), *earlier]
        found = next((index for index in order if self._has_room(self.copies[index], run)), len(self.copies))
        if found == len(self.copies):
            self.copies.append(_Copy("", f"{first.residue}{first.number.strip()}"))
        copy = self.copies[found]
        copy.is_water &= is_water(first.residue)
        if not any(each.altloc for each in run):
            copy.atoms |= {(first.number, first.residue, each.atom): each.pos for each in run}
            copy.polymer |= {first.number: first.residue} if is_polymer else {}
        if is_polymer:
            self.current = found
        self.last = (first.number, first.residue)
        return found

    def _has_room(self, copy: _Copy, run: Sequence[AtomRecord]) -> bool:
        first = run[0]
        if any(each.altloc for each in run):
            return True
        is_next = self.last == (first.number, first.residue)
        if first.number != self.last[0] and _is_polymer(first.residue):
            there = copy.polymer.get(first.number)
            if there is not None and there != first.residue:
                return False
        known = [(copy.atoms.get((first.number, first.residue, each.atom)), each.pos) for each in run]
        gaps = [math.dist(old, new) for old, new in known if old is not None]
        is_part = is_next and len(run) < sum(key[:2] == self.last for key in copy.atoms)  # an unmarked alternative
        return not gaps or is_part or min(gaps) < SAME_ATOM


def stand_apart(pos: np.ndarray, other: np.ndarray) -> bool:
    """Whether two sets of atoms lie beside each other, as copies of a molecule do, rather than in the same place.

    Args:
        pos: positions, Å, shape (N, 3).
        other: positions, Å, shape (M, 3).
    """
    return len(pos) == 0 or len(other) == 0 or bool((cKDTree(pos).query(other)[0] < CLASH).mean() < MAX_CLASHING)


def distinct_chains(records: Sequence[AtomRecord]) -> DistinctChains:
    """Tell apart the chains of one model which share a name, by residues that come up again elsewhere.

    Residues that come up again in the same place, or as an alternative location, are no further chain; a whole chain
    that does so, as a further model would, is left out.

    Args:
        records: atoms of the model, in file order.
    """
    shared: dict[str, _SharedName] = {}
    placed: list[tuple[_SharedName, int, int]] = []
    for run in _runs(records):
        name = shared.setdefault(run[0].chain, _SharedName(run[0].chain))
        placed.append((name, name.place(run), len(run)))
    if all(len(name.copies) == 1 for name in shared.values()):
        return DistinctChains([record.chain for record in records], [])
    free = (name for name in _chain_names() if name not in shared)
    notes = [note for name in shared.values() if len(name.copies) > 1 for note in _name_copies(name, free)]
    return DistinctChains([name.copies[index].name for name, index, count in placed for _ in range(count)], notes)


def _name_copies(shared: _SharedName, free: Iterator[str]) -> list[str]:
    """Name the chains that share a name, those in the place of others by None; returns what to say of it."""
    was = shared.copies[0].name
    there: list[np.ndarray] = []
    for number, copy in enumerate(shared.copies):
        pos = np.array(list(copy.atoms.values())).reshape(-1, 3)
        is_apart = all(stand_apart(other, pos) for other in there)
        if number or not was:
            copy.name = next(free) if is_apart else None
        there += [pos] if is_apart else []
    further = [copy for copy in shared.copies[1:] if not copy.is_water]
    kept = [copy.name for copy in (shared.copies[0], *further) if copy.name is not None]
    notes = []
    if len(kept) > 1:
        what = f"several chains have the name {was}" if was else "chains without names have the same residue numbers"
        example = next(copy.first for copy in further if copy.name is not None)
        notes.append(f"{what} (from {example} on): they are read as chains {', '.join(kept)}")
    left_out = [copy.first for copy in further if copy.name is None]
    if left_out:
        notes.append(f"residues that come up again in the same place, from {left_out[0]} on, are left out")
    return notes


def _runs(records: Sequence[AtomRecord]) -> Iterator[list[AtomRecord]]:
    """Atoms of one residue in a row; a second atom of a name begins a new run."""
    run: list[AtomRecord] = []
    atoms: set[tuple[str, str]] = set()
    for record in records:
        same = run and (run[0].chain, run[0].number, run[0].residue) == (record.chain, record.number, record.residue)
        if not same or (record.atom, record.altloc) in atoms:
            if run:
                yield run
            run, atoms = [], set()
        run.append(record)
        atoms.add((record.atom, record.altloc))
    if run:
        yield run


def _is_polymer(residue: str) -> bool:
    return parent_amino_acid(residue) is not None or is_nucleotide(residue)


def _chain_names() -> Iterator[str]:
    yield from _LETTERS
    yield from map("".join, product(_LETTERS, repeat=2))
