"""Folders or `.tar.xz` shards of `<id>/protein.pdb, ligand.sdf[, cofactors.pdb]`, with an optional `index.csv`."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from discodock.data.datasets.archive import DAMAGED_ARCHIVE, open_archive
from discodock.data.datasets.source import (
    DEFAULT_SPLIT,
    EXCLUDED,
    MAX_NAME_BYTES,
    STRUCTURE_FILE,
    Dataset,
    SkippedComplex,
    SourceComplex,
    name_problem,
    read_labels,
    read_splits,
    split_of_name,
)
from discodock.errors import InputError
from discodock.input_files import read_bytes

logger = logging.getLogger(__name__)

PROTEIN_FILES: Final = ("protein.pdb", "protein.cif", "protein.pdb.gz", "protein.cif.gz")
LIGAND_FILES: Final = ("ligand.sdf", "ligand.mol2")
COFACTOR_FILES: Final = ("cofactors.pdb", "cofactors.cif", "cofactors.pdb.gz")
ARCHIVE_SUFFIXES: Final = (".tar.xz", ".tar.gz", ".tar", ".tgz")
INDEX_FILE: Final = "index.csv"

_WANTED: Final = (*PROTEIN_FILES, *LIGAND_FILES, *COFACTOR_FILES)


@dataclass(frozen=True)
class _Labels:
    """Split and cluster by complex id, from `index.csv` or split files; empty when neither is there."""

    split: Mapping[str, str]
    cluster: Mapping[str, str]
    origin: str

    def of(self, complex_id: str, archive: str) -> tuple[str, str] | None:
        """Split and cluster of a complex; None when the labels are there but do not list it."""
        if self.split:
            split = self.split.get(complex_id)
            return None if split is None else (split, self.cluster.get(complex_id, ""))
        return split_of_name(archive) or DEFAULT_SPLIT, self.cluster.get(complex_id, "")


@dataclass
class _Content:
    """What lies in the folder of a complex: files by name, and the reason why they cannot be used, if one is known."""

    files: dict[str, bytes] = field(default_factory=dict)
    problem: str | None = None

    @property
    def is_empty(self) -> bool:
        return not self.files and self.problem is None


class ComplexesDataset(Dataset):
    """Complexes in one folder each, or else packed in shards; the layout of the project's own corpus.

    Shards are read side by side, one complex of each in turn, because a shard is sorted by protein family.
    """

    help: ClassVar[str] = "<id>/protein.pdb + ligand.sdf [+ cofactors.pdb], in folders or .tar.xz shards"

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Whether there are folders of complexes, or it is a shard; folders of shards may be a download of anything."""
        return source.name.endswith(ARCHIVE_SUFFIXES) or (source.is_dir() and bool(_folders(source)))

    def __init__(self, source: Path, splits: Path | None = None) -> None:
        if not source.exists():
            raise InputError(f"{source}: no such folder or archive; check the path")
        self.source = source
        archives = _archives(source)
        self.folders = _folders(source) if source.is_dir() else []
        self.archives = [] if self.folders else archives
        if self.folders and archives:
            logger.warning("%s: complexes lie in folders, archives beside them are not read: %d", source, len(archives))
        if not self.archives and not self.folders:
            raise InputError(
                f"{source}: no complexes found; expected <id>/protein.pdb and <id>/ligand.sdf, or *.tar.xz"
            )
        self.labels = _read_labels(source if source.is_dir() else source.parent, splits)

    def skip_other_splits(self, split: str) -> None:
        """Leave out archives whose name speaks of another split."""
        self.archives = [path for path in self.archives if split_of_name(path.name) in (None, split)]

    def split_clusters(self) -> list[tuple[str, str]]:
        """(cluster, split) of every complex that the labels list."""
        return [(self.labels.cluster.get(name, ""), split) for name, split in self.labels.split.items()]

    def __len__(self) -> int:
        """Number of complexes, 0 when it is not known without reading the archives."""
        if not self.archives:
            return len(self.folders)
        return len(self.labels.split) if self.source.is_dir() else 0

    def __iter__(self) -> Iterator[SourceComplex | SkippedComplex]:
        """Complexes in a fixed order."""
        streams = [_read_archive(path) for path in self.archives] or [_read_folders(self.folders)]
        while streams:
            for stream in list(streams):
                entry = next(stream, None)
                if entry is None:
                    streams.remove(stream)
                else:
                    yield self._complex(*entry)

    def _complex(self, complex_id: str, where: str, content: _Content) -> SourceComplex | SkippedComplex:
        labels = self.labels.of(complex_id, Path(where).name)
        if labels is None:
            return SkippedComplex(complex_id, f"not listed in {self.labels.origin}", EXCLUDED)
        if problem := name_problem(complex_id) or content.problem:
            return SkippedComplex(complex_id[:MAX_NAME_BYTES], problem, split=labels[0])
        files = content.files
        protein = next((name for name in PROTEIN_FILES if name in files), None)
        ligands = tuple(name for name in LIGAND_FILES if name in files)
        if protein is None or not ligands:
            reason = f"no {'protein.pdb' if protein is None else 'ligand.sdf'} in {where}"
            return SkippedComplex(complex_id, reason, split=labels[0])
        cofactors = next((name for name in COFACTOR_FILES if name in files), None)
        return SourceComplex(complex_id, *labels, where, protein, ligands, cofactors, files)


def _folders(source: Path) -> list[Path]:
    names = (*PROTEIN_FILES, *LIGAND_FILES)
    folders = sorted(path for path in source.iterdir() if path.is_dir())
    return [path for path in folders if any((path / name).is_file() for name in names)]


def _archives(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(path for path in source.iterdir() if path.name.endswith(ARCHIVE_SUFFIXES))
    if source.name.endswith(ARCHIVE_SUFFIXES):
        return [source]
    raise InputError(f"{source}: neither a folder nor an archive ({', '.join(ARCHIVE_SUFFIXES)})")


def _read_labels(folder: Path, splits: Path | None) -> _Labels:
    path = folder / INDEX_FILE
    rows: list[dict[str, str]] = []
    if path.is_file():
        table = read_labels(path)
        if table.rows and "id" not in table.columns:
            raise InputError(f"{path}: no column `id`; give columns id, split, cluster")
        rows = [row.cells for row in table.rows]
    cluster = {row["id"]: row.get("cluster", "") for row in rows}
    if splits is not None:
        return _Labels(read_splits(splits), cluster, str(splits))
    return _Labels({row["id"]: row.get("split") or DEFAULT_SPLIT for row in rows}, cluster, INDEX_FILE)


def _read_folders(folders: list[Path]) -> Iterator[tuple[str, str, _Content]]:
    for folder in folders:
        paths = [folder / name for name in _WANTED if (folder / name).is_file()]
        try:
            content = _Content({path.name: read_bytes(path, STRUCTURE_FILE) for path in paths})
        except InputError as error:
            content = _Content(problem=str(error))
        yield folder.name, str(folder), content


def _read_archive(path: Path) -> Iterator[tuple[str, str, _Content]]:
    """Complexes of an archive, whose members lie folder by folder."""
    current = ""
    content = _Content()
    try:
        with open_archive(path) as archive:
            for member in archive:
                parts = Path(member.name).parts
                if not member.isfile() or len(parts) < 2:
                    continue
                if parts[-2] != current and not content.is_empty:
                    yield current, str(path), content
                    content = _Content()
                current = parts[-2]
                if parts[-1] not in _WANTED:
                    continue
                if member.size > STRUCTURE_FILE.max_bytes:
                    content.problem = f"{parts[-1][:40]} has {member.size} bytes, too many for a structure"
                    continue
                file = archive.extractfile(member)
                content.files[parts[-1]] = file.read() if file is not None else b""
    except DAMAGED_ARCHIVE as error:
        raise InputError(f"{path}: damaged archive ({error}); copy or download it again") from None
    if not content.is_empty:
        yield current, str(path), content
