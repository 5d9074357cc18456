"""What a data set is, and what it hands over: the files of each complex, its split and its family."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from discodock.errors import InputError
from discodock.input_files import InputKind, Table, read_csv, read_text

TABLE: Final = InputKind("file", "give a CSV table")
SPLIT_LIST: Final = InputKind("list of ids", "give one id a line")
STRUCTURE_FILE: Final = InputKind("file of a complex", "copy it again")
"""What is read of a data set; structures are taken as they are, `chem` reads them."""

MAX_NAME_BYTES: Final = 200
"""Most bytes of a complex's name; file systems take 255, and endings and drafts need some of them."""

DEFAULT_SPLIT: Final = "train"
"""Split of a complex when nothing says where it belongs."""

EXCLUDED: Final = "excluded"
"""Stage of complexes left out on purpose, by the splits or the size limits: not a failure."""

_SPLIT_WORDS: Final = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
                       "dev": "val", "test": "test", "testing": "test"}  # fmt: skip


@dataclass(frozen=True)
class SourceComplex:
    """The files of one complex, before anything in them is read.

    Attributes:
        id: name of the complex, unique in its data set.
        split: train, val or test.
        cluster: protein family, "" when not known.
        where: folder or archive it comes from, for messages.
        protein: name of the structure file in `files`.
        ligands: names of ligand files in `files`, the first readable one is used.
        cofactors: name of a further structure file in `files` that belongs to the receptor.
        files: content by file name.
    """

    id: str
    split: str
    cluster: str
    where: str
    protein: str
    ligands: tuple[str, ...]
    cofactors: str | None
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class SkippedComplex:
    """A complex the data set names but does not hand over.

    Attributes:
        id: name of the complex.
        reason: reason why it cannot be used.
        stage: step that failed, as in `failures.csv`.
        split: train, val or test; "" when not known.
    """

    id: str
    reason: str
    stage: str = "find"
    split: str = ""


class Dataset(ABC):
    """Complexes of one layout.

    Args:
        source: folder of the data set, or one file of it.
        splits: folder of split files that replace the data set's own splits.

    Raises:
        InputError: there are no complexes of this layout.
    """

    help: ClassVar[str]
    """Layout in one line, for the help of `discodock prepare`."""

    @abstractmethod
    def __init__(self, source: Path, splits: Path | None = None) -> None: ...

    @classmethod
    @abstractmethod
    def recognises(cls, source: Path) -> bool:
        """Whether complexes of this layout are there, as far as names tell; no error if there is nothing at all."""

    @abstractmethod
    def __iter__(self) -> Iterator[SourceComplex | SkippedComplex]:
        """Complexes in a fixed order."""

    def __len__(self) -> int:
        """Number of complexes, 0 when not known."""
        return 0

    def split_clusters(self) -> list[tuple[str, str]]:
        """(cluster, split) of every labelled complex."""
        return []

    def skip_other_splits(self, split: str) -> None:  # noqa: B027 (most data sets have nothing to skip)
        """Leave out what certainly is in another split, if that saves reading it."""


def read_labels(path: Path) -> Table:
    """A table of labels of complexes, such as their splits; see `input_files.read_csv`.

    Raises:
        InputError: it cannot be read.
    """
    return read_csv(path, TABLE)


def name_problem(complex_id: str) -> str | None:
    """Reason why a complex cannot be called so, as files are named after it; None if it can."""
    if complex_id in ("", ".", "..") or not complex_id.isprintable():
        return "a name that no file can have"
    size = len(complex_id.encode(errors="surrogateescape"))
    return (
        f"a name of {size} bytes, at most {MAX_NAME_BYTES} fit into those of files" if size > MAX_NAME_BYTES else None
    )


def split_of_name(name: str) -> str | None:
    """Split that a file name such as `timesplit_no_lig_overlap_val` or `test.txt` speaks of; None when it names none.

    Args:
        name: file name; its words are compared with train, val, valid, validation, dev and test.
    """
    words = Path(name).stem.lower().replace("-", "_").replace(".", "_").split("_")
    found = {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}
    return found.pop() if len(found) == 1 else None


def read_splits(folder: Path) -> dict[str, str]:
    """Split of every id listed in the split files of a folder (one id a line; names as in `split_of_name`).

    Raises:
        InputError: no split file there, or an id listed under two splits.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of split files; give one with train, val and test lists")
    split_by_id: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        split = split_of_name(path.name) if path.is_file() and path.suffix in ("", ".txt", ".lst", ".csv") else None
        if split is None:
            continue
        for line in read_text(path, SPLIT_LIST).split():
            known = split_by_id.setdefault(line.strip().strip(","), split)
            if known != split:
                raise InputError(f"{path}: {line} is listed under {known} as well as {split}; keep it in one split")
    if not split_by_id:
        raise InputError(f"{folder}: no split files; name them like train.txt, val.txt, test.txt, one id a line")
    return split_by_id
