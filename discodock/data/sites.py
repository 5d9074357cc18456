"""Whole receptors by residue, for learning where ligands bind: the data set of the site stage."""

from __future__ import annotations

from collections.abc import Sequence

from discodock.data.batch import Arrays
from discodock.data.kept import KeptComplexes
from discodock.data.module import StoreConfig, StoreDataModule
from discodock.data.residues import EncodeReceptor, SiteBatch, collate_residues, residue_arrays
from discodock.data.store import PreparedStore


class SiteDataset(KeptComplexes):
    """Whole receptors as residues, with their ligands; what is computed once is kept in memory.

    Args:
        store: store of the complexes.
        ids: names of the complexes to take.
        encode: encoder of receptors, whose features residues get.
    """

    def __init__(self, store: PreparedStore, ids: Sequence[str], encode: EncodeReceptor) -> None:
        super().__init__(store, ids)
        self.encode = encode

    def made(self, complex_id: str, arrays: Arrays) -> Arrays:
        """Residues and ligand of a complex."""
        ligand = {name: value for name, value in arrays.items() if name.startswith("ligand_")}
        return residue_arrays(arrays, self.encode) | ligand


class SiteDataModule(StoreDataModule):
    """Batches of whole receptors."""

    def __init__(self, config: StoreConfig, encode: EncodeReceptor) -> None:
        super().__init__(config)
        self.encode = encode

    def dataset(self, store: PreparedStore, ids: Sequence[str], *, is_train: bool) -> SiteDataset:
        """Whole receptors."""
        return SiteDataset(store, ids, self.encode)

    def collate(self, complexes: Sequence[Arrays]) -> SiteBatch:
        """See `collate_residues`."""
        return collate_residues(complexes)
