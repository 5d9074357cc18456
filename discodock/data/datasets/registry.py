"""The data sets that `prepare` and `evaluate` read; a new one is a file beside this one and a line here."""

from pathlib import Path
from typing import Final

from discodock.data.datasets.complexes import ComplexesDataset
from discodock.data.datasets.pdbbind import PDBBindDataset
from discodock.data.datasets.source import Dataset
from discodock.errors import InputError

DEFAULT_LAYOUT: Final = "complexes"

DATASETS: Final[dict[str, type[Dataset]]] = {DEFAULT_LAYOUT: ComplexesDataset, "pdbbind": PDBBindDataset}


def open_dataset(source: Path, splits: Path | None = None, *, layout: str | None = None) -> Dataset:
    """The complexes of a source.

    Args:
        source: folder, or one file, of complexes.
        splits: folder of split files that replace the data set's own splits.
        layout: name of the data set; None takes the first that recognises the source.

    Raises:
        InputError: there is no data set of this name, or nothing of its layout in the source.
    """
    if layout is None:
        layout = next((name for name, each in DATASETS.items() if each.recognises(source)), DEFAULT_LAYOUT)
    if layout not in DATASETS:
        raise InputError(f"layout {layout!r}: no such data set; known are {', '.join(DATASETS)}")
    return DATASETS[layout](source, splits)
