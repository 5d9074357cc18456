"""Stereochemistry: what a 3-D structure shows, what a molecule leaves open, and whether the two agree."""

from __future__ import annotations

import numpy as np
from rdkit import Chem, rdBase


def with_positions(mol: Chem.Mol, pos: np.ndarray) -> Chem.Mol:
    """A copy of the molecule with one 3-D conformer, coordinates in Å, shape (atoms, 3)."""
    copy = Chem.Mol(mol, confId=-2)  # no conformer has id -2: none is copied
    copy.RemoveAllConformers()
    conformer = Chem.Conformer(mol.GetNumAtoms())
    conformer.Set3D(True)
    conformer.SetPositions(np.ascontiguousarray(pos, dtype=np.float64))
    copy.AddConformer(conformer, assignId=True)
    return copy


def perceived_stereo(reference: Chem.Mol, mol: Chem.Mol) -> str:
    """Isomeric SMILES of `mol` with the stereo of its 3-D conformer, at the centres that `reference` defines.

    Centres that the reference leaves open may have any hand in a pose, so they are cleared.

    Args:
        reference: molecule with stereo labels, same atom and bond order as `mol`.
        mol: molecule with a 3-D conformer.
    """
    shown = Chem.Mol(mol)
    with rdBase.BlockLogs():
        Chem.AssignStereochemistryFrom3D(shown, replaceExistingTags=True)
    for atom, wanted in zip(shown.GetAtoms(), reference.GetAtoms(), strict=True):
        if wanted.GetChiralTag() == Chem.ChiralType.CHI_UNSPECIFIED:
            atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    for bond, wanted in zip(shown.GetBonds(), reference.GetBonds(), strict=True):
        if wanted.GetStereo() in (Chem.BondStereo.STEREONONE, Chem.BondStereo.STEREOANY):
            bond.SetStereo(Chem.BondStereo.STEREONONE)
    return labelled_stereo(shown)


def labelled_stereo(mol: Chem.Mol) -> str:
    """Canonical isomeric SMILES of the molecule's own stereo labels."""
    return str(Chem.MolToSmiles(Chem.Mol(mol), isomericSmiles=True))
