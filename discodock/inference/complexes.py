"""Crystal complexes as docking inputs: the data sets that `prepare` reads, one complex at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from discodock.chem.ligand import LigandRecord, heavy_positions, read_ligand
from discodock.chem.protein import Receptor, read_receptor
from discodock.data.datasets.complexes import ComplexesDataset
from discodock.data.datasets.pdbbind import PDBBindDataset
from discodock.data.datasets.source import EXCLUDED, SourceComplex, Unusable, split_of_name
from discodock.data.datasets.split_table import SplitTable, read_split_table
from discodock.errors import InputError

__all__ = [
    "CrystalComplex",
    "SourceComplex",
    "SplitTable",
    "Unusable",
    "list_complexes",
    "read_complex",
    "read_split_table",
]


@dataclass(frozen=True)
class CrystalComplex:
    """A complex that was read.

    Attributes:
        receptor: without the ligand's own copies.
        ligand: in its crystal pose.
        crystal_pos: the ligand's heavy atoms, Å, float64, shape (L, 3).
    """

    receptor: Receptor
    ligand: LigandRecord
    crystal_pos: np.ndarray


def list_complexes(
    source: Path, split: str | None = None, table: SplitTable | None = None
) -> Iterator[SourceComplex | Unusable]:
    """Complexes of a folder (`<id>/protein.pdb`, or PDBBind's names), else of its shards, or of one shard.

    Args:
        source: folder or `.tar.xz` shard; an `index.csv` beside the complexes gives splits and families.
        split: only complexes of this split; archives whose name speaks of another one are not opened.
        table: splits and families that replace those of the source.

    Yields:
        Complexes, and those that are incomplete with the reason; ones that the index leaves out are passed over. With
        a split, an incomplete complex counts if it is in it, or if its split is not known.

    Raises:
        InputError: the source holds no complexes or cannot be read.
    """
    dataset = _dataset(source)
    if split is not None and table is None and isinstance(dataset, ComplexesDataset):
        dataset.archives = [path for path in dataset.archives if split_of_name(path.name) in (None, split)]
    for entry in dataset:
        if isinstance(entry, Unusable):
            if table is not None:
                entry = replace(entry, split=table.split.get(entry.id, ""))
            if entry.stage != EXCLUDED and (split is None or entry.split in ("", split)):
                yield entry
            continue
        if table is not None:
            cluster = table.cluster.get(entry.id) or entry.cluster
            entry = replace(entry, split=table.split.get(entry.id, ""), cluster=cluster)
        if split is None or entry.split == split:
            yield entry


def _dataset(source: Path) -> ComplexesDataset | PDBBindDataset:
    """The layout of a source; folders of either layout before archives, such as the download that they came in."""
    try:
        complexes = ComplexesDataset(source)
    except InputError:
        if not source.is_dir():
            raise
        return PDBBindDataset(source, needs_splits=False)
    if complexes.folders or not source.is_dir():
        return complexes
    try:
        return PDBBindDataset(source, needs_splits=False)
    except InputError:
        return complexes


def read_complex(source: SourceComplex) -> CrystalComplex:
    """Read receptor and crystal ligand of a complex.

    Raises:
        InputError: a file cannot be used, or the ligand has no coordinates.
    """
    with tempfile.TemporaryDirectory(prefix="discodock-") as name:
        folder = Path(name)
        for file, content in source.files.items():
            (folder / file).write_bytes(content)
        try:
            ligand = _first_readable([folder / file for file in source.ligands])
            if not ligand.has_3d:
                raise InputError("the ligand has no 3-D coordinates, so there is no pose to compare with")
            extra = None if source.cofactors is None else folder / source.cofactors
            receptor = read_receptor(folder / source.protein, extra=extra, reference_ligands=[ligand.mol])
        except InputError as error:
            raise InputError(f"{source.where}: {str(error).replace(f'{folder}/', '')}") from None
    return CrystalComplex(receptor, ligand, heavy_positions(ligand.mol))


def _first_readable(paths: list[Path]) -> LigandRecord:
    """Ligand of the first file that can be read: of PDBBind's SDF and MOL2, one or the other fails for some."""
    reasons = []
    for path in paths:
        try:
            return read_ligand(path)
        except InputError as error:
            reasons.append(str(error))
    raise InputError("; ".join(reasons))
