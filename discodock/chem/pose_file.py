"""Reading the poses that a docking program wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rdkit import Chem, rdBase

from discodock.chem.records.sd_tags import set_properties, split_record, split_records
from discodock.errors import InputError
from discodock.input_files import InputKind, read_text

POSES: Final = InputKind("file of poses", "write it again")


def read_poses(path: Path) -> list[Chem.Mol]:
    """Molecules of an SDF file in its order, not sanitised, hydrogens kept.

    Args:
        path: `.sdf` or `.sdf.gz`.

    Raises:
        InputError: the file cannot be read, holds no record, or one of them is damaged.
    """
    text = read_text(path, POSES)
    mols = []
    for number, record in enumerate(split_records(text), start=1):
        mol = _read_pose(record)
        if mol is None:
            raise InputError(f"{path}: record {number} is damaged; write it again")
        mols.append(mol)
    if not mols:
        raise InputError(f"{path}: holds no pose; write it again")
    return mols


def _read_pose(record: str) -> Chem.Mol | None:
    block, tags = split_record(record)
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs():
        supplier.SetData(block, sanitize=False, removeHs=False, strictParsing=False)
        mol = next(supplier, None)
    if mol is not None:
        set_properties(mol, tags)
    return mol
