"""PDBBind as downloaded: `<id>/<id>_protein[_processed].pdb` and `<id>/<id>_ligand.sdf|mol2`, nested or not."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

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
)
from discodock.errors import InputError
from discodock.input_files import read_bytes

PROTEIN_SUFFIXES: Final = ("_protein_processed.pdb", "_protein.pdb", "_protein_obabel_reduce.pdb")
LIGAND_SUFFIXES: Final = ("_ligand.sdf", "_ligand.mol2")
MAX_DEPTH: Final = 4  # v2020r1 keeps its complexes in P-L/<years>/<id>
CLUSTER_FILE: Final = "clusters.csv"


class PDBBindDataset(Dataset):
    """A user's own PDBBind folder, with the split files of a paper.

    Split files are lists of ids, such as DiffDock's `timesplit_no_lig_overlap_train`. A `clusters.csv` (columns id,
    cluster) beside them adds protein families.
    """

    help: ClassVar[str] = "a PDBBind download: <id>/<id>_protein[_processed].pdb + <id>_ligand.sdf|mol2"

    @classmethod
    def recognises(cls, source: Path) -> bool:
        """Whether any folder holds ligands with its own name."""
        return source.is_dir() and next(_find(source, MAX_DEPTH), None) is not None

    def __init__(self, source: Path, splits: Path | None = None) -> None:
        if not source.is_dir():
            raise InputError(f"{source}: no such folder; give the folder that holds PDBBind's <id> folders")
        self.folder_by_id = {folder.name: folder for folder in _find(source, MAX_DEPTH)}
        if not self.folder_by_id:
            raise InputError(f"{source}: no <id>/<id>_ligand.sdf or .mol2 found; give the unpacked PDBBind folder")
        self.splits_from = splits
        self.split_by_id = read_splits(splits) if splits is not None else {}
        self.cluster_by_id = read_clusters(splits) if splits is not None else {}

    def split_clusters(self) -> list[tuple[str, str]]:
        """(cluster, split) of every listed complex."""
        return [(self.cluster_by_id.get(name, ""), split) for name, split in self.split_by_id.items()]

    def __len__(self) -> int:
        """Number of complexes found or listed."""
        return len(self.folder_by_id.keys() | self.split_by_id.keys())

    def __iter__(self) -> Iterator[SourceComplex | SkippedComplex]:
        """Complexes by id."""
        for complex_id in sorted(self.folder_by_id.keys() | self.split_by_id.keys()):
            yield self._complex(complex_id)

    def _complex(self, complex_id: str) -> SourceComplex | SkippedComplex:
        folder = self.folder_by_id.get(complex_id)
        if folder is None:
            reason = f"listed in {self.splits_from}, but there is no such folder in the source"
            return SkippedComplex(complex_id, reason, split=self.split_by_id[complex_id])
        split = self.split_by_id.get(complex_id) if self.split_by_id else DEFAULT_SPLIT
        if split is None:
            return SkippedComplex(complex_id, f"in no split file of {self.splits_from}", EXCLUDED)
        names = [complex_id + suffix for suffix in (*PROTEIN_SUFFIXES, *LIGAND_SUFFIXES)]
        if problem := name_problem(complex_id):
            return SkippedComplex(complex_id[:MAX_NAME_BYTES], problem, split=split)
        try:
            files = {name: read_bytes(folder / name, STRUCTURE_FILE) for name in names if (folder / name).is_file()}
        except InputError as error:
            return SkippedComplex(complex_id, str(error), split=split)
        protein = next((name for name in names[: len(PROTEIN_SUFFIXES)] if name in files), None)
        ligands = tuple(name for name in names[len(PROTEIN_SUFFIXES) :] if name in files)
        if protein is None:
            return SkippedComplex(complex_id, f"no {names[0]} or {names[1]} in {folder}", split=split)
        files = {name: files[name] for name in (protein, *ligands)}
        cluster = self.cluster_by_id.get(complex_id, "")
        return SourceComplex(complex_id, split, cluster, str(folder), protein, ligands, None, files)


def _find(folder: Path, depth: int) -> Iterator[Path]:
    """Folders named like the ligand files in them, searched to a depth."""
    if any((folder / (folder.name + suffix)).is_file() for suffix in LIGAND_SUFFIXES):
        yield folder
    elif depth > 0:
        for child in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield from _find(child, depth - 1)


def read_clusters(splits: Path) -> dict[str, str]:
    """Protein family by complex id from the `clusters.csv` of a folder of split files; empty if there is none.

    Raises:
        InputError: the table cannot be read or lacks a column.
    """
    path = splits / CLUSTER_FILE
    if not path.is_file():
        return {}
    table = read_labels(path)
    if table.rows and not {"id", "cluster"} <= set(table.columns):
        raise InputError(f"{path}: needs columns id and cluster")
    return {row.cells["id"]: row.cells["cluster"] for row in table.rows}
