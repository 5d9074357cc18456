"""`discodock predict` end to end on real files: what is written, classical spellings, many jobs, resuming, Ctrl-C."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from rdkit import Chem

from discodock.chem.ligand import read_ligand
from discodock.chem.write import check_chemistry
from discodock.inference.columns import score_names
from tests.tiny import COMPLEXES, SMALL

PROTEIN, LIGAND = SMALL / "protein.pdb", SMALL / "ligand.sdf"
FAST = ("-n", "4", "-e", "1", "--steps", "2", "--device", "cpu")


@pytest.fixture
def predict(cli, checkpoint, tmp_path):
    """Run `predict` with the tiny checkpoint into tmp_path/out."""

    def call(*arguments, fast=FAST):
        return cli("predict", "--checkpoint", checkpoint, "-o", tmp_path / "out", *fast, *arguments)

    return call


def table(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def molecules(path):
    return list(Chem.SDMolSupplier(str(path), removeHs=False))


def test_everything_promised_is_written(predict, tmp_path):
    code, printed, _ = predict("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", "my ligand/1")
    assert code == 0 and "1 of 1 ligands docked" in printed
    folder = tmp_path / "out" / "my_ligand_1"
    names = {"poses.sdf", "best.sdf", "complex_rank1.pdb", "scores.csv", "run.json"}
    assert {path.name for path in folder.iterdir()} == names
    rows = table(folder / "scores.csv")
    assert list(rows[0]) == score_names()
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"] and {row["stereo_ok"] for row in rows} == {"true"}
    for row, mol in zip(rows, molecules(folder / "poses.sdf"), strict=True):
        checks = [name for name in row["pb_failed_checks"].split(";") if name]
        assert row["pb_valid"] == str(not checks).lower() == mol.GetProp("discodock_pb_valid")
        assert int(row["pb_failed"]) == len(checks)
    run = json.loads((folder / "run.json").read_text())
    assert run["settings"]["seed"] == 0 and len(run["checkpoint"]["sha256"]) == 64
    assert {"versions", "command", "device", "warnings", "seconds", "pocket"} <= run.keys()
    for mode in run["modes"]:
        members = [int(row["rank"]) for row in rows if row["mode"] == mode["name"]]
        assert mode["best_rank"] == min(members) and mode["num_poses"] == len(members) == 4 * mode["fraction"]
        line = next(line for line in printed.splitlines() if line.removeprefix("mode ").startswith(f"{mode['name']}, "))
        assert f", {mode['fraction']:.0%} of samples" in line and line.endswith(f"; best pose: {min(members)}")
    (summary,) = table(tmp_path / "out" / "summary.csv")
    assert (summary["name"], summary["status"], summary["num_poses"]) == ("my_ligand_1", "ok", "4")


def test_more_candidates_are_drawn_than_poses_kept(predict, tmp_path):
    arguments = ("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", "it", "--no-validity")
    code, _, _ = predict(*arguments, "--exhaustiveness", "3")
    rows = table(tmp_path / "out" / "it" / "scores.csv")
    assert code == 0 and len(rows) == 4
    numbers = {int(row["sample"]) for row in rows}
    assert len(numbers) == 4 and numbers <= set(range(12))
    scores = [float(row["rank_score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_validity_can_be_left_out(predict, tmp_path):
    code, _, _ = predict("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", "it", "--no-validity")
    rows = table(tmp_path / "out" / "it" / "scores.csv")
    assert code == 0 and {row["pb_valid"] + row["pb_failed"] + row["pb_failed_checks"] for row in rows} == {""}


def test_vina_ranks_if_asked_and_its_score_is_a_column_and_a_tag(predict, tmp_path):
    pytest.importorskip("vina")
    arguments = ("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", "it", "--no-validity")
    assert predict(*arguments, "--rescore", "vina")[0] == 0
    rows, mols = table(tmp_path / "out" / "it" / "scores.csv"), molecules(tmp_path / "out" / "it" / "poses.sdf")
    scores = [float(row["vina_rescore"]) for row in rows]
    assert scores == sorted(scores) and len(scores) == 4
    assert [float(mol.GetProp("discodock_vina_rescore")) for mol in mols] == pytest.approx(scores)
    code, _, error = predict(*arguments, "--rescore", "gold")
    assert code == 2 and "choose none, vina" in error


def test_without_a_pocket_the_whole_protein_is_searched(cli, blind_checkpoint, tmp_path):
    code, printed, _ = cli(
        "predict", "--checkpoint", blind_checkpoint, "-o", tmp_path, *FAST, "-p", PROTEIN, "-l", LIGAND
    )
    assert code == 0 and "1 of 1 ligands docked" in printed
    (row,) = table(tmp_path / "summary.csv")
    rows = table(tmp_path / row["name"] / "scores.csv")
    assert row["latent_code"] == rows[0]["latent_code"] and row["pocket"].startswith("site ")
    sites = json.loads((tmp_path / row["name"] / "run.json").read_text())["sites"]
    assert {r["latent_code"] for r in rows} == {site["code"] for site in sites if site["num_poses"]}
    assert sum(site["num_poses"] for site in sites) == 4
    (best,) = molecules(tmp_path / row["name"] / "best.sdf")
    assert best.GetProp("discodock_latent_code") == row["latent_code"]


def test_poses_are_the_input_molecule_with_its_tags_and_scores(predict, tmp_path):
    predict("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND)
    (folder,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    reference = read_ligand(LIGAND).mol
    poses = molecules(folder / "poses.sdf")
    assert [pose.GetProp("discodock_rank") for pose in poses] == ["1", "2", "3", "4"]
    for pose in poses:
        assert check_chemistry(reference, pose) is None
        assert [pose.GetProp(tag) for tag in reference.GetPropNames()] == [
            reference.GetProp(t) for t in reference.GetPropNames()
        ]
    (best,) = molecules(folder / "best.sdf")
    assert (best.GetConformer().GetPositions() == poses[0].GetConformer().GetPositions()).all()
    complex_lines = (folder / "complex_rank1.pdb").read_text().splitlines()
    assert sum(line.startswith("HETATM") and " LIG " in line for line in complex_lines) == best.GetNumAtoms()


def test_classical_spellings_mean_the_same(predict, tmp_path):
    predict("--protein", PROTEIN, "--ligand", LIGAND, "--pocket-ligand", LIGAND, "--name", "new")
    classical = ("-r", PROTEIN, "-l", LIGAND, "--autobox_ligand", LIGAND, "--num_modes", "4", "--name", "old")
    assert predict(*classical, fast=FAST[2:])[0] == 0
    center = json.loads((tmp_path / "out" / "new" / "run.json").read_text())["pocket"]["center"]
    xyz = [part for name, value in zip("xyz", center, strict=True) for part in (f"--center_{name}", value)]
    assert predict("-r", PROTEIN, "-l", LIGAND, *xyz, "--name", "point")[0] == 0
    new, old, point = (molecules(tmp_path / "out" / name / "best.sdf")[0] for name in ("new", "old", "point"))
    assert new.GetConformer().GetPositions() == pytest.approx(old.GetConformer().GetPositions())
    assert new.GetConformer().GetPositions() == pytest.approx(point.GetConformer().GetPositions(), abs=0.2)


def test_a_table_runs_to_its_end_whatever_fails_and_resumes(predict, tmp_path):
    (tmp_path / "broken.sdf").write_text("not a ligand\n")
    three = Chem.SDWriter(str(tmp_path / "library.sdf"))
    for name, smiles in (("aspirin", "CC(=O)Oc1ccccc1C(=O)O"), ("ethanol", "CCO")):
        mol = Chem.MolFromSmiles(smiles)
        mol.SetProp("_Name", name)
        three.write(mol)
    three.close()
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(
        "name,protein,ligand,pocket_ligand,pocket_center,note\n"
        f"first,{PROTEIN},{LIGAND},,,x\n"
        f"second,{PROTEIN},broken.sdf,,,\n"
        f"third,missing.pdb,{LIGAND},,,\n"
        f"fourth,{PROTEIN},CCO,,1000 0 0,\n"
        f"fifth,{PROTEIN},library.sdf,{LIGAND},,\n"
    )
    code, printed, error = predict("--input", jobs, "--pocket-ligand", LIGAND)
    assert code == 1 and "3 of 6 ligands docked" in printed
    rows = {row["name"]: row for row in table(tmp_path / "out" / "summary.csv")}
    assert list(rows) == ["first", "second", "third", "fourth", "fifth_aspirin", "fifth_ethanol"]
    assert [row["status"] for row in rows.values()] == ["ok", "failed", "failed", "failed", "ok", "ok"]
    assert "broken.sdf" in rows["second"]["message"] and "missing.pdb" in rows["third"]["message"]
    assert "away" in rows["fourth"]["message"] and "second: failed" in error
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("poses.sdf")}
    code, printed, _ = predict("--input", jobs, "--pocket-ligand", LIGAND)
    assert code == 1 and "3 of them kept from an earlier run" in printed
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("poses.sdf")} == stamps
    assert {row["name"]: row for row in table(tmp_path / "out" / "summary.csv")} == rows


def test_a_table_takes_a_radius_and_a_template_but_no_name(predict, tmp_path):
    (tmp_path / "ligand.pdb").write_text(Chem.MolToPDBBlock(Chem.MolFromMolFile(str(LIGAND))))
    smiles = Chem.MolToSmiles(Chem.MolFromMolFile(str(LIGAND)))
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(f"name,protein,ligand,pocket_ligand\na,{PROTEIN},ligand.pdb,{LIGAND}\n")
    common = ("--input", jobs, "--template-smiles", smiles, "--pocket-radius", "6", "--relax", "none", "--no-validity")
    code, _, error = predict(*common, "--name", "mine")
    assert code == 2 and "--name is for --ligand" in error and error.count("\n") == 1
    assert predict(*common, "--drop", "A:9999")[0] == 0
    run = json.loads((tmp_path / "out" / "a" / "run.json").read_text())
    assert run["pocket"]["radius"] == 6.0 and "nothing to drop: no residue is 'A:9999'" in run["warnings"]


def test_an_empty_cell_fails_its_own_row_because_one_row_must_not_stop_the_rest(predict, tmp_path):
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(f"name,protein,ligand\na,,{LIGAND}\n,{PROTEIN},{LIGAND}\nc,{PROTEIN},\nd,{PROTEIN},{LIGAND}\n")
    assert predict("--input", jobs, "--pocket-ligand", LIGAND)[0] == 1
    rows = {row["name"]: row for row in table(tmp_path / "out" / "summary.csv")}
    assert {name: row["status"] for name, row in rows.items()} == {
        "a": "failed", "row_2": "failed", "c": "failed", "d": "ok",
    }  # fmt: skip
    for number, (name, column) in enumerate((("a", "protein"), ("row_2", "name"), ("c", "ligand")), start=1):
        assert f"row {number} has no {column}" in rows[name]["message"]
    assert rows["a"]["protein"] == ""


@pytest.mark.parametrize(
    "bad", ["/" + "x" * 300, "x" * 300 + ".sdf", "/proc/self/mem", "{folder}"], ids=lambda p: p[-9:]
)
@pytest.mark.parametrize("column", ["protein", "ligand", "pocket_ligand"])
def test_a_path_that_cannot_be_read_fails_its_own_row(predict, tmp_path, column, bad):
    row = {"name": "bad", "protein": PROTEIN, "ligand": LIGAND, "pocket_ligand": LIGAND}
    wrong = row | {column: bad.format(folder=tmp_path)}
    lines = [",".join(row), *(",".join(map(str, values.values())) for values in (wrong, row | {"name": "good"}))]
    (tmp_path / "jobs.csv").write_text("\n".join(lines) + "\n")
    code, _, error = predict("--input", tmp_path / "jobs.csv", "--relax", "none", "--no-validity")
    rows = {row["name"]: row for row in table(tmp_path / "out" / "summary.csv")}
    assert code == 1 and {name: row["status"] for name, row in rows.items()} == {"bad": "failed", "good": "ok"}
    assert "Traceback" not in error and "unexpected" not in rows["bad"]["message"]


@pytest.mark.parametrize("lost", ["poses.sdf", "best.sdf", "complex_rank1.pdb", "scores.csv", "run.json"])
def test_a_result_that_lost_a_file_is_docked_again(predict, tmp_path, lost):
    files = ("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", "a", "--relax", "none", "--no-validity")
    predict(*files)
    (tmp_path / "out" / "a" / lost).unlink()
    assert "kept" not in predict(*files)[1]
    assert (tmp_path / "out" / "a" / lost).is_file()


@pytest.mark.parametrize("change", [("--seed", "5"), ("--steps", "3"), ("--overwrite",)])
def test_a_changed_setting_docks_again(predict, tmp_path, change):
    files = ("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", "a")
    predict(*files)
    before = (tmp_path / "out" / "a" / "run.json").stat().st_mtime_ns
    assert "kept" in predict(*files)[1]
    assert "kept" not in predict(*files, *change)[1]
    assert (tmp_path / "out" / "a" / "run.json").stat().st_mtime_ns > before


def test_the_summary_has_a_row_for_every_ligand_in_the_folder(predict, tmp_path):
    for name in ("a", "b", "a"):
        predict("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", name)
    assert [row["name"] for row in table(tmp_path / "out" / "summary.csv")] == ["b", "a"]


def test_files_with_bad_records_fail_for_these_alone(predict, tmp_path):
    mixed = tmp_path / "mixed.sdf"
    mixed.write_text("broken\nrecord\n$$$$\n" + LIGAND.read_text())
    code, printed, error = predict("-p", PROTEIN, "-l", mixed, "--pocket-ligand", LIGAND)
    assert code == 1 and "1 of 2 ligands docked" in printed and "record_1: failed" in error


def visible(folder):
    return {path for path in folder.iterdir() if path.is_dir()} if folder.exists() else set()


def hear_ctrl_c():
    """In the child: take Ctrl-C even when the tests run in the background of a shell, which makes it be ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes on Windows")
def test_ctrl_c_leaves_whole_results_only_and_the_rest_follows(checkpoint, tmp_path):
    names = ["2azr_982", "1cbs_REA", "1bju_GP6"]
    files = {name: (COMPLEXES / name / "protein.pdb", COMPLEXES / name / "ligand.sdf") for name in names}
    rows = [f"{name},{protein},{ligand},{ligand}" for name, (protein, ligand) in files.items()]
    (tmp_path / "jobs.csv").write_text("name,protein,ligand,pocket_ligand\n" + "\n".join(rows) + "\n")
    options = "--input jobs.csv -o out -n 4 --steps 100 --threads 2 --batch-size 2 --device cpu --checkpoint"
    command = [sys.executable, "-m", "discodock.cli.main", "predict", *options.split(), str(checkpoint)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=hear_ctrl_c
    )
    deadline = time.monotonic() + 120
    while not any(path.name in names for path in visible(tmp_path / "out")) and process.poll() is None:
        assert time.monotonic() < deadline, "no result within two minutes"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "interrupted" in error and "Traceback" not in error
    done = visible(tmp_path / "out")
    assert done and all(path.name in names for path in done), "a draft was left behind"
    assert all(len(list(path.iterdir())) == 5 for path in done)
    assert (
        {row["name"] for row in table(tmp_path / "out" / "summary.csv")} == {path.name for path in done} != set(names)
    )
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert finished.returncode == 0 and f"{len(done)} of them kept" in finished.stdout
    assert {path.name for path in visible(tmp_path / "out")} == set(names)
