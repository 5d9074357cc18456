"""Whole receptors by residue, for learning where ligands bind: the data set of the site stage."""

from __future__ import annotations

from collections.abc import Sequence

from torch.utils.data import Dataset

from discodock.data.batch import Arrays
from discodock.data.module import StoreConfig, StoreDataModule
from discodock.data.residues import EncodeReceptor, SiteBatch, collate_residues, residue_arrays
from discodock.data.store import PreparedStore


class SiteDataset(Dataset[Arrays]):
    """Whole receptors as residues, with their ligands; what is computed once is kept in memory."""

    def __init__(self, store: PreparedStore, ids: Sequence[str], encode: EncodeReceptor) -> None:
        self.store, self.ids, self.encode = store, list(ids), encode
        self._loaded: dict[str, Arrays] = {}

    def __len__(self) -> int:
        """Number of complexes."""
        return len(self.ids)

    def __getitem__(self, key: int | tuple[int, int]) -> Arrays:
        """Residues and ligand of a complex; the draw in a key `(idx, draw)` makes no difference."""
        complex_id = self.ids[key if isinstance(key, int) else key[0]]
        if complex_id not in self._loaded:
            arrays = self.store.load(complex_id)
            ligand = {name: value for name, value in arrays.items() if name.startswith("ligand_")}
            self._loaded[complex_id] = residue_arrays(arrays, self.encode) | ligand
        return self._loaded[complex_id]


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
