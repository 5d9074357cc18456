"""Reference ligands, which mark a pocket by where they lie: from ligand files, structures and PDBQT."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gemmi
import numpy as np
from scipy.spatial import cKDTree

from discodock.chem.ligand import heavy_positions, iter_ligands
from discodock.chem.ligand_formats import FORMATS, load_text
from discodock.chem.residues import is_additive, is_nucleotide, is_water, parent_amino_acid
from discodock.chem.structure_file import read_structure
from discodock.errors import InputError

MAX_POLYMER_RESIDUES: Final = 30
"""Amino acids or nucleotides of the largest peptide that may be a ligand; with more it is a receptor."""

BONDED: Final = 2.2
"""Å between heavy atoms of two residues that are one molecule."""

NAMED_RESIDUES: Final = 4
"""Residues that a sentence names; the rest is counted."""

_PDBQT: Final = re.compile(r"^(ROOT|TORSDOF|ENDROOT)\b", re.MULTILINE)
_MMCIF: Final = re.compile(r"^(data_|_atom_site\.)", re.MULTILINE)
_ATOM: Final = re.compile(r"^(ATOM  |HETATM)")
_NO_HEAVY_TYPES: Final = re.compile(r"(H[DS]?|G\d*|W)$")
"""AutoDock's types of hydrogens, of the glue of opened rings and of explicit water."""


@dataclass(frozen=True)
class PocketReference:
    """What marks a pocket.

    Attributes:
        pos: heavy atoms of the reference ligand, Å, float64, shape (L, 3).
        warnings: remarks on what else the file holds, one sentence each.
    """

    pos: np.ndarray
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Residue:
    """A residue of a structure that may be a reference ligand; positions of its heavy atoms in Å, shape (L, 3)."""

    label: str
    name: str
    pos: np.ndarray

    @property
    def is_minor(self) -> bool:
        """Whether it is a salt, an ion, a buffer or the like, which seldom is what a pocket is meant by."""
        return len(self.pos) == 1 or is_additive(self.name)

    @property
    def is_polymer(self) -> bool:
        """Whether it is an amino acid or a nucleotide."""
        return parent_amino_acid(self.name) is not None or is_nucleotide(self.name)


def read_reference(path: Path) -> PocketReference:
    """The reference ligand of a file: its first record, or the largest molecule of a structure but water and salts.

    Args:
        path: any ligand format, PDB, mmCIF or PDBQT, gzipped or not, judged by its content.

    Raises:
        InputError: the file cannot be read, has no 3-D coordinates, or is a protein.
    """
    text = load_text(path)
    if _PDBQT.search(text):
        return _largest(
            list(_pdbqt_residues(text, path)),
            path,
            _several_models(len(re.findall(r"^MODEL\b", text, re.MULTILINE)), path),
        )
    if FORMATS["pdb"].sniff(text) or _MMCIF.search(text):
        structure = read_structure(path)
        return _largest(list(_residues(structure)), path, _several_models(len(structure), path))
    records = iter_ligands(path)
    record = next(records)
    if isinstance(record, InputError):
        raise record
    if not record.has_3d:
        raise InputError(f"{path}: the reference ligand has no 3-D coordinates, so it cannot mark the pocket")
    has_more = next(records, None) is not None
    warning = f"{path}: holds several records; the first, {record.name}, marks the pocket"
    return PocketReference(heavy_positions(record.mol), (warning,) if has_more else ())


def _several_models(count: int, path: Path) -> tuple[str, ...]:
    return (f"{path}: holds {count} models; the first marks the pocket",) if count > 1 else ()


def _residues(structure: gemmi.Structure) -> Iterator[_Residue]:
    """Residues of the first model with their heavy atoms, of alternative locations the first."""
    for chain in structure[0] if len(structure) else ():
        for residue in chain:
            atoms = [atom for atom in residue.first_conformer() if not atom.is_hydrogen()]
            if atoms:
                pos = np.array([atom.pos.tolist() for atom in atoms])
                yield _Residue(f"{chain.name}:{residue.name}{residue.seqid}", residue.name, pos)


def _pdbqt_residues(text: str, path: Path) -> Iterator[_Residue]:
    """Residues of the first model of a PDBQT file, flexible side chains of the receptor left out."""
    first = text.partition("\nENDMDL")[0]
    first = re.sub(r"^BEGIN_RES.*?^END_RES", "", first, flags=re.MULTILINE | re.DOTALL)
    found: dict[tuple[str, str], list[list[float]]] = {}
    for line in filter(_ATOM.match, first.splitlines()):
        if _NO_HEAVY_TYPES.match(line[76:].strip()):
            continue
        try:
            place = [float(line[start : start + 8]) for start in (30, 38, 46)]
        except ValueError:
            place = [np.nan]
        if not np.isfinite(place).all():
            raise InputError(f"{path}: unusable coordinates ({line[30:54].strip()!r}); write the file again")
        found.setdefault((line[17:20].strip(), line[21:27].strip()), []).append(place)
    for (name, number), pos in found.items():
        yield _Residue(f"{name} {number}".strip(), name, np.array(pos))


def _largest(residues: Sequence[_Residue], path: Path, warnings: tuple[str, ...]) -> PocketReference:
    """The largest molecule of a structure, hetero groups before peptides, others named in a warning.

    Raises:
        InputError: it is a protein or a nucleic acid, or holds nothing but water.
    """
    candidates = [residue for residue in residues if not is_water(residue.name)]
    polymer = [each for each in candidates if each.is_polymer]
    if len(polymer) > MAX_POLYMER_RESIDUES:
        raise InputError(_receptor_as_reference(path, candidates, polymer))
    if not candidates:
        raise InputError(f"{path}: holds no ligand, so it cannot mark the pocket; give a file of the ligand alone")
    molecules = _molecules([each for each in candidates if not each.is_minor] or candidates)
    best = max(molecules, key=_rank)  # of equal ones the first
    if len(molecules) > 1:
        labels = [_labels(molecule) for molecule in molecules]
        what = f"holds {len(molecules)} molecules ({_listed(labels)}); {_labels(best)} marks the pocket"
        warnings += (f"{path}: {what}",)
    if best[0].is_minor:
        warnings += (f"{path}: only {_labels(best)}, a salt or an additive, marks the pocket",)
    return PocketReference(np.concatenate([residue.pos for residue in best]), warnings)


def _rank(molecule: Sequence[_Residue]) -> tuple[bool, int]:
    """What makes a molecule the ligand: pieces of a chain beside a hetero group are its pocket's wall; then size."""
    return not all(residue.is_polymer for residue in molecule), sum(len(residue.pos) for residue in molecule)


def _receptor_as_reference(path: Path, candidates: Sequence[_Residue], polymer: Sequence[_Residue]) -> str:
    """Why a file with a receptor marks no pocket, and the residues in it that could."""
    ligands = [each.label for each in candidates if each not in polymer and not each.is_minor]
    hint = (
        f"save its ligand ({_listed(ligands)}) to a file of its own" if ligands else "give a file of the ligand alone"
    )
    return f"{path}: is a receptor ({len(polymer)} residues), which cannot mark the pocket; {hint}"


def _molecules(residues: Sequence[_Residue]) -> list[list[_Residue]]:
    """Residues that are bonded to each other, as one molecule each, in the order of the file."""
    molecules: list[list[_Residue]] = []
    for residue in residues:
        near = [molecule for molecule in molecules if any(_are_bonded(residue, other) for other in molecule)]
        if not near:
            molecules.append([residue])
            continue
        near[0] += [each for molecule in near[1:] for each in molecule] + [residue]
        molecules = [molecule for molecule in molecules if all(molecule is not other for other in near[1:])]
    return molecules


def _are_bonded(one: _Residue, other: _Residue) -> bool:
    return bool((cKDTree(one.pos).query(other.pos)[0] < BONDED).any())


def _labels(molecule: Sequence[_Residue]) -> str:
    return _listed([residue.label for residue in molecule])


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - NAMED_RESIDUES} more" if len(labels) > NAMED_RESIDUES else ""
    return ", ".join(labels[:NAMED_RESIDUES]) + more
