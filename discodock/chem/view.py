"""A docked complex for a viewer: the poses, what a viewer needs of the receptor, and which residues are near a pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gemmi
import numpy as np
from rdkit import Chem, rdBase
from scipy.spatial import cKDTree

from discodock.chem.complex_file import LIGAND_NAME
from discodock.chem.pose_file import POSES
from discodock.chem.structure_file import read_structure
from discodock.errors import InputError
from discodock.input_files import read_text

CONTACT_DISTANCE: Final = 4.5
"""Å between heavy atoms of a residue and of a pose within which the residue counts as near."""

MAX_RECEPTOR_CHARACTERS: Final = 1_000_000
"""Of the receptor's PDB text; beyond, the residues farthest from the poses are left out."""

_BACKBONE: Final = frozenset({"N", "CA", "C", "O", "OXT"})
_RECORD_END: Final = "M  END"


@dataclass(frozen=True)
class ViewedPose:
    """A pose as files have it.

    Attributes:
        mol: molecule in the pose, hydrogens kept, not sanitised.
        block: MOL block of the molecule, without tags.
    """

    mol: Chem.Mol
    block: str

    @property
    def heavy_pos(self) -> np.ndarray:
        """Positions of its heavy atoms, Å, shape (L, 3)."""
        heavy = [atom.GetAtomicNum() > 1 for atom in self.mol.GetAtoms()]
        return np.asarray(self.mol.GetConformer().GetPositions())[heavy]


@dataclass(frozen=True)
class ViewedResidue:
    """A residue of the receptor, as the complex file names it."""

    chain: str
    number: int
    icode: str
    name: str

    @property
    def label(self) -> str:
        """Such as `A:ASP86`."""
        return f"{self.chain}:{self.name}{self.number}{self.icode}"


@dataclass(frozen=True)
class ViewedReceptor:
    """The receptor around some poses.

    Attributes:
        pdb: PDB text. Residues near a pose and hetero groups are complete, other amino acids are backbones.
        residues: residues near some pose, in file order.
        near: indices of the `residues` within `CONTACT_DISTANCE`, for each pose.
        ligand_chain: name of the ligand's chain in the complex file; empty if it has none.
        num_left_out: residues that are not in `pdb` because there are too many.
    """

    pdb: str
    residues: tuple[ViewedResidue, ...]
    near: tuple[tuple[int, ...], ...]
    ligand_chain: str
    num_left_out: int


def read_poses(path: Path) -> list[ViewedPose]:
    """The poses of an SDF file, in its order.

    Raises:
        InputError: the file cannot be read, or a record of it is damaged.
    """
    poses = []
    records = [record for record in read_text(path, POSES).split("$$$$\n") if record.strip()]
    for number, record in enumerate(records, start=1):
        block, end, _ = record.partition(_RECORD_END)
        with rdBase.BlockLogs():
            mol = Chem.MolFromMolBlock(block + end, sanitize=False, removeHs=False) if end else None
        if mol is None or not mol.GetNumConformers():
            raise InputError(f"{path}: record {number} cannot be read; dock this ligand again")
        poses.append(ViewedPose(mol, f"{block}{end}\n"))
    return poses


def read_side_chains(path: Path) -> list[str]:
    """PDB text of each model of a file that `write_side_chains` wrote, one for each pose.

    Raises:
        InputError: the file cannot be read.
    """
    return [_pdb_text(model) for model in read_structure(path)]


def view_receptor(
    path: Path, poses: Sequence[ViewedPose], max_characters: int = MAX_RECEPTOR_CHARACTERS
) -> ViewedReceptor:
    """The receptor of a file that `write_complex` wrote, without the ligand in it, for the display of poses.

    Args:
        path: the complex.
        poses: poses in the receptor's frame; at least one.
        max_characters: limit of the PDB text.

    Raises:
        InputError: the file cannot be used.
    """
    model = read_structure(path)[0]
    ligand = model[len(model) - 1]
    if len(model) < 2 or [residue.name for residue in ligand] != [LIGAND_NAME]:
        raise InputError(f"{path}: its last chain is not one ligand {LIGAND_NAME}; dock this ligand again")
    return _viewed_receptor(list(model)[:-1], poses, ligand.name, max_characters)


def view_bare_receptor(
    path: Path, poses: Sequence[ViewedPose], max_characters: int = MAX_RECEPTOR_CHARACTERS
) -> ViewedReceptor:
    """The receptor of a file that `write_receptor` wrote; arguments as of `view_receptor`.

    Raises:
        InputError: the file cannot be used.
    """
    return _viewed_receptor(list(read_structure(path)[0]), poses, "", max_characters)


def _viewed_receptor(
    chains: Sequence[gemmi.Chain], poses: Sequence[ViewedPose], ligand_chain: str, max_characters: int
) -> ViewedReceptor:
    residues = [(chain.name, residue) for chain in chains for residue in chain]
    gaps = _gaps([residue for _, residue in residues], poses)
    is_near = gaps <= CONTACT_DISTANCE
    shown = np.flatnonzero(is_near.any(axis=0))
    near = tuple(tuple(np.flatnonzero(row[shown]).tolist()) for row in is_near)
    pdb, num_left_out = _shortened(residues, gaps.min(axis=0), max_characters)
    viewed = tuple(_viewed(*residues[index]) for index in shown)
    return ViewedReceptor(pdb, viewed, near, ligand_chain, num_left_out)


def _gaps(residues: Sequence[gemmi.Residue], poses: Sequence[ViewedPose]) -> np.ndarray:
    """Smallest distance between the heavy atoms of each pose and of each residue, Å, shape (num_poses, N)."""
    pos = [[atom.pos.tolist() for atom in residue] for residue in residues]
    first = np.cumsum([0, *map(len, pos)])[:-1]
    atoms = np.concatenate([np.array(p) for p in pos])
    return np.stack([np.minimum.reduceat(cKDTree(pose.heavy_pos).query(atoms)[0], first) for pose in poses])


def _shortened(residues: Sequence[tuple[str, gemmi.Residue]], gaps: np.ndarray, max_characters: int) -> tuple[str, int]:
    """PDB text of the residues that fit, nearest first, and how many do not."""
    kept = [_displayed_atoms(residue, gap) for (_, residue), gap in zip(residues, gaps, strict=True)]
    sizes = np.array([len(atoms) for atoms in kept]) * _LINE
    order = np.argsort(gaps, kind="stable")
    fits = np.zeros(len(kept), dtype=bool)
    fits[order] = np.cumsum(sizes[order]) <= max_characters
    model = gemmi.Model(1)
    for (chain, residue), atoms, fit in zip(residues, kept, fits, strict=True):
        if fit:
            _add_residue(model, chain, residue, atoms)
    return _pdb_text(model), int((~fits).sum())


def _pdb_text(model: gemmi.Model) -> str:
    """The atoms of a model as PDB lines, and an end."""
    structure = gemmi.Structure()
    structure.add_model(model)
    text = structure.make_pdb_string(gemmi.PdbWriteOptions(minimal=True, cryst1_record=False, ter_records=False))
    lines = [line.rstrip() for line in text.splitlines() if line.startswith(("ATOM", "HETATM"))]
    return "\n".join([*lines, "END"]) + "\n"


_LINE: Final = 79
"""Characters of an atom's line."""


def _displayed_atoms(residue: gemmi.Residue, gap: float) -> list[gemmi.Atom]:
    is_far_amino_acid = residue.het_flag == "A" and gap > CONTACT_DISTANCE and residue.find_atom("CA", "*") is not None
    return [atom for atom in residue if not is_far_amino_acid or atom.name in _BACKBONE]


def _add_residue(model: gemmi.Model, chain: str, residue: gemmi.Residue, atoms: Sequence[gemmi.Atom]) -> None:
    if not len(model) or model[len(model) - 1].name != chain:
        model.add_chain(gemmi.Chain(chain))
    copy = gemmi.Residue()
    copy.name, copy.seqid, copy.het_flag = residue.name, residue.seqid, residue.het_flag
    for atom in atoms:
        copy.add_atom(atom)
    model[len(model) - 1].add_residue(copy)


def _viewed(chain: str, residue: gemmi.Residue) -> ViewedResidue:
    assert residue.seqid.num is not None
    return ViewedResidue(chain, residue.seqid.num, residue.seqid.icode.strip(), residue.name)
