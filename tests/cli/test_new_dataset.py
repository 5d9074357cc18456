"""A new data set is a file and a line of `DATASETS`: it is then prepared, recognised and evaluated as others are."""

import csv
import shutil
from pathlib import Path

import pytest

from discodock.cli.prepare import app
from discodock.data.crystal import list_complexes
from discodock.data.datasets.registry import DATASETS, open_dataset
from discodock.data.datasets.source import Dataset, SourceComplex
from discodock.data.featurize import PrepareConfig
from discodock.data.prepare import prepare
from discodock.data.store import PreparedStore
from discodock.errors import InputError
from tests.tiny import SMALL


class FlatDataset(Dataset):
    """All files in one folder: `<id>.pocket` and `<id>.sdf`."""

    help = "<id>.pocket + <id>.sdf in one folder"

    def __init__(self, source: Path, splits: Path | None = None) -> None:
        self.ligands = sorted(source.glob("*.sdf"))

    @classmethod
    def recognises(cls, source: Path) -> bool:
        return any(source.glob("*.pocket"))

    def __iter__(self):
        for path in self.ligands:
            files = {"protein.pdb": path.with_suffix(".pocket").read_bytes(), path.name: path.read_bytes()}
            yield SourceComplex(path.stem, "val", "", str(path.parent), "protein.pdb", (path.name,), None, files)


@pytest.fixture
def flat(tmp_path, monkeypatch):
    monkeypatch.setitem(DATASETS, "flat", FlatDataset)
    source = tmp_path / "flat"
    source.mkdir()
    shutil.copy(SMALL / "protein.pdb", source / "one.pocket")
    shutil.copy(SMALL / "ligand.sdf", source / "one.sdf")
    return source


def test_a_registered_data_set_is_recognised_prepared_and_evaluated(flat, cli, checkpoint, tmp_path):
    assert isinstance(open_dataset(flat), FlatDataset)
    assert [entry.id for entry in list_complexes(flat)] == ["one"]
    report = prepare(flat, tmp_path / "store", PrepareConfig(num_conformers=1), layout="flat")
    assert report.num_by_split == {"val": 1} and not report.failures
    assert PreparedStore(tmp_path / "store").manifest["layout"] == "flat"
    fast = ("--samples", 2, "--steps", 2, "--relax", "none", "--no-validity", "--device", "cpu")
    code, _, err = cli("evaluate", flat, *fast, "--checkpoint", checkpoint, "--out", tmp_path / "out")
    assert code == 0, err
    with (tmp_path / "out" / "per_complex.csv").open(newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert row["id"] == "one" and len(row["rmsds"].split()) == 2


def test_an_unknown_layout_is_answered_with_the_known_ones(flat):
    with pytest.raises(InputError, match="no such data set; known are complexes, pdbbind, flat"):
        open_dataset(flat, layout="nothing")


def test_every_data_set_has_its_command():
    assert {command.name for command in app.registered_commands} >= DATASETS.keys()
