"""Receptors: read a protein with its metals and cofactors, decide what belongs to it, and log every change."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import gemmi
import numpy as np
from rdkit import Chem

from discodock.chem.residues import (
    is_additive,
    is_nucleotide,
    is_standard_atom,
    is_water,
    missing_side_chain_atoms,
    parent_amino_acid,
    parent_atom,
)
from discodock.chem.structure_file import read_structure
from discodock.errors import InputError
from discodock.schema import AMINO_ACIDS

logger = logging.getLogger(__name__)

ResidueKind = Literal["amino_acid", "metal", "cofactor", "nucleic", "other"]
ReferenceLigand = Chem.Mol | np.ndarray
"""A ligand whose copy leaves the receptor: a molecule, or heavy-atom positions in Å of shape (L, 3)."""

CAPS = frozenset({"ACE", "NME", "NH2", "NMA", "FOR", "NHE2"})
MIN_COMPOSITION_ATOMS = 6  # smaller molecules share their formula with too many others
HETERO_OVERLAP = 1.0  # Å, between atoms of a hetero group and of the reference ligand to be the same atom
POLYMER_OVERLAP = 0.5  # Å, stricter: a peptide written as ATOM records may be the docked ligand
WATERS = "waters dropped"
NAMED_IN_LOG = 8  # residues named in one log line, the rest is counted


@dataclass(frozen=True)
class Residue:
    """One residue or hetero group of a receptor.

    Attributes:
        chain: author chain name.
        number: author residue number.
        icode: insertion code, "" when there is none.
        name: name in the file.
        parent: standard amino acid it stands for, else `name`.
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


@dataclass(frozen=True)
class Receptor:
    """Heavy atoms of a protein and of what belongs to it, in file order.

    Attributes:
        source: file it was read from.
        pos: positions in Å, shape (R, 3), float64.
        element: element symbols, shape (R,).
        atom_name: atom names, in parent naming for amino acids, shape (R,).
        residue_idx: residue of each atom, shape (R,), non-decreasing.
        residues: the N residues.
        changes: every change made to what the file says, one line each.
        warnings: requests that could not be met, one line each.
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
class _Atoms:
    """Heavy atoms of one residue while it is being read."""

    names: list[str] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    pos: list[tuple[float, float, float]] = field(default_factory=list)


class _ChangeLog:
    """Collects residues under the change made to them, then words one line per change."""

    def __init__(self) -> None:
        self._labels: dict[str, list[str]] = {}
        self._lines: list[str] = []

    def add(self, what: str, label: str) -> None:
        self._labels.setdefault(what, []).append(label)

    def line(self, text: str) -> None:
        self._lines.append(text)

    def lines(self) -> tuple[str, ...]:
        grouped = []
        for what, labels in self._labels.items():
            if what == WATERS:
                grouped.append(f"{what}: {len(labels)}")
                continue
            named = ", ".join(labels[:NAMED_IN_LOG])
            more = f" and {len(labels) - NAMED_IN_LOG} more" if len(labels) > NAMED_IN_LOG else ""
            grouped.append(f"{what}: {len(labels)} ({named}{more})")
        return (*self._lines, *grouped)


def read_receptor(
    path: str | Path,
    *,
    extra: str | Path | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    reference_ligands: Iterable[ReferenceLigand] = (),
) -> Receptor:
    """Read a receptor from a PDB or mmCIF file, gzipped or not.

    The first model is used, and of alternative locations the one with the highest occupancy. Hydrogens, waters,
    crystallisation additives (`discodock.chem.residues.ADDITIVES`) and copies of the reference ligands are dropped;
    metals and cofactors stay. Modified amino acids take their parent's name. Nothing is rebuilt or moved.

    Args:
        path: structure file; its format is judged by content.
        extra: further structure file that belongs to the receptor, such as `cofactors.pdb`.
        keep: residues to keep although a rule would drop them, as names (`HOH`) or chain:number (`A:301`).
        drop: residues to drop whatever they are, in the same spelling.
        reference_ligands: ligands whose own copies leave the receptor: hetero groups at the same positions (molecule
            with 3-D coordinates, or positions), or of the same composition (molecule). A metal at the position of an
            atom leaves only if the ligand is known to have that metal, or is a single atom.

    Raises:
        InputError: a file cannot be used, or holds no protein residue.
    """
    changes = _ChangeLog()
    references = [_Reference.of(ligand) for ligand in reference_ligands]
    residues: list[Residue] = []
    atoms: list[_Atoms] = []
    seen: list[Residue] = []
    for file in [path] if extra is None else [path, extra]:
        for residue, residue_atoms in _file_residues(Path(file), changes):
            seen.append(residue)
            reason = _reason_to_drop(residue, residue_atoms, keep=keep, drop=drop, references=references)
            if reason is None:
                residues.append(residue)
                atoms.append(residue_atoms)
            else:
                changes.add(reason, residue.label)
    if not any(residue.kind in ("amino_acid", "nucleic") for residue in residues):
        raise InputError(f"{path}: no protein residues found; give a structure with a protein chain")
    _log_missing_atoms(residues, atoms, changes)
    receptor = _assemble(str(path), residues, atoms, changes.lines())
    receptor = replace(receptor, warnings=_unmatched("keep", keep, seen) + _unmatched("drop", drop, seen))
    for line in receptor.changes:
        logger.info("%s: %s", path, line)
    return receptor


def _unmatched(what: str, selectors: Sequence[str], residues: list[Residue]) -> tuple[str, ...]:
    return tuple(
        f"nothing to {what}: no residue is {selector!r}"
        for selector in selectors
        if not any(residue.matches(selector) for residue in residues)
    )


def _assemble(source: str, residues: list[Residue], atoms: list[_Atoms], changes: tuple[str, ...]) -> Receptor:
    return Receptor(
        source=source,
        pos=np.array([pos for group in atoms for pos in group.pos], dtype=np.float64).reshape(-1, 3),
        element=np.array([element for group in atoms for element in group.elements]),
        atom_name=np.array([name for group in atoms for name in group.names]),
        residue_idx=np.repeat(np.arange(len(atoms)), [len(group.names) for group in atoms]),
        residues=tuple(residues),
        changes=changes,
    )


def _file_residues(path: Path, changes: _ChangeLog) -> list[tuple[Residue, _Atoms]]:
    """Residues of the first model with their heavy atoms, one alternative location each, in parent naming."""
    structure = read_structure(path)
    if len(structure) == 0:
        raise InputError(f"{path}: no atoms found; give a PDB or mmCIF file with coordinates")
    if len(structure) > 1:
        changes.line(f"{len(structure)} models: the first is used")
    found = []
    for chain in structure[0]:
        for group in _by_position(chain):
            raw = _pick_residue(group, chain.name, changes)
            residue, atoms = _read_residue(raw, chain.name, changes)
            if atoms.names:
                found.append((residue, atoms))
            elif not all(atom.is_hydrogen() for atom in raw):
                changes.add("without usable atoms", residue.label)
    return found


def _by_position(chain: gemmi.Chain) -> list[list[gemmi.Residue]]:
    """Residues of a chain, those that share a number (microheterogeneity) together."""
    groups: list[list[gemmi.Residue]] = []
    for residue in chain:
        same = bool(groups) and groups[-1][0].seqid == residue.seqid
        if same and any(atom.has_altloc() for atom in residue) and any(atom.has_altloc() for atom in groups[-1][0]):
            groups[-1].append(residue)
        else:
            groups.append([residue])
    return groups


def _pick_residue(group: list[gemmi.Residue], chain: str, changes: _ChangeLog) -> gemmi.Residue:
    if len(group) == 1:
        return group[0]
    best = max(group, key=_occupancy)
    names = "/".join(residue.name for residue in group)
    changes.add(f"two residues at one position ({names}), {best.name} kept", f"{chain}:{best.seqid}")
    return best


def _occupancy(atoms: Iterable[gemmi.Atom]) -> float:
    values = [atom.occ for atom in atoms if not atom.is_hydrogen()]
    return sum(values) / len(values) if values else 0.0


def _read_residue(raw: gemmi.Residue, chain: str, changes: _ChangeLog) -> tuple[Residue, _Atoms]:
    heavy = [atom for atom in raw if not atom.is_hydrogen()]
    residue = _classify(raw, heavy, chain)
    if any(atom.has_altloc() for atom in heavy):
        heavy = _pick_altloc(heavy)
        changes.add("alternative locations, highest occupancy kept", residue.label)
    if residue.kind == "amino_acid" and residue.name != residue.parent:
        changes.add(f"{residue.name} read as {residue.parent}", residue.label)
    atoms = _Atoms()
    has_o = any(atom.name == "O" for atom in heavy)
    for atom in heavy:
        name, element = atom.name, atom.element.name
        if residue.kind == "amino_acid":
            name, element = parent_atom(
                residue.parent, name, _amino_acid_element(residue.parent, name, element), has_o=has_o
            )
        if name in atoms.names:
            changes.add(f"second atom {name} left out", residue.label)
            continue
        atoms.names.append(name)
        atoms.elements.append(element)
        atoms.pos.append((atom.pos.x, atom.pos.y, atom.pos.z))
    return residue, atoms


def _amino_acid_element(parent: str, name: str, element: str) -> str:
    """Element of an amino-acid atom; without element columns CA can be read as calcium and NH1 as nihonium."""
    return name[0] if is_standard_atom(parent, name) else element


def _classify(raw: gemmi.Residue, heavy: list[gemmi.Atom], chain: str) -> Residue:
    name = raw.name.strip() or "UNK"
    parent, kind = name, _hetero_kind(name, heavy)
    amino_acid = parent_amino_acid(name)
    names = {atom.name for atom in heavy}
    if amino_acid is not None and "CA" in names and (name in AMINO_ACIDS or {"N", "C"} & names):
        parent, kind = amino_acid, "amino_acid"
    elif kind == "other" and {"N", "CA", "C", "O"} <= names and raw.het_flag != "H":
        kind = "amino_acid"  # unknown residue of the chain: atoms keep their names, the residue type is "other"
    return Residue(chain, raw.seqid.num or 0, raw.seqid.icode.strip(), name, parent, kind)


def _hetero_kind(name: str, heavy: list[gemmi.Atom]) -> ResidueKind:
    if len({atom.name for atom in heavy}) == 1 and heavy[0].element.is_metal:
        return "metal"
    if is_nucleotide(name):
        return "nucleic"
    return "other" if name in CAPS or name == "UNK" else "cofactor"


def _pick_altloc(heavy: list[gemmi.Atom]) -> list[gemmi.Atom]:
    """One atom per name: the location with the highest mean occupancy, or the fullest where it lacks the atom."""
    locations = sorted({atom.altloc for atom in heavy if atom.has_altloc()})
    best = max(locations, key=lambda loc: _occupancy(atom for atom in heavy if atom.altloc == loc))
    chosen: dict[str, gemmi.Atom] = {}
    for atom in heavy:
        known = chosen.get(atom.name)
        if known is None or _altloc_rank(atom, best) > _altloc_rank(known, best):
            chosen[atom.name] = atom
    return list(chosen.values())


def _altloc_rank(atom: gemmi.Atom, best: str) -> tuple[bool, float]:
    return (not atom.has_altloc() or atom.altloc == best, atom.occ)


@dataclass(frozen=True)
class _Reference:
    """What is known of a ligand whose copies leave the receptor."""

    pos: np.ndarray | None
    composition: Counter[str] | None

    @classmethod
    def of(cls, ligand: ReferenceLigand) -> "_Reference":
        if isinstance(ligand, np.ndarray):
            return cls(ligand.reshape(-1, 3), None)
        heavy = [atom for atom in ligand.GetAtoms() if atom.GetAtomicNum() > 1]
        pos = None
        if ligand.GetNumConformers() and ligand.GetConformer().Is3D():
            pos = ligand.GetConformer().GetPositions()[[atom.GetIdx() for atom in heavy]]
        return cls(pos, Counter(atom.GetSymbol() for atom in heavy))

    def overlaps(self, atoms: _Atoms, limit: float) -> bool:
        """Whether at least half of the atoms lie on atoms of the ligand (within `limit`, Å)."""
        if self.pos is None or len(self.pos) == 0:
            return False
        pos = np.array(atoms.pos)
        if (pos.min(0) > self.pos.max(0) + limit).any() or (pos.max(0) < self.pos.min(0) - limit).any():
            return False
        distance = np.linalg.norm(pos[:, None] - self.pos[None], axis=-1)
        return bool((distance.min(1) < limit).mean() >= 0.5)

    def may_hold(self, metal: str) -> bool:
        """Whether a metal ion may be the ligand's, rather than one of the protein that the pose came close to."""
        if self.composition is not None:
            return metal in self.composition or self.composition.total() == 1
        return self.pos is not None and len(self.pos) == 1

    def has_composition(self, atoms: _Atoms) -> bool:
        """Whether the atoms have the ligand's heavy-atom composition."""
        if self.composition is None or len(atoms.names) < MIN_COMPOSITION_ATOMS:
            return False
        return Counter(atoms.elements) == self.composition


def _reason_to_drop(
    residue: Residue, atoms: _Atoms, *, keep: Sequence[str], drop: Sequence[str], references: list[_Reference]
) -> str | None:
    if any(residue.matches(selector) for selector in drop):
        return "dropped as asked"
    if any(residue.matches(selector) for selector in keep):
        return None
    if is_water(residue.name):
        return WATERS
    is_hetero = residue.kind in ("cofactor", "metal")
    limit = HETERO_OVERLAP if is_hetero else POLYMER_OVERLAP
    if any(_is_copy(reference, residue, atoms, limit) for reference in references):
        return "copy of the ligand dropped (same position)"
    if is_hetero and any(reference.has_composition(atoms) for reference in references):
        return "copy of the ligand dropped (same composition)"
    return "crystallisation additives dropped" if is_hetero and is_additive(residue.name) else None


def _is_copy(reference: _Reference, residue: Residue, atoms: _Atoms, limit: float) -> bool:
    """Whether a residue lies where the ligand does and may be it."""
    is_ion = residue.kind == "metal" and len(atoms.names) == 1
    return reference.overlaps(atoms, limit) and (not is_ion or reference.may_hold(atoms.elements[0]))


def _log_missing_atoms(residues: list[Residue], atoms: list[_Atoms], changes: _ChangeLog) -> None:
    for residue, group in zip(residues, atoms, strict=True):
        if residue.kind == "amino_acid" and missing_side_chain_atoms(residue.parent, set(group.names)):
            changes.add("incomplete side chains, used as they are", residue.label)
