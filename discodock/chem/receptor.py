"""What a receptor is: residues, heavy atoms in file order, and what was changed in what the file says."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

RECEPTORS_KEPT: Final = 4
"""Receptors whose features and types are kept, so that one that many ligands are docked into has them made once."""

ResidueKind = Literal["amino_acid", "metal", "cofactor", "nucleic", "other"]


@dataclass(frozen=True)
class Residue:
    """One residue or hetero group of a receptor.

    Attributes:
        chain: author chain name.
        number: author residue number.
        icode: insertion code, "" when there is none.
        name: name in the file.
        parent: standard amino acid it stands for, or an ion's name in the PDB, else `name`.
        kind: class that decides the residue type of its atoms.
    """

    chain: str
    number: int
    icode: str
    name: str
    parent: str
    kind: ResidueKind

    @property
    def label(self) -> str:
        """Chain, name, number and insertion code, such as `A:ASP86` or `H:GLY184A`."""
        return f"{self.chain}:{self.name}{self.number}{self.icode}"

    def matches(self, selector: str) -> bool:
        """Whether a selector means this residue: `HEM`, `A:301`, `A:301B`, `A:HEM301`, or `A:*` (a chain)."""
        if ":" not in selector:
            return selector.upper() in (self.name.upper(), self.parent.upper())
        chain, _, rest = selector.partition(":")
        if chain != self.chain:
            return False
        number = f"{self.number}{self.icode}".upper()
        return rest.upper() in ("*", number, f"{self.name.upper()}{number}")


@dataclass(frozen=True)
class MovedAtoms:
    """Some atoms of a receptor at other places than they were read from.

    Attributes:
        atoms: numbers of the atoms in the receptor, int64, shape (K,).
        pos: positions that the atoms moved to, Å, shape (K, 3).
    """

    atoms: np.ndarray
    pos: np.ndarray


@dataclass(frozen=True, eq=False)
class Receptor:
    """Heavy atoms of a protein and of what belongs to it, in file order; equal to itself alone, so that it is a key.

    Attributes:
        source: file it was read from.
        pos: positions in Å, shape (R, 3), float64.
        element: element symbols, shape (R,).
        atom_name: atom names, in parent naming for amino acids, shape (R,).
        residue_idx: residue of each atom, shape (R,), non-decreasing.
        residues: the N residues.
        changes: every change made to what the file says, one line each.
        warnings: sentences on what a user must know of the file, and on requests that could not be met, one line each.
    """

    source: str
    pos: np.ndarray
    element: np.ndarray
    atom_name: np.ndarray
    residue_idx: np.ndarray
    residues: tuple[Residue, ...]
    changes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def residue_labels(self) -> tuple[str, ...]:
        """Label of each residue, such as `A:ASP86`."""
        return tuple(residue.label for residue in self.residues)

    def with_moved(self, moved: MovedAtoms | None) -> "Receptor":
        """This receptor with some atoms at other places; itself if there are none."""
        if moved is None:
            return self
        pos = self.pos.copy()
        pos[moved.atoms] = moved.pos
        return replace(self, pos=pos)

    def find_residues(self, selector: str) -> list[int]:
        """Indices of the residues a selector such as `A:12`, `A:ASP12` or `HEM` means; empty when there is none."""
        return [index for index, residue in enumerate(self.residues) if residue.matches(selector)]


@dataclass
class ResidueAtoms:
    """Heavy atoms of one residue while it is being read.

    Attributes:
        names: atom names.
        elements: element symbols.
        pos: positions, Å.
        locations: positions at each alternative location of the residue, those that are not used included, Å.
        is_free: whether this is an amino acid that no bond joins to another residue.
        molecule: element symbols of the small molecule of several residues that this is a part of; else empty.
    """

    names: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    pos: list[tuple[float, float, float]] = field(default_factory=list)
    locations: list[list[tuple[float, float, float]]] = field(default_factory=list)
    is_free: bool = False
    molecule: list[str] = field(default_factory=list)
