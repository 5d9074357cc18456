import csv
import gzip
import json
import os
import signal
import threading

import pytest

from discodock.chem.pose_file import read_poses
from discodock.config import dump_config
from discodock.screening import run as screening_run
from discodock.screening.pool import OwnProcess
from tests.screening.conftest import LIBRARY, tiny_config
from tests.tiny import SMALL


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Dock here: `tests/screening` has tests of processes."""
    monkeypatch.setattr(screening_run, "make_pool", lambda make, workers: OwnProcess(make))


@pytest.fixture
def arguments(tmp_path, checkpoint):
    """A command line that screens a few ligands."""
    (tmp_path / "library.smi").write_text(LIBRARY)
    dump_config(tiny_config(), tmp_path / "tiny.yaml")
    words = {
        "--protein": SMALL / "protein.pdb",
        "--pocket-ligand": SMALL / "ligand.sdf",
        "--library": tmp_path / "library.smi",
        "--config": tmp_path / "tiny.yaml",
        "--checkpoint": checkpoint,
        "--device": "cpu",
        "--out": tmp_path / "out",
    }
    return ["screen", *(word for pair in words.items() for word in pair)]


def table(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_screen_leaves_its_files_and_goes_on(cli, arguments, tmp_path):
    out = tmp_path / "out"
    code, text, problems = cli(*arguments, "--csv", "--poses", "2", "--top", "2")
    assert code == 1 and "5 of 6 ligands docked, 1 failed" in text  # one is no SMILES
    assert "one: failed:" in problems and "full: 3 of 3 ligands" in problems
    rows = table(out / "results.csv")
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["stage"] for row in rows] == ["full"] * 3 + ["quick"] * 2
    assert all(float(row["score"]) == -float(row["vina_score"]) or row["score"] for row in rows)
    assert {row["id"]: row["heavy_atoms"] for row in rows}["aspirin"] == "13"
    assert [mol.GetProp("_Name") for mol in read_poses(out / "top.sdf")] == [row["id"] for row in rows[:2]]
    with gzip.open(out / "poses-00001.sdf.gz", "rt") as lines:
        assert lines.read().count("$$$$") == 10  # two poses of five ligands
    assert [row["id"] for row in table(out / "failures.csv")] == ["one"]
    record = json.loads((out / "run.json").read_text())
    assert record["stages"][1]["docked"] == 3 and "no binding affinity" in record["ranked_by"]["note"]
    page = (out / "report.html").read_text()
    assert page.count('<tr data-pose="') == 2 and "no binding affinity" in page
    again, text, problems = cli(*arguments, "--csv", "--poses", "2", "--top", "2")
    assert again == 1 and table(out / "results.csv") == rows and "ligands/s" not in problems
    refused, _, problems = cli(*arguments, "--poses", "2", "--seed", "7")
    assert refused == 2 and "settings.stages.quick.docking.seed is 7, was 0" in problems

    code, text, _ = cli("screen", "top", out, "-n", "1", "--where", "heavy_atoms < 5", "--sort-by", "-heavy_atoms")
    assert code == 0 and "1 ligands in" in text
    (row,) = table(out / "top.csv")
    assert row["heavy_atoms"] == "3"
    code, _, problems = cli("screen", "top", out, "--out", out / "results.sdf")
    assert code == 2 and "results.csv: is in the way" in problems and table(out / "results.csv") == rows
    code, _, problems = cli("screen", "top", out, "--out", out / "results.csv")
    assert code == 2 and "ends in .sdf" in problems
    code, _, problems = cli("screen", "top", out, "--sort-by", "smiles")
    assert code == 2 and "no such column of numbers" in problems
    code, _, problems = cli("screen", "top", out, "--where", "__import__('os')")
    assert code == 2 and "is not allowed" in problems


def test_the_table_is_parquet_where_pyarrow_is_installed(cli, arguments, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    cli(*arguments, "--csv")
    table_rows, rows = (
        parquet.read_table(tmp_path / "out" / "results.parquet").to_pylist(),
        table(tmp_path / "out" / "results.csv"),
    )
    assert [str(row["id"]) for row in table_rows] == [row["id"] for row in rows]
    assert isinstance(table_rows[0]["pocket_ok"], bool) and isinstance(table_rows[0]["heavy_atoms"], int)


def test_shards_are_merged_to_the_whole(cli, arguments, tmp_path):
    whole, parts = arguments[:-1], [tmp_path / f"part{i}" for i in (1, 2)]
    for number, part in enumerate(parts, start=1):
        cli(*whole, part, "--shard", f"{number}/2")
    code, text, _ = cli("screen", "merge", *parts, "--out", tmp_path / "out", "--csv")
    assert code == 1 and "5 of 6 ligands docked, 1 failed" in text
    cli(*arguments, "--csv")  # what the whole library's best still lack
    rows = table(tmp_path / "out" / "results.csv")
    cli(*whole, tmp_path / "alone", "--csv")
    alone = table(tmp_path / "alone" / "results.csv")
    scores = [{row["id"]: (row["quick_score"], row["smiles"]) for row in found} for found in (rows, alone)]
    assert scores[0] == scores[1] and len(scores[0]) == 5
    code, _, problems = cli(*whole, tmp_path / "part1", "--shard", "2/2")
    assert code == 2 and "shard is" in problems


def test_sigterm_ends_it_cleanly_and_writes_what_is_there(cli, arguments, tmp_path, monkeypatch):
    class Terminated(OwnProcess):
        def collect(self, timeout):
            threading.Timer(0, os.kill, (os.getpid(), signal.SIGTERM)).start()
            return super().collect(timeout)

    monkeypatch.setattr(screening_run, "make_pool", lambda make, workers: Terminated(make))
    code, _, problems = cli(*arguments, "--csv")
    assert code == 130 and "the same command goes on" in problems
    assert (tmp_path / "out" / "failures.csv").is_file()
    monkeypatch.setattr(screening_run, "make_pool", lambda make, workers: OwnProcess(make))
    code, text, _ = cli(*arguments, "--csv")
    assert code == 1 and "5 of 6 ligands docked" in text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--library": "none.smi"}, "no such library"),
        ({"--protein": "none.pdb"}, "none.pdb"),
        ({"--config": None, "--preset": "quick"}, "choose fast, default, thorough"),
        ({"--preset": "fast"}, "keep one of them"),
        ({"--shard": "3/2"}, "from 1/N to N/N"),
        ({"--rank-by": "luck"}, "choose vina"),
        ({"--smiles-column": "structures"}, "no column 'structures'"),
        ({"--library": None}, "--library is missing"),
    ],
)
def test_what_cannot_be_used_is_refused_and_leaves_nothing(cli, arguments, tmp_path, changed, message):
    words = dict(zip(arguments[1::2], arguments[2::2], strict=True)) | changed
    code, _, problems = cli("screen", *(word for pair in words.items() if pair[1] is not None for word in pair))
    assert code == 2 and message in problems
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["results.csv", "poses-00001.sdf.gz"])
def test_a_file_of_a_user_is_not_replaced(cli, arguments, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    code, _, problems = cli(*arguments)
    assert code == 2 and f"{name}: is in the way" in problems
    assert os.listdir(tmp_path / "out") == [name]
