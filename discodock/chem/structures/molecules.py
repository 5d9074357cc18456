"""Which residues of a structure are bonded to each other: small molecules of several residues, and of one."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from discodock.chem.receptor import ResidueAtoms

MAX_BOND: Final = 1.85
"""Å between bonded heavy atoms of two residues: peptide, glycosidic and thioether bonds, not those to metals."""

MAX_RESIDUES: Final = 20
"""Residues of the largest molecule that may be a ligand, such as a peptide or a glycan."""


def mark_molecules(residues: Sequence[ResidueAtoms]) -> None:
    """Note of each residue whether it is one of several of a small molecule, or an amino acid bonded to none.

    Args:
        residues: residues of a structure, metals and waters included; their `molecule` and `is_free` are set.
    """
    sizes = [len(atoms.pos) for atoms in residues]
    owner = np.repeat(np.arange(len(residues)), sizes)
    if len(owner) == 0:
        return
    pos = np.array([place for atoms in residues for place in atoms.pos])
    pairs = owner[cKDTree(pos).query_pairs(MAX_BOND, output_type="ndarray")]
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(residues),) * 2)
    _, label = connected_components(links, directed=False)
    count = np.bincount(label)
    for atoms, number in zip(residues, count[label].tolist(), strict=True):
        atoms.is_free = atoms.is_free and number == 1
    for number in np.flatnonzero((count > 1) & (count <= MAX_RESIDUES)).tolist():
        members = [residues[index] for index in np.flatnonzero(label == number).tolist()]
        elements = [element for atoms in members for element in atoms.elements]
        for atoms in members:
            atoms.molecule = elements
