"""Receptors from PDB and mmCIF files: a protein with its metals and cofactors, and a log of every change."""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np

from discodock.chem.receptor import Receptor, Residue, ResidueAtoms, ResidueKind
from discodock.chem.receptor_selection import ReceptorSelection, ReferenceLigand
from discodock.chem.residues import (
    is_nucleotide,
    is_pseudo_atom,
    is_standard_atom,
    is_water,
    missing_side_chain_atoms,
    parent_amino_acid,
    parent_atom,
)
from discodock.chem.structure_file import read_structure
from discodock.chem.structures.change_log import ChangeLog
from discodock.chem.structures.elements import ION_NAMES, ion_element
from discodock.chem.structures.molecules import mark_molecules
from discodock.chem.structures.receptor_checks import check_receptor
from discodock.chem.structures.repeated_chains import SAME_ATOM
from discodock.errors import InputError
from discodock.schema import AMINO_ACIDS

logger = logging.getLogger(__name__)

CAPS = frozenset({"ACE", "NME", "NH2", "NMA", "FOR", "NHE2"})
Position = tuple[float, float, float]


def read_receptor(
    path: str | Path,
    *,
    extra: str | Path | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    reference_ligands: Iterable[ReferenceLigand] = (),
) -> Receptor:
    """Read a receptor from a PDB, PDBQT or mmCIF file, gzipped or not.

    The first model is used, and of alternative locations the one with the highest occupancy. Hydrogens, waters,
    crystallisation additives (`discodock.chem.residues.ADDITIVES`) and copies of the reference ligands are dropped;
    metals and cofactors stay. Modified amino acids take their parent's name. Nothing is rebuilt or moved. The
    receptor's `warnings` say what changes the meaning of poses: chains of one name, models, cuts, overlaps, atoms that
    are left out.

    Args:
        path: structure file; its format is judged by content.
        extra: further structure file that belongs to the receptor, such as `cofactors.pdb`.
        keep: residues to keep although a rule would drop them, as names (`HOH`) or chain:number (`A:301`).
        drop: residues to drop whatever they are, in the same spelling.
        reference_ligands: ligands whose own copies leave the receptor: hetero groups at the same positions (molecule
            with 3-D coordinates, or positions), or of the same composition (molecule). A metal at the position of an
            atom leaves only if the ligand is known to have that metal, or is a single atom.

    Raises:
        InputError: a file cannot be used, holds no protein residue or only its trace, or puts atoms where none can be.
    """
    changes = ChangeLog()
    selection = ReceptorSelection(keep, drop, reference_ligands)
    residues: list[Residue] = []
    atoms: list[ResidueAtoms] = []
    seen: list[Residue] = []
    for file in [path] if extra is None else [path, extra]:
        for residue, residue_atoms in _file_residues(Path(file), changes):
            seen.append(residue)
            reason = selection.reason_to_drop(residue, residue_atoms)
            if reason is None:
                residues.append(residue)
                atoms.append(residue_atoms)
            else:
                changes.add(reason, residue.label)
    if not any(residue.kind in ("amino_acid", "nucleic") for residue in residues):
        raise InputError(f"{path}: no protein residues found; give a structure with a protein chain")
    _log_missing_atoms(residues, atoms, changes)
    receptor = _assemble(str(path), residues, atoms)
    check_receptor(receptor, changes)
    receptor = replace(receptor, changes=changes.lines(), warnings=(*changes.warnings(), *selection.unmatched(seen)))
    for line in receptor.changes:
        logger.info("%s: %s", path, line)
    return receptor


def _assemble(source: str, residues: list[Residue], atoms: list[ResidueAtoms]) -> Receptor:
    return Receptor(
        source=source,
        pos=np.array([pos for group in atoms for pos in group.pos], dtype=np.float64).reshape(-1, 3),
        element=np.array([element for group in atoms for element in group.elements]),
        atom_name=np.array([name for group in atoms for name in group.names]),
        residue_idx=np.repeat(np.arange(len(atoms)), [len(group.names) for group in atoms]),
        residues=tuple(residues),
    )


def _file_residues(path: Path, changes: ChangeLog) -> list[tuple[Residue, ResidueAtoms]]:
    """Residues of the first model with their heavy atoms, one alternative location each, in parent naming."""
    structure = read_structure(path, changes)
    if len(structure) == 0:
        raise InputError(f"{path}: no atoms found; give a PDB or mmCIF file with coordinates")
    found = []
    for chain in structure[0]:
        for group in _by_position(chain):
            raw = _pick_residue(group, chain.name, changes)
            residue, atoms = _read_residue(raw, chain.name, changes)
            atoms.locations = _locations(group)
            if atoms.names:
                found.append((residue, atoms))
            elif not all(atom.is_hydrogen() for atom in raw):
                changes.add("without usable atoms", residue.label)
    mark_molecules([atoms for _, atoms in found])
    return found


def _locations(group: list[gemmi.Residue]) -> list[list[Position]]:
    """Heavy atoms of each alternative location, of all residues at one position."""
    named = [(raw.name, atom.altloc, atom) for raw in group for atom in raw if not atom.is_hydrogen()]
    places = dict.fromkeys((name, altloc) for name, altloc, _ in named if altloc != "\0")
    found: list[list[Position]] = []
    for name, altloc in places:
        atoms = [atom for of, at, atom in named if of == name and at in ("\0", altloc)]
        found.append([(atom.pos.x, atom.pos.y, atom.pos.z) for atom in atoms])
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


def _pick_residue(group: list[gemmi.Residue], chain: str, changes: ChangeLog) -> gemmi.Residue:
    if len(group) == 1:
        return group[0]
    best = max(group, key=_occupancy)
    names = "/".join(residue.name for residue in group)
    changes.add(f"two residues at one position ({names}), {best.name} kept", f"{chain}:{best.seqid}")
    return best


def _occupancy(atoms: Iterable[gemmi.Atom]) -> float:
    values = [atom.occ for atom in atoms if not atom.is_hydrogen()]
    return sum(values) / len(values) if values else 0.0


def _read_residue(raw: gemmi.Residue, chain: str, changes: ChangeLog) -> tuple[Residue, ResidueAtoms]:
    atoms_and_points = [atom for atom in raw if not atom.is_hydrogen()]
    heavy = [atom for atom in atoms_and_points if not is_pseudo_atom(raw.name, atom.name, atom.element.name)]
    residue = _classify(raw, heavy, chain)
    if len(heavy) < len(atoms_and_points) and not is_water(residue.name):
        changes.add("points in space that are no atoms dropped", residue.label)
    if any(atom.has_altloc() for atom in heavy):
        heavy = _pick_altloc(heavy)
        changes.add("alternative locations, highest occupancy kept", residue.label)
    if residue.kind in ("amino_acid", "metal", "cofactor") and residue.name != residue.parent:
        changes.add(f"{residue.name} read as {residue.parent}", residue.label)
    atoms = ResidueAtoms(is_free=residue.kind == "amino_acid" and _may_be_free(raw))
    has_o = any(atom.name == "O" for atom in heavy)
    for atom in heavy:
        name, element = atom.name, atom.element.name
        if residue.kind == "amino_acid":
            name, element = parent_atom(
                residue.parent, name, _amino_acid_element(residue.parent, name, element), has_o=has_o
            )
        if name in atoms.names:
            gap = math.dist(atoms.pos[atoms.names.index(name)], atom.pos.tolist())
            changes.add(
                f"second atom {name} left out", residue.label, is_warning=gap > SAME_ATOM and not is_water(residue.name)
            )
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
    parent, kind = _ion_name(name, heavy), _hetero_kind(name, heavy)
    amino_acid = parent_amino_acid(name)
    names = {atom.name for atom in heavy}
    if amino_acid is not None and "CA" in names and (name in AMINO_ACIDS or {"N", "C"} & names):
        parent, kind = amino_acid, "amino_acid"
    elif kind == "other" and {"N", "CA", "C", "O"} <= names and raw.het_flag != "H":
        kind = "amino_acid"  # unknown residue of the chain: atoms keep their names, the residue type is "other"
    return Residue(chain, raw.seqid.num or 0, raw.seqid.icode.strip(), name, parent, kind)


def _may_be_free(raw: gemmi.Residue) -> bool:
    """Whether an amino acid is a hetero group or whole with both ends, as a bound one is."""
    return raw.het_flag == "H" or "OXT" in raw


def _ion_name(name: str, heavy: list[gemmi.Atom]) -> str:
    """The PDB's name of an ion that another program's name means; any other name as it is."""
    is_foreign = name.upper() in ION_NAMES or not name.isalnum()
    element = ion_element(name, heavy[0].name) if is_foreign and len({atom.name for atom in heavy}) == 1 else None
    if element is None:
        return name
    return "IOD" if element == "I" else element.upper()


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


def _log_missing_atoms(residues: list[Residue], atoms: list[ResidueAtoms], changes: ChangeLog) -> None:
    for residue, group in zip(residues, atoms, strict=True):
        if residue.kind == "amino_acid" and missing_side_chain_atoms(residue.parent, set(group.names)):
            changes.add("incomplete side chains, used as they are", residue.label)
