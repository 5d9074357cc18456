"""Source layouts: folders, shards, PDBBind's own names, split files."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from discodock.data.datasets.complexes import ComplexesDataset
from discodock.data.datasets.pdbbind import PDBBindDataset, read_clusters
from discodock.data.datasets.registry import DATASETS
from discodock.data.datasets.source import EXCLUDED, SkippedComplex, SourceComplex, read_splits, split_of_name
from discodock.data.datasets.split_table import read_split_table
from discodock.errors import InputError

COMPLEXES = Path(__file__).parent / "complexes"
NAMES = sorted(path.name for path in COMPLEXES.iterdir())


def make_shard(path: Path, names: list[str]) -> None:
    with tarfile.open(path, "w:xz", preset=0) as archive:
        for name in names:
            for file in sorted((COMPLEXES / name).iterdir()):
                info = tarfile.TarInfo(f"./{name}/{file.name}")
                content = file.read_bytes()
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


def make_pdbbind(root: Path, names: list[str]) -> None:
    for name in names:
        folder = root / "refined-set" / name
        folder.mkdir(parents=True)
        shutil.copy(COMPLEXES / name / "protein.pdb", folder / f"{name}_protein.pdb")
        shutil.copy(COMPLEXES / name / "ligand.sdf", folder / f"{name}_ligand.sdf")


def test_folders() -> None:
    entries = list(ComplexesDataset(COMPLEXES))
    assert [entry.id for entry in entries] == NAMES and len(ComplexesDataset(COMPLEXES)) == len(NAMES)
    by_id = {entry.id: entry for entry in entries}
    zinc = by_id["6rzx_KPQ"]
    assert isinstance(zinc, SourceComplex)
    assert zinc.split == "train" and zinc.cofactors == "cofactors.pdb" and zinc.ligands == ("ligand.sdf",)
    assert zinc.files["ligand.sdf"] == (COMPLEXES / "6rzx_KPQ" / "ligand.sdf").read_bytes()


def test_shards_are_read_in_turn_with_their_index(tmp_path: Path) -> None:
    make_shard(tmp_path / "train-000.tar.xz", NAMES[:3])
    make_shard(tmp_path / "val-000.tar.xz", NAMES[3:5])
    (tmp_path / "index.csv").write_text(
        "id,split,cluster\n" + "".join(f"{n},{'train' if i < 3 else 'val'},{i}\n" for i, n in enumerate(NAMES[:4]))
    )
    dataset = ComplexesDataset(tmp_path)
    entries = list(dataset)
    assert [entry.id for entry in entries] == [NAMES[0], NAMES[3], NAMES[1], NAMES[4], NAMES[2]]
    assert [entry.split for entry in entries if isinstance(entry, SourceComplex)] == ["train", "val", "train", "train"]
    unlisted = next(entry for entry in entries if isinstance(entry, SkippedComplex))
    assert unlisted.id == NAMES[4] and unlisted.stage == EXCLUDED and "index.csv" in unlisted.reason
    assert len(dataset) == 4


def test_one_shard_takes_its_split_from_its_name_or_index(tmp_path: Path) -> None:
    make_shard(tmp_path / "val-pdb-000.tar.xz", NAMES[:2])
    assert {entry.split for entry in ComplexesDataset(tmp_path / "val-pdb-000.tar.xz")} == {"val"}  # type: ignore[union-attr]


def test_damaged_shard_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.tar.xz"
    make_shard(path, NAMES[:2])
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="train.tar.xz: damaged archive"):
        list(ComplexesDataset(path))


def test_an_archive_beside_folders_does_not_hide_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_shard(tmp_path / "train-000.tar.xz", NAMES[:2])
    shutil.copytree(COMPLEXES / NAMES[2], tmp_path / NAMES[2])
    dataset = ComplexesDataset(tmp_path)
    assert [entry.id for entry in dataset] == [NAMES[2]] and len(dataset) == 1
    assert "archives beside them are not read: 1" in caplog.text


def test_complex_without_a_file_is_left_out_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "protein.pdb").write_text("x")
    (entry,) = ComplexesDataset(tmp_path)
    assert isinstance(entry, SkippedComplex) and "no ligand.sdf" in entry.reason and entry.split == "train"


@pytest.mark.parametrize("layout", DATASETS)
def test_wrong_sources(layout: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such"):
        DATASETS[layout](tmp_path / "none")
    with pytest.raises(InputError, match="found"):
        DATASETS[layout](tmp_path)


def test_pdbbind_layout(tmp_path: Path) -> None:
    make_pdbbind(tmp_path, NAMES[:3])
    folder = tmp_path / "refined-set" / NAMES[0]
    shutil.copy(folder / f"{NAMES[0]}_protein.pdb", folder / f"{NAMES[0]}_protein_processed.pdb")
    (folder / f"{NAMES[0]}_ligand.mol2").write_text("@<TRIPOS>MOLECULE\n")
    (tmp_path / "index").mkdir()
    entries = {entry.id: entry for entry in PDBBindDataset(tmp_path)}
    assert sorted(entries) == NAMES[:3]
    first = entries[NAMES[0]]
    assert isinstance(first, SourceComplex)
    assert first.protein == f"{NAMES[0]}_protein_processed.pdb"
    assert first.ligands == (f"{NAMES[0]}_ligand.sdf", f"{NAMES[0]}_ligand.mol2")


def test_pdbbind_splits(tmp_path: Path) -> None:
    make_pdbbind(tmp_path / "data", NAMES[:3])
    splits = tmp_path / "splits"
    splits.mkdir()
    (splits / "timesplit_no_lig_overlap_train").write_text(f"{NAMES[0]}\n9zzz\n")
    (splits / "timesplit_no_lig_overlap_val").write_text(f"{NAMES[1]}\n")
    (splits / "clusters.csv").write_text(f"id,cluster\n{NAMES[0]},5\n{NAMES[1]},6\n")
    (splits / "README.md").write_text("about test and train\n")
    dataset = PDBBindDataset(tmp_path / "data", splits)
    entries = {entry.id: entry for entry in dataset}
    assert len(dataset) == 4
    assert [entries[name].split for name in NAMES[:2]] == ["train", "val"]  # type: ignore[union-attr]
    assert entries[NAMES[0]].cluster == "5"  # type: ignore[union-attr]
    assert entries[NAMES[2]].stage == EXCLUDED  # type: ignore[union-attr]
    assert "no such folder" in entries["9zzz"].reason and entries["9zzz"].split == "train"  # type: ignore[union-attr]
    assert sorted(dataset.split_clusters()) == [("", "train"), ("5", "train"), ("6", "val")]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("timesplit_no_lig_overlap_train", "train"),
        ("timesplit_no_lig_overlap_val", "val"),
        ("timesplit_test_no_rec_overlap", "test"),
        ("test.txt", "test"),
        ("valid.csv", "val"),
        ("train-pdb-000.tar.xz", "train"),
        ("train_val.txt", None),
        ("latest.txt", None),
    ],
)
def test_split_names(name: str, split: str | None) -> None:
    assert split_of_name(name) == split


def test_id_in_two_splits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("1abc\n2abc\n")
    (tmp_path / "test.txt").write_text("2abc\n")
    with pytest.raises(InputError, match="2abc is listed under test as well as train"):
        read_splits(tmp_path)
    with pytest.raises(InputError, match="no split files"):
        (tmp_path / "none").mkdir()
        read_splits(tmp_path / "none")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_any_program_are_read(encoding: str, separator: str, tmp_path: Path) -> None:
    path = tmp_path / "clusters.csv"
    text = "ID , Split,cluster\ncaf\u00e9,val,1\n".replace(",", separator)
    path.write_bytes(text.encode(encoding))
    assert read_split_table(path).split == {"caf\u00e9": "val"}
    assert read_clusters(tmp_path) == {"caf\u00e9": "1"}


def test_a_byte_order_mark_in_the_index_is_no_part_of_its_first_column(tmp_path: Path) -> None:
    shutil.copytree(COMPLEXES / NAMES[0], tmp_path / NAMES[0])
    (tmp_path / "index.csv").write_text(f"\ufeffid,split,cluster\n{NAMES[0]},val,1\n", encoding="utf-8")
    (entry,) = ComplexesDataset(tmp_path)
    assert entry.split == "val"
