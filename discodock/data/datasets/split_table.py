"""Which complexes and proteins a network was trained on, from a user's own lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from discodock.data.datasets.pdbbind import read_clusters
from discodock.data.datasets.source import read_labels, read_splits
from discodock.errors import InputError


@dataclass(frozen=True)
class SplitTable:
    """Splits and protein families.

    Attributes:
        split: train, val or test by complex id.
        cluster: protein family by complex id; may lack some, or all.
    """

    split: Mapping[str, str]
    cluster: Mapping[str, str]

    @cached_property
    def train_clusters(self) -> frozenset[str]:
        """Families with a complex in train."""
        train = (name for name, split in self.split.items() if split == "train")
        return frozenset(filter(None, (self.cluster.get(name) for name in train)))

    def is_seen(self, complex_id: str, cluster: str) -> bool:
        """Whether a complex, or one of the same protein family, is in train."""
        return self.split.get(complex_id) == "train" or bool(cluster) and cluster in self.train_clusters


def read_split_table(path: Path) -> SplitTable:
    """A table with columns id, split and, optionally, cluster; or a folder of lists, as `prepare pdbbind` takes.

    Raises:
        InputError: it cannot be used.
    """
    if path.is_dir():
        return SplitTable(read_splits(path), read_clusters(path))
    if not path.exists():
        raise InputError(f"{path}: no such file; give a CSV table with columns id, split and cluster")
    table = read_labels(path)
    if not table.rows or not {"id", "split"} <= set(table.columns):
        raise InputError(f"{path}: needs columns id and split, and cluster where families are known")
    rows = [row.cells for row in table.rows]
    return SplitTable({row["id"]: row["split"] for row in rows}, {row["id"]: row.get("cluster", "") for row in rows})
