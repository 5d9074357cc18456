"""Crystal complexes of a data set, one at a time: which there are, and receptor and ligand of each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from discodock.chem.ligand import LigandRecord, heavy_positions, read_ligand
from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor import Receptor
from discodock.data.datasets.registry import open_dataset
from discodock.data.datasets.source import EXCLUDED, SkippedComplex, SourceComplex
from discodock.data.datasets.split_table import SplitTable
from discodock.errors import DiscodockError, InputError


class StageError(DiscodockError):
    """A complex that cannot be used, with the stage that refused it."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage


@dataclass(frozen=True)
class CrystalComplex:
    """A complex that was read.

    Attributes:
        receptor: receptor without the ligand's own copies.
        ligand: ligand in its crystal pose.
        crystal_pos: positions of the ligand's heavy atoms, Å, float64, shape (L, 3).
    """

    receptor: Receptor
    ligand: LigandRecord
    crystal_pos: np.ndarray


def list_complexes(
    source: Path, split: str | None = None, table: SplitTable | None = None
) -> Iterator[SourceComplex | SkippedComplex]:
    """Complexes of a source in any layout of `datasets.registry.DATASETS`.

    Args:
        source: folder of complexes, or one shard.
        split: only complexes of this split; archives whose name speaks of another one are not opened.
        table: splits and families that replace those of the source.

    Yields:
        Complexes, and those that are incomplete with the reason; ones that the index leaves out are passed over. With
        a split, an incomplete complex counts if it is in it, or if its split is not known.

    Raises:
        InputError: the source holds no complexes or cannot be read.
    """
    dataset = open_dataset(source)
    if split is not None and table is None:
        dataset.skip_other_splits(split)
    for entry in dataset:
        if isinstance(entry, SkippedComplex):
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


def read_complex(source: SourceComplex, *, keep: Sequence[str] = (), drop: Sequence[str] = ()) -> CrystalComplex:
    """Read receptor and crystal ligand of a complex, as `read_crystal` does, for whoever needs no stage.

    Args:
        source: files of the complex.
        keep: residues kept although a rule drops them, by name or chain:number.
        drop: residues dropped, likewise.

    Raises:
        InputError: the complex cannot be used; the message says where it lies.
    """
    try:
        return read_crystal(source, keep=keep, drop=drop)
    except StageError as error:
        raise InputError(f"{source.where}: {error}") from None


def read_crystal(source: SourceComplex, *, keep: Sequence[str] = (), drop: Sequence[str] = ()) -> CrystalComplex:
    """Read receptor and crystal ligand of a complex.

    Args:
        source: files of the complex.
        keep: residues kept although a rule drops them, by name or chain:number.
        drop: residues dropped, likewise.

    Raises:
        StageError: a file cannot be used, or the ligand has no coordinates.
    """
    with tempfile.TemporaryDirectory(prefix="discodock-") as name:
        folder = Path(name)
        for file, content in source.files.items():
            (folder / file).write_bytes(content)
        try:
            ligand = _first_readable([folder / file for file in source.ligands])
            receptor = _read_receptor(folder, source, ligand, keep, drop)
        except StageError as error:
            raise StageError(error.stage, str(error).replace(f"{folder}/", "")) from None
    return CrystalComplex(receptor, ligand, heavy_positions(ligand.mol))


def _first_readable(paths: Sequence[Path]) -> LigandRecord:
    """Ligand of the first file that can be read: of PDBBind's SDF and MOL2, one or the other fails for some."""
    reasons = []
    for path in paths:
        try:
            ligand = read_ligand(path)
        except InputError as error:
            reasons.append(str(error))
            continue
        if not ligand.has_3d:
            raise StageError("ligand", "the ligand has no 3-D coordinates: the crystal pose is needed")
        return ligand
    raise StageError("ligand", "; ".join(reasons))


def _read_receptor(
    folder: Path, source: SourceComplex, ligand: LigandRecord, keep: Sequence[str], drop: Sequence[str]
) -> Receptor:
    extra = None if source.cofactors is None else folder / source.cofactors
    try:
        return read_receptor(folder / source.protein, extra=extra, keep=keep, drop=drop, reference_ligands=[ligand.mol])
    except InputError as error:
        raise StageError("receptor", str(error)) from None
