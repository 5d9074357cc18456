"""Capped peptides as molecules: the ligands that are cut out of proteins to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from Bio.Data import PDBData
from rdkit import Chem

from discodock.chem.ligand_features import ligand_arrays

_CAP = "GLY"
_FIRST_CAP = ("CA", "C", "O")
_LAST_CAP = ("N", "CA")
# RDKit's sequences name these branches the other way round
_PDB_NAMES = {("ILE", "CG1"): "CG2", ("ILE", "CG2"): "CG1"}


@dataclass(frozen=True)
class CappedPeptide:
    """CH3-CO-(residues)-NH-CH3, whose caps are parts of the residues before and after.

    Attributes:
        arrays: the static fields of `ligand_arrays`; shared, so not to be changed.
        atoms: residue (counted from 0 for the first cap) and atom name of each of the L heavy atoms.
    """

    arrays: dict[str, np.ndarray]
    atoms: tuple[tuple[int, str], ...]


@lru_cache(maxsize=4096)
def capped_peptide(residues: tuple[str, ...]) -> CappedPeptide:
    """The peptide of standard amino acids, such as ("ALA", "TRP"), neutral, between its caps.

    Raises:
        ValueError: a name is not that of a standard amino acid.
    """
    letters = [PDBData.protein_letters_3to1.get(name, "X") for name in (_CAP, *residues, _CAP)]
    whole = Chem.MolFromSequence("".join(letters)) if "X" not in letters else None
    if whole is None:
        raise ValueError(f"{'-'.join(residues)} is no sequence of standard amino acids")
    last = len(residues) + 1
    is_kept = [_is_kept(*_place(atom), last) for atom in whole.GetAtoms()]
    cut = Chem.RWMol(whole)
    for index in reversed(np.flatnonzero(~np.array(is_kept))):
        cut.RemoveAtom(int(index))
    Chem.SanitizeMol(cut)
    return CappedPeptide(ligand_arrays(cut.GetMol()), tuple(_place(atom) for atom in cut.GetAtoms()))


def _place(atom: Chem.Atom) -> tuple[int, str]:
    info = atom.GetPDBResidueInfo()
    name = info.GetName().strip()
    return info.GetResidueNumber() - 1, _PDB_NAMES.get((info.GetResidueName(), name), name)


def _is_kept(residue: int, name: str, last: int) -> bool:
    allowed: Sequence[str] | None = _FIRST_CAP if residue == 0 else _LAST_CAP if residue == last else None
    return allowed is None or name in allowed
