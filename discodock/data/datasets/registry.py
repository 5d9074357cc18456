"""The layouts `discodock prepare` reads: a class called with (source, splits) that yields `SourceComplex` entries."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from discodock.data.datasets.complexes import ComplexesDataset
from discodock.data.datasets.pdbbind import PDBBindDataset
from discodock.data.datasets.source import SourceComplex, Unusable


class Dataset(Protocol):
    """What preparation asks of a data set."""

    def __init__(self, source: Path, splits: Path | None = None) -> None: ...

    def __len__(self) -> int:
        """Number of complexes, 0 when not known."""

    def __iter__(self) -> Iterator[SourceComplex | Unusable]:
        """Complexes in a fixed order."""

    def split_clusters(self) -> list[tuple[str, str]]:
        """(cluster, split) of every labelled complex."""


DATASETS: Final[dict[str, type[Dataset]]] = {"complexes": ComplexesDataset, "pdbbind": PDBBindDataset}
