import os
import tempfile

import pytest

from discodock import screen
from discodock.errors import InputError
from discodock.screening.ledger import Ledger
from tests.screening.conftest import tiny_config
from tests.tiny import SMALL


@pytest.fixture
def call(checkpoint):
    def run(ligands, **options):
        pocket = {"pocket_ligand": SMALL / "ligand.sdf"} | options
        return screen(
            SMALL / "protein.pdb", ligands, config=tiny_config(), checkpoint=checkpoint, device="cpu", **pocket
        )

    return run


def test_ligands_come_best_first_and_nothing_stays(call, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    hits = list(call(["CCO ethanol", "C(C bad", "Oc1ccccc1"]))
    assert [hit.rank for hit in hits] == [1, 2] and {hit.id for hit in hits} == {"ethanol", "ligand_3"}
    assert all(hit.sdf.count("$$$$") == 1 and hit.row["score"] == hit.score for hit in hits)
    assert os.listdir(tmp_path) == []


def test_a_folder_keeps_the_screen(call, library, tmp_path):
    hits = list(call(library, out=tmp_path / "out"))
    assert len(hits) == 5 and list(call(library, out=tmp_path / "out")) == hits
    with Ledger(tmp_path / "out") as ledger:
        assert [result.id for result in ledger.results()] == [hit.id for hit in hits]


def test_a_file_of_a_user_is_not_replaced(call, tmp_path):
    (tmp_path / "receptor.pdb").write_text("mine")
    with pytest.raises(InputError, match="receptor.pdb: is in the way"):
        call(["CCO"], out=tmp_path)
    assert (tmp_path / "receptor.pdb").read_text() == "mine"


def test_what_cannot_be_used_is_told_when_called(call):
    with pytest.raises(InputError, match="more than one way"):
        call(["CCO"], pocket_center=(0, 0, 0))
