"""Poses that another program wrote, in the atom order of the ligand that was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from rdkit import Chem

from discodock.chem.ligand import LigandRecord, heavy_indices
from discodock.chem.pdb_template import MAX_MATCHES, misfit, skeleton
from discodock.chem.stereo import labelled_stereo, perceived_stereo, with_positions
from discodock.chem.write import pose_mol
from discodock.errors import InputError

MAX_STEREO_TRIALS: Final = 50
"""Fits whose stereo is looked at before the one with the best bond lengths is taken."""


def matched_positions(ligand: LigandRecord, poses: Sequence[Chem.Mol]) -> np.ndarray:
    """Heavy-atom positions of poses in the atom order of a ligand, by elements and connectivity alone.

    Bond orders, charges and hydrogens may be lost or changed, as by a detour through PDBQT. Where the skeleton fits in
    several ways, the given order is kept if it fits, else the fit that shows the ligand's stereo and suits its bond
    lengths best is taken.

    Args:
        ligand: the ligand, as read from its file.
        poses: molecules with a conformer each, sanitised or not.

    Returns:
        Å, shape (N, L, 3).

    Raises:
        InputError: a pose is of another molecule, or has no coordinates.
    """
    return np.stack([_matched(ligand, pose, number) for number, pose in enumerate(poses, start=1)])


def _matched(ligand: LigandRecord, pose: Chem.Mol, number: int) -> np.ndarray:
    if not pose.GetNumConformers() or not np.isfinite(pose.GetConformer().GetPositions()).all():
        raise InputError(f"pose {number} has no finite coordinates")
    bare = _heavy_skeleton(pose)
    wanted = _heavy_skeleton(ligand.mol)
    if bare.GetNumAtoms() != wanted.GetNumAtoms():
        raise InputError(f"pose {number} has {bare.GetNumAtoms()} heavy atoms, the ligand {wanted.GetNumAtoms()}")
    matches = list(bare.GetSubstructMatches(wanted, uniquify=False, maxMatches=MAX_MATCHES))
    if not matches:
        raise InputError(f"pose {number} is another molecule than the ligand: elements or bonds differ")
    pos = np.asarray(bare.GetConformer().GetPositions())
    given = tuple(range(len(pos)))
    template = _heavy_template(ligand)
    matches.sort(key=lambda match: (match != given, misfit(template, match, pos)))
    for match in matches[:MAX_STEREO_TRIALS]:
        if _shows_stereo(ligand, pos[list(match)]):
            return pos[list(match)]
    return pos[list(matches[0])]


def _heavy_skeleton(mol: Chem.Mol) -> Chem.Mol:
    """The heavy atoms in order, with single bonds; works on what cannot be sanitised."""
    bare = Chem.RWMol(mol)
    bare.BeginBatchEdit()
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 1:
            bare.RemoveAtom(atom.GetIdx())
    bare.CommitBatchEdit()
    return skeleton(bare)


def _heavy_template(ligand: LigandRecord) -> Chem.Mol:
    bare = Chem.RWMol(ligand.mol)
    bare.BeginBatchEdit()
    for index in set(range(bare.GetNumAtoms())) - set(heavy_indices(ligand.mol).tolist()):
        bare.RemoveAtom(index)
    bare.CommitBatchEdit()
    return bare.GetMol()


def _shows_stereo(ligand: LigandRecord, pos: np.ndarray) -> bool:
    full = pose_mol(ligand, pos).GetConformer().GetPositions()
    return perceived_stereo(ligand.mol, with_positions(ligand.mol, full)) == labelled_stereo(ligand.mol)
