"""Ligands as read from a file or a SMILES string, with everything a user put into them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase

from discodock.errors import InputError


@dataclass(frozen=True)
class LigandRecord:
    """One ligand as the user gave it; poses are written back onto this molecule.

    Attributes:
        name: title of the record, or the file's stem.
        mol: sanitised molecule with the input's atom order, hydrogens, charges, stereo and SD tags.
        has_3d: whether `mol` carries a 3-D conformer (its coordinates, Å).
        source: where it came from, for messages ("ligands.sdf, record 3").
        warnings: what was changed or guessed while reading, one sentence each.
    """

    name: str
    mol: Chem.Mol
    has_3d: bool
    source: str
    warnings: tuple[str, ...] = ()


def heavy_molecule(mol: Chem.Mol) -> Chem.Mol:
    """The molecule without explicit hydrogens, its heavy atoms in the same order; coordinates are dropped."""
    bare = Chem.RemoveAllHs(mol)
    bare.RemoveAllConformers()
    return bare


def heavy_indices(mol: Chem.Mol) -> np.ndarray:
    """Indices of the heavy atoms in `mol`, ascending, int64, shape (L,)."""
    return np.array([atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum() != 1], dtype=np.int64)


def heavy_positions(mol: Chem.Mol) -> np.ndarray:
    """Coordinates of the heavy atoms of the molecule's first conformer, Å, float64, shape (L, 3)."""
    return np.asarray(mol.GetConformer().GetPositions())[heavy_indices(mol)]


def read_ligands(source: str | Path, *, template_smiles: str | None = None) -> list[LigandRecord]:
    """Read every ligand of a file."""
    path = Path(source)
    if not path.is_file():
        raise InputError(f"{path}: no such ligand file; check the path")
    records = []
    with rdBase.BlockLogs():
        for number, mol in enumerate(Chem.SDMolSupplier(str(path), removeHs=False), start=1):
            if mol is None:
                raise InputError(f"{path}: record {number} is not a readable molecule; check the file")
            Chem.AssignStereochemistryFrom3D(mol)
            name = mol.GetProp("_Name").strip() or path.stem
            records.append(LigandRecord(name, mol, has_3d=True, source=f"{path}, record {number}"))
    return records


def read_ligand(source: str | Path, *, template_smiles: str | None = None) -> LigandRecord:
    """Read the only ligand of a file; `InputError` if there are several."""
    records = read_ligands(source, template_smiles=template_smiles)
    if len(records) != 1:
        raise InputError(f"{source}: {len(records)} ligands where one is needed; split the file")
    return records[0]
