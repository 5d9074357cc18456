"""What lies in the output folder already: a user's files are never replaced, stale and damaged results never kept."""

import csv
import json
import os
import subprocess
import sys
import threading

import pytest

from discodock.inference import outputs
from discodock.inference.outputs import write_table
from discodock.locks import LOCK_FILE
from tests.tiny import COMPLEXES, SMALL

PROTEIN, LIGAND = SMALL / "protein.pdb", SMALL / "ligand.sdf"
FAST = ("-n", "2", "-e", "1", "--steps", "2", "--device", "cpu", "--relax", "none", "--no-validity")


@pytest.fixture
def predict(cli, checkpoint, tmp_path):
    """Dock one ligand called `a` into tmp_path/out with the tiny checkpoint; further options win."""

    def call(*options, protein=PROTEIN, ligand=LIGAND, name="a"):
        files = ("-p", protein, "-l", ligand, "--pocket-ligand", LIGAND, *([] if name is None else ["--name", name]))
        return cli("predict", "--checkpoint", checkpoint, "-o", tmp_path / "out", *FAST, *files, *options)

    return call


def rows(out):
    with (out / "summary.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def lay(path, content="mine"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)], ids=["plain", "overwrite"])
@pytest.mark.parametrize(
    "mine",
    [
        "a/protein.pdb",
        "a",
        "a/poses.sdf",
        "a/chapters/one.tex",
        "summary.csv",
        "docking.yaml/notes.txt",
        "docking.yaml",
    ],
)
def test_files_of_the_user_are_refused_by_name_before_docking(predict, tmp_path, mine, overwrite):
    kept = lay(tmp_path / "out" / mine)
    code, _, error = predict(*overwrite)
    assert code == 2 and len(error.strip().splitlines()) == 1 and str(tmp_path / "out" / mine.split("/")[0]) in error
    assert kept.read_text() == "mine" and not (tmp_path / "out" / "a" / "run.json").exists()


def test_a_table_of_the_user_that_begins_like_a_summary_is_kept(predict, tmp_path):
    table = lay(tmp_path / "out" / "summary.csv", "name,affinity\nx,7.1\n")
    code, _, error = predict()
    assert code == 2 and "summary.csv" in error and table.read_text() == "name,affinity\nx,7.1\n"


def test_settings_that_the_user_wrote_are_kept_and_those_of_a_run_are_read_and_replaced(predict, tmp_path):
    own = lay(tmp_path / "out" / "docking.yaml", "# for the paper\nseed: 5\n")
    assert predict("--config", own)[0] == 2 and own.read_text() == "# for the paper\nseed: 5\n"
    own = own.rename(tmp_path / "mine.yaml")
    assert predict("--config", own)[0] == 0
    assert "kept" in predict("--config", tmp_path / "out" / "docking.yaml")[1]


def test_a_page_of_the_user_is_kept(predict, tmp_path):
    page = lay(tmp_path / "out" / "index.html", "<title>mine</title>")
    code, _, error = predict("--report")
    assert code == 2 and "index.html" in error and page.read_text() == "<title>mine</title>"
    assert not (tmp_path / "out" / "a").exists()


@pytest.mark.parametrize(
    "name", ["metrics.json", "per_complex.csv", "report.md", "groups.csv", "docking.yaml", "run.json"]
)
def test_an_evaluation_replaces_no_file_of_the_user(cli, checkpoint, tmp_path, name):
    mine = lay(tmp_path / "out" / name, "{}" if name == "run.json" else "mine")
    before = mine.read_text()
    options = ("--checkpoint", checkpoint, "--limit", "1", *FAST, "--out", tmp_path / "out")
    code, _, error = cli("evaluate", COMPLEXES, *options)
    assert code == 2 and str(tmp_path / "out") in error and mine.read_text() == before


@pytest.mark.parametrize("name", ["index.csv", "failures.csv"])
def test_a_preparation_replaces_no_table_of_the_user(cli, tmp_path, name):
    """Such as that of the folder which is prepared, if it is given as --out too."""
    mine = lay(tmp_path / "corpus" / name, "id,pdb_id,split,smiles\n")
    code, _, error = cli("prepare", "complexes", COMPLEXES, "--out", tmp_path / "corpus")
    assert code == 2 and name in error and mine.read_text() == "id,pdb_id,split,smiles\n"


def test_a_tilde_is_the_home_folder(cli, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    files = ("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", "a", "--checkpoint", checkpoint)
    assert cli("predict", *files, *FAST, "--out=~/docked")[0] == 0
    assert (tmp_path / "home" / "docked" / "a" / "poses.sdf").is_file() and not (tmp_path / "~").exists()


@pytest.mark.parametrize("broken", ['{"versions": {}, "job": 3, "summary": [], "files": "x"}', "[]", "3"])
def test_a_malformed_record_is_no_traceback(predict, tmp_path, broken):
    predict()
    (tmp_path / "out" / "a" / "run.json").write_text(broken)
    code, _, error = predict("--overwrite")
    assert code == 0 and "Traceback" not in error


def test_a_note_in_a_folder_of_results_is_not_lost(predict, tmp_path):
    predict()
    note = lay(tmp_path / "out" / "a" / "notes.txt")
    code, _, error = predict("--seed", "5")
    assert code == 2 and "notes.txt" in error and note.read_text() == "mine"
    note.unlink()
    assert predict("--seed", "5")[0] == 0


def test_the_result_of_another_protein_or_ligand_is_replaced_only_if_asked_for(predict, tmp_path):
    predict()
    other = tmp_path / "other.pdb"
    other.write_text("\n".join(PROTEIN.read_text().splitlines()[:-40]) + "\nEND\n")
    record = (tmp_path / "out" / "a" / "run.json").read_bytes()
    for changed in ({"protein": other}, {"ligand": "CCO"}):
        code, _, error = predict(**changed)
        assert code == 2 and "--overwrite" in error and str(PROTEIN) in error
        assert (tmp_path / "out" / "a" / "run.json").read_bytes() == record
    assert predict("--overwrite", protein=other)[0] == 0


def test_a_moved_or_edited_protein_is_still_the_same_job(predict, tmp_path):
    copy = tmp_path / "copy.pdb"
    copy.write_bytes(PROTEIN.read_bytes())
    predict(protein=copy)
    moved = copy.rename(tmp_path / "moved.pdb")
    assert "kept" in predict(protein=moved)[1]
    lines = moved.read_text().splitlines()
    copy.write_text("\n".join(lines[:-20]) + "\nEND\n")
    code, printed, _ = predict(protein=copy)
    assert code == 0 and "kept" not in printed


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["empty", "garbage", "half"])
@pytest.mark.parametrize("file", ["poses.sdf", "best.sdf", "complex_rank1.pdb", "scores.csv", "run.json"])
def test_damaged_results_are_docked_again(predict, tmp_path, file, damage):
    predict()
    path = tmp_path / "out" / "a" / file
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    code, printed, _ = predict()
    assert code == 0 and "kept" not in printed
    if file not in ("run.json", "poses.sdf", "scores.csv"):  # those three hold the time that docking took
        assert path.read_bytes() == whole
    assert "kept" in predict()[1]


@pytest.mark.parametrize("lost", ["summary", "files", "status"])
def test_a_record_that_lacks_something_is_docked_again(predict, tmp_path, lost):
    predict()
    path = tmp_path / "out" / "a" / "run.json"
    record = json.loads(path.read_text())
    del (record["summary"] if lost == "status" else record)[lost]
    path.write_text(json.dumps(record))
    code, printed, error = predict()
    assert code == 0 and "kept" not in printed and "Traceback" not in error


def test_results_of_another_version_are_docked_again(predict, monkeypatch, tmp_path):
    predict()
    monkeypatch.setattr("discodock.inference.many.run_jobs.version", lambda name: "0.0.1")
    assert "kept" not in predict()[1]


def test_a_failing_job_does_not_leave_poses_of_an_earlier_run_under_its_name(predict, cli, checkpoint, tmp_path):
    protein = tmp_path / "p.pdb"
    protein.write_bytes(PROTEIN.read_bytes())
    lay(tmp_path / "jobs.csv", f"name,protein,ligand,pocket_ligand\na,{protein},{LIGAND},{LIGAND}\n")
    options = ("predict", "--checkpoint", checkpoint, "-o", tmp_path / "out", *FAST, "--input", tmp_path / "jobs.csv")
    assert cli(*options)[0] == 0
    protein.write_text("END\n")
    assert cli(*options)[0] == 1
    out = tmp_path / "out"
    assert not (out / "a").exists() and (out / "a.earlier" / "poses.sdf").is_file()
    assert "a.earlier" in rows(out)[0]["message"]


def test_two_processes_that_write_into_one_folder_lose_no_row(predict, cli, checkpoint, tmp_path, monkeypatch):
    """Both write their summary at the same time on a file system that takes half a second for it."""
    from discodock.inference.many import run_jobs

    predict()
    slow = threading.Event()

    def slow_write(path, columns, rows):
        slow.wait(0.5)
        write_table(path, columns, rows)

    monkeypatch.setattr(run_jobs, "write_table", slow_write)
    row = rows(tmp_path / "out")[0]
    outcomes = [run_jobs.JobOutcome(row | {"name": f"job_{number}"}) for number in range(4)]
    threads = [threading.Thread(target=run_jobs._write_summary, args=(tmp_path / "out", [each])) for each in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each["name"] for each in rows(tmp_path / "out")} == {"a", "job_0", "job_1", "job_2", "job_3"}


def test_the_lock_of_a_dead_process_holds_nobody_up(predict, tmp_path):
    (tmp_path / "out").mkdir()
    hold = f"import os, filelock; filelock.FileLock({str(tmp_path / 'out' / LOCK_FILE)!r}).acquire(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", hold], check=False).returncode == 9
    assert predict()[0] == 0


def test_every_file_of_a_result_is_listed_with_its_digest(predict, tmp_path):
    predict()
    folder = tmp_path / "out" / "a"
    listed = json.loads((folder / "run.json").read_text())["files"]
    assert set(listed) == {path.name for path in folder.iterdir()} - {"run.json"}
    assert all(outputs.file_digest(folder / name) == value for name, value in listed.items())


def test_drafts_of_killed_runs_are_swept_and_those_of_running_ones_are_not(predict, tmp_path):
    old, new = tmp_path / "out" / ".b.0123abcd-1-00000000.tmp", tmp_path / "out" / ".c.0123abcd.tmp"
    for draft in (old, new):
        lay(draft / "poses.sdf")
    os.utime(old, (0, 0))
    predict()
    assert not old.exists() and new.exists()
