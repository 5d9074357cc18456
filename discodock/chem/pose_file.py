"""Reading the poses that a docking program wrote."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from rdkit import Chem, rdBase

from discodock.errors import InputError


def read_poses(path: Path) -> list[Chem.Mol]:
    """Molecules of an SDF file in its order, not sanitised, hydrogens kept.

    Args:
        path: `.sdf` or `.sdf.gz`.

    Raises:
        InputError: the file cannot be read, holds no record, or one of them is damaged.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", errors="replace")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__}); write it again") from None
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs():
        supplier.SetData(text, sanitize=False, removeHs=False, strictParsing=False)
        mols = list(supplier) if text.strip() else []
    if not mols:
        raise InputError(f"{path}: holds no pose; write it again")
    damaged = next((number for number, mol in enumerate(mols, start=1) if mol is None), None)
    if damaged is not None:
        raise InputError(f"{path}: record {damaged} is damaged; write it again")
    return mols
