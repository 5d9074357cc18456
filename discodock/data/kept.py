"""Complexes of a prepared store that are decoded once: what the data sets of most stages have in common."""

from __future__ import annotations

from collections.abc import Sequence

from torch.utils.data import Dataset

from discodock.data.batch import Arrays
from discodock.data.store import PreparedStore


class KeptComplexes(Dataset[Arrays]):
    """Complexes of a store; what `made` makes of each is kept in memory.

    Args:
        store: store of the complexes.
        ids: names of the complexes to take.

    Raises:
        PreparedDataError: on access, if a complex cannot be read.
    """

    def __init__(self, store: PreparedStore, ids: Sequence[str]) -> None:
        self.store, self.ids = store, list(ids)
        self._kept: dict[str, Arrays] = {}

    def __len__(self) -> int:
        """Number of complexes."""
        return len(self.ids)

    def __getitem__(self, key: int | tuple[int, int]) -> Arrays:
        """The complex; the draw in a key `(idx, draw)` makes no difference."""
        return self.kept(self.ids[key if isinstance(key, int) else key[0]])

    def kept(self, complex_id: str) -> Arrays:
        """A complex by its name, made at the first access."""
        if complex_id not in self._kept:
            self._kept[complex_id] = self.made(complex_id, self.store.load(complex_id))
        return self._kept[complex_id]

    def made(self, complex_id: str, arrays: Arrays) -> Arrays:
        """What is kept of a complex; to be overridden.

        Args:
            complex_id: name of the complex.
            arrays: fields as the store has them.
        """
        return arrays
