"""`discodock evaluate` end to end: fair subsets, failures that count, resuming, agreement with an own computation."""

import csv
import gzip
import json
import logging
import shutil
import signal
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from rdkit import Chem

from discodock.data.crystal import list_complexes, read_complex
from discodock.data.datasets.split_table import read_split_table
from discodock.evaluation.displacement import displaced_center
from discodock.evaluation.evaluate import choose_complexes
from discodock.evaluation.metrics import METRICS
from tests.tiny import COMPLEXES, write_tiny_checkpoint

IDS = sorted(path.name for path in COMPLEXES.iterdir())


@pytest.fixture
def evaluate(cli, checkpoint, tmp_path):
    def call(source, *arguments):
        fast = ("--samples", 3, "--steps", 2, "--device", "cpu", "--checkpoint", checkpoint)
        return cli("evaluate", source, *fast, "--out", tmp_path / "out", *arguments)

    return call


def rows_of(path):
    with (path / "per_complex.csv").open(newline="") as lines:
        return {row["id"]: row for row in csv.DictReader(lines)}


@pytest.fixture
def two(tmp_path):
    source = tmp_path / "two"
    for name in ("2azr_982", "1cbs_REA"):
        shutil.copytree(COMPLEXES / name, source / name)
    return source


def test_metrics_and_rows_are_written_and_agree(evaluate, two, tmp_path):
    code, printed, _ = evaluate(two)
    assert code == 0 and "2 complexes, 0 failed" in printed
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    wanted = {"n", "failed", "top1_lt2", "top5_lt2", "top1_lt5", "oracle_lt2", "median_top1_rmsd", "centroid_top1_lt2",
              "seconds_per_complex", "sample_lt2", "top1_lt2_low", "sample_lt2_high", "pb_valid_top1",
              "top1_lt2_pb_valid", "cpu_seconds_per_complex"}  # fmt: skip
    assert wanted <= metrics.keys() and len(METRICS) > 4
    rows = rows_of(tmp_path / "out")
    top1 = [float(row["rmsds"].split()[0]) for row in rows.values()]
    assert metrics["median_top1_rmsd"] == pytest.approx(np.median(top1), abs=1e-3)
    for row in rows.values():
        rmsds = [float(value) for value in row["rmsds"].split()]
        assert len(rmsds) == 3 and float(row["oracle_rmsd"]) == min(rmsds) and row["is_exact_rmsd"] == "true"


def test_the_report_has_every_table_and_its_plots_are_pictures(evaluate, two, tmp_path):
    (tmp_path / "seen.csv").write_text("id,split,cluster\n1cbs_REA,val,7\nother,train,7\n2azr_982,test,8\n")
    evaluate(two, "--splits", tmp_path / "seen.csv")
    rows = rows_of(tmp_path / "out")
    assert {name: (row["split"], row["cluster"], row["is_seen"]) for name, row in rows.items()} == {
        "1cbs_REA": ("val", "7", "true"),
        "2azr_982": ("test", "8", "false"),
    }
    report = (tmp_path / "out" / "report.md").read_text()
    for words in ("2 complexes", "top-1 physically valid", "## By heavy atoms", "seen in training", "unseen"):
        assert words in report
    for name in ("success_curve.png", "rmsd_distribution.png"):
        assert f"({name})" in report and (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "out" / "calibration.png").exists()
    with (tmp_path / "out" / "groups.csv").open(newline="") as lines:
        groups = {(row["grouping"], row["group"]): row["n"] for row in csv.DictReader(lines)}
    assert groups["protein", "seen in training"] == groups["protein", "unseen"] == "1"


KILLED = """
import os, signal, sys
from pathlib import Path
from discodock.evaluation import evaluate
from discodock.evaluation.sources import DockedPoses
from discodock.inference.config import DockingConfig
from discodock.inference.dock import DockingPipeline

class Killer(evaluate.EvaluationListener):
    def finished(self, row, *, is_kept):
        if len(list(evaluate.read_table(Path(sys.argv[3]) / "per_complex.csv"))) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

evaluate.WRITE_INTERVAL = 0.0
few = {"samples": 3, "steps": 2, "relax": "none", "validity": False}
config = evaluate.EvaluationConfig(docking=DockingConfig().with_options(few))
poses = DockedPoses(DockingPipeline(Path(sys.argv[1]), "cpu"))
evaluate.evaluate(poses, Path(sys.argv[2]), Path(sys.argv[3]), config, listener=Killer())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_an_evaluation_that_was_killed_ends_in_the_same_metrics(evaluate, two, tmp_path, checkpoint):
    shutil.copytree(COMPLEXES / "1bju_GP6", two / "1bju_GP6")
    quick = ("--relax", "none", "--no-validity")
    done = subprocess.run([sys.executable, "-c", KILLED, str(checkpoint), str(two), str(tmp_path / "out")], check=False)
    assert done.returncode == -signal.SIGKILL
    kept = rows_of(tmp_path / "out")
    assert len(kept) == 2 and not (tmp_path / "out" / "metrics.json").exists()
    evaluate(two, *quick)
    resumed = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert kept.items() <= rows_of(tmp_path / "out").items() and resumed["n"] == 3
    again = (tmp_path / "out" / "metrics.json").read_bytes()
    evaluate(two, *quick)
    assert (tmp_path / "out" / "metrics.json").read_bytes() == again  # everything is kept, to the last digit
    shutil.rmtree(tmp_path / "out")
    evaluate(two, *quick)
    whole = json.loads((tmp_path / "out" / "metrics.json").read_text())
    for name in ("seconds_per_complex", "cpu_seconds_per_complex"):
        resumed.pop(name), whole.pop(name)
    assert resumed == whole


def write_poses_of_another_program(path, name, shifts):
    """The crystal pose shifted along x, with hydrogens, in reversed order of atoms."""
    mol = Chem.AddHs(Chem.MolFromMolFile(str(COMPLEXES / name / "ligand.sdf")), addCoords=True)
    mol = Chem.RenumberAtoms(mol, list(range(mol.GetNumAtoms()))[::-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    with Chem.SDWriter(str(path)) as writer:
        for shift in shifts:
            moved = Chem.Mol(mol)
            moved.GetConformer().SetPositions(mol.GetConformer().GetPositions() + [shift, 0.0, 0.0])
            writer.write(moved)


def test_poses_of_any_program_are_judged_by_the_same_measure(cli, two, tmp_path):
    poses, out = tmp_path / "poses", tmp_path / "out"
    write_poses_of_another_program(poses / "1cbs_REA.sdf", "1cbs_REA", (3.0, 0.0, 1.5))
    write_poses_of_another_program(poses / "2azr_982" / "poses.sdf", "2azr_982", (0.0, 40.0))
    (poses / "timings.csv").write_text("id,seconds,cpu_seconds\n1cbs_REA,2,4\n2azr_982,4,8\n")
    assert cli("evaluate", two, "--poses", poses, "--out", out)[0] == 0
    rows = rows_of(out)
    rmsds = [float(value) for value in rows["1cbs_REA"]["rmsds"].split()]
    assert rmsds == pytest.approx([3.0, 0.0, 1.5], abs=2e-3)
    assert rows["2azr_982"]["pb_failed_checks"] == ""
    assert rows["2azr_982"]["valid"] == "1 0" and rows["1cbs_REA"]["stereo_ok"] == "true"
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["top1_lt2"], metrics["oracle_lt2"], metrics["seconds_per_complex"]) == (0.5, 1.0, 3.0)
    assert metrics["cpu_seconds_per_complex"] == 6.0
    write_poses_of_another_program(poses / "1cbs_REA.sdf", "1cbs_REA", (0.0,))  # another file is judged again
    (poses / "2azr_982" / "poses.sdf").unlink()
    assert cli("evaluate", two, "--poses", poses, "--out", out)[0] == 1
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["top1_lt2"], metrics["failed"]) == (0.5, 1)
    assert "no poses of 2azr_982" in rows_of(out)["2azr_982"]["message"]


def test_damaged_gzip_poses_fail_their_complex_alone(cli, two, tmp_path):
    write_poses_of_another_program(tmp_path / "poses" / "1cbs_REA.sdf", "1cbs_REA", (0.0,))
    packed = bytearray(gzip.compress((tmp_path / "poses" / "1cbs_REA.sdf").read_bytes()))
    packed[10:200] = b"\xff" * 190  # the header stays, the stream behind it is none
    (tmp_path / "poses" / "2azr_982.sdf.gz").write_bytes(packed)
    assert cli("evaluate", two, "--poses", tmp_path / "poses", "--out", tmp_path / "out", "--no-validity")[0] == 1
    rows = rows_of(tmp_path / "out")
    assert rows["1cbs_REA"]["status"] == "ok" and "2azr_982.sdf.gz: cannot be read" in rows["2azr_982"]["message"]


def test_calibration_is_drawn_where_poses_carry_a_probability(cli, two, tmp_path):
    write_poses_of_another_program(tmp_path / "poses" / "1cbs_REA.sdf", "1cbs_REA", (0.0, 3.0))
    write_poses_of_another_program(tmp_path / "poses" / "2azr_982.sdf", "2azr_982", (4.0,))
    for path, tags in (("1cbs_REA", ("0.75", "0.5")), ("2azr_982", ("0.25",))):
        mols = list(Chem.SDMolSupplier(str(tmp_path / "poses" / f"{path}.sdf"), removeHs=False))
        with Chem.SDWriter(str(tmp_path / "poses" / f"{path}.sdf")) as writer:
            for mol, tag in zip(mols, tags, strict=True):
                mol.SetProp("discodock_p_rmsd_lt_2", tag)
                writer.write(mol)
    cli("evaluate", two, "--poses", tmp_path / "poses", "--out", tmp_path / "out", "--no-validity")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["ece_top1"] == pytest.approx(0.25) and metrics["ece_poses"] == pytest.approx((0.25 + 0.5 + 0.25) / 3)
    assert metrics["top1_lt2_surest_half"] == 1.0 and "pb_valid_top1" not in metrics
    assert (tmp_path / "out" / "calibration.png").exists()


def test_what_the_confidence_model_alone_says_is_kept(evaluate, two, tmp_path):
    weights = write_tiny_checkpoint(tmp_path / "judge.safetensors", has_confidence=True)
    evaluate(two, "--checkpoint", weights)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    rows = rows_of(tmp_path / "out").values()
    table = [[[float(v) for v in row[name].split()] for name in ("rmsds", "confidences")] for row in rows]
    chosen = [rmsds[confidences.index(max(confidences))] for rmsds, confidences in table]
    assert metrics["top1_lt2_by_confidence"] == np.mean([rmsd < 2 for rmsd in chosen])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--poses", "nowhere"), "no such folder of poses"),
        (("--poses", ".", "--rescore", "vina"), "leave out --rescore"),
        (("--splits", "nowhere.csv"), "no such file"),
        (("--splits", __file__), "CSV table"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_line(evaluate, two, arguments, words):
    code, _, error = evaluate(two, *arguments)
    assert code == 2 and words in error and error.count("\n") == 1


def test_an_evaluation_goes_on_and_never_mixes_settings(evaluate, two, tmp_path):
    evaluate(two, "--limit", 1)
    (first,) = rows_of(tmp_path / "out").values()
    evaluate(two)
    assert rows_of(tmp_path / "out")[first["id"]] == first
    code, _, error = evaluate(two, "--seed", 1)
    assert code == 2 and "other settings" in error and error.count("\n") == 1


@pytest.mark.parametrize("source_of_poses", ["docked", "given"])
def test_rows_of_other_files_are_not_taken_over(cli, evaluate, two, tmp_path, source_of_poses):
    poses, out = tmp_path / "poses", tmp_path / "out"
    for name in ("1cbs_REA", "2azr_982"):
        write_poses_of_another_program(poses / f"{name}.sdf", name, (0.5,))

    def run(source):
        if source_of_poses == "docked":
            return evaluate(source, "--relax", "none", "--no-validity")
        return cli("evaluate", source, "--poses", poses, "--out", out, "--no-validity")

    run(two)
    before = rows_of(out)
    other = tmp_path / "another" / "folder"
    shutil.copytree(two, other)
    (other / "1cbs_REA" / "ligand.sdf").write_bytes((COMPLEXES / "1bju_GP6" / "ligand.sdf").read_bytes())
    run(other)
    after = rows_of(out)
    assert after["2azr_982"] == before["2azr_982"], "the same files elsewhere"
    assert after["1cbs_REA"]["fingerprint"] != before["1cbs_REA"]["fingerprint"]
    shutil.rmtree(other / "2azr_982")
    (other / "2azr_982").mkdir()
    (other / "2azr_982" / "ligand.sdf").write_bytes((two / "2azr_982" / "ligand.sdf").read_bytes())
    run(other)
    assert rows_of(out)["2azr_982"]["status"] == "failed", "its protein is gone"


def test_given_poses_of_the_two_modes_are_not_mixed(cli, two, tmp_path):
    for name in ("1cbs_REA", "2azr_982"):
        write_poses_of_another_program(tmp_path / "poses" / f"{name}.sdf", name, (0.5,))
    given = ("evaluate", two, "--poses", tmp_path / "poses", "--no-validity", "--out", tmp_path / "out")
    assert cli(*given)[0] == 0
    code, _, error = cli(*given, "--mode", "blind")
    assert code == 2 and "other settings" in error
    shutil.rmtree(tmp_path / "out")
    cli(*given, "--mode", "blind")
    assert all(row["num_copies"] for row in rows_of(tmp_path / "out").values())


def test_complexes_that_cannot_be_docked_count_as_failures(evaluate, two, tmp_path):
    (two / "1cbs_REA" / "ligand.sdf").write_text("damaged\n")
    shutil.copytree(COMPLEXES / "1bju_GP6", two / "half")
    (two / "half" / "protein.pdb").unlink()
    code, printed, _ = evaluate(two)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert code == 1 and (metrics["n"], metrics["failed"]) == (3, 2) and metrics["median_top1_rmsd"] is None
    rows = rows_of(tmp_path / "out")
    assert "ligand.sdf" in rows["1cbs_REA"]["message"] and "protein.pdb" in rows["half"]["message"]


def test_incomplete_complexes_count_in_their_own_split_alone_and_take_no_time(evaluate, two, tmp_path):
    for name in ("half", "other_half"):
        (two / name).mkdir()
        (two / name / "ligand.sdf").write_bytes((two / "1cbs_REA" / "ligand.sdf").read_bytes())
    (two / "index.csv").write_text("id,split,cluster\n1cbs_REA,val,1\nhalf,val,2\nother_half,train,3\n")
    assert {entry.id for entry in list_complexes(two, "val")} == {"1cbs_REA", "half"}
    evaluate(two, "--split", "val", "--relax", "none", "--no-validity")
    rows = rows_of(tmp_path / "out")
    assert rows.keys() == {"1cbs_REA", "half"}
    assert (rows["half"]["split"], rows["half"]["seconds"]) == ("val", "")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["seconds_per_complex"] == float(rows["1cbs_REA"]["seconds"])
    table = tmp_path / "splits.csv"
    table.write_text("id,split\n1cbs_REA,test\nother_half,test\nhalf,train\n")
    assert {entry.id for entry in list_complexes(two, "test", read_split_table(table))} == {"1cbs_REA", "other_half"}


def test_a_split_that_is_not_known_asks_for_it(evaluate, two):
    code, _, error = evaluate(two, "--split", "test")
    assert code == 2 and "--splits" in error and error.count("\n") == 1


def test_shards_and_folders_give_the_same_complexes(two, tmp_path):
    shard = tmp_path / "val-000.tar.xz"
    with tarfile.open(shard, "w:xz") as archive:
        for name in ("2azr_982", "1cbs_REA"):
            archive.add(two / name, name)
    packed = {entry.id: read_complex(entry) for entry in list_complexes(shard)}
    plain = {entry.id: read_complex(entry) for entry in list_complexes(two)}
    assert packed.keys() == plain.keys() == {"2azr_982", "1cbs_REA"}
    for name, crystal in plain.items():
        assert (packed[name].receptor.pos == crystal.receptor.pos).all()
        assert (packed[name].crystal_pos == crystal.crystal_pos).all()
    assert len(list(list_complexes(shard, "val"))) == 2 and not list(list_complexes(shard, "train"))


def test_pdbbind_names_work_too_beside_the_archive_they_came_in(two, tmp_path, caplog):
    folder = tmp_path / "pdbbind" / "1cbs"
    folder.mkdir(parents=True)
    shutil.copy(two / "1cbs_REA" / "protein.pdb", folder / "1cbs_protein_processed.pdb")
    shutil.copy(two / "1cbs_REA" / "ligand.sdf", folder / "1cbs_ligand.sdf")
    (tmp_path / "pdbbind" / "download.tar.gz").write_bytes(b"not opened")
    with caplog.at_level(logging.WARNING):
        (entry,) = list_complexes(tmp_path / "pdbbind")
    assert not caplog.records, "of splits nothing was asked"
    assert entry.id == "1cbs" and len(read_complex(entry).crystal_pos) == 22


@pytest.mark.parametrize("seed", range(5))
def test_a_limit_takes_a_random_subset_that_grows(seed):
    entries = list(list_complexes(COMPLEXES))
    orders = [[entry.id for entry in choose_complexes(entries, limit, seed)] for limit in (None, 5, 2)]
    assert sorted(orders[0]) == IDS
    assert orders[1] == orders[0][:5] and orders[2] == orders[0][:2]
    assert [entry.id for entry in choose_complexes(entries[::-1], None, seed)] == orders[0]


def test_subsets_differ_between_seeds():
    entries = list(list_complexes(COMPLEXES))
    assert len({tuple(e.id for e in choose_complexes(entries, 3, seed)) for seed in range(8)}) > 4


@pytest.mark.parametrize("seed", range(5))
def test_the_centre_is_displaced_by_exactly_the_offset_in_a_direction_of_its_own(seed):
    pos = np.random.default_rng(seed).normal(size=(7, 3))
    center = displaced_center(pos, 2.0, seed, "a")
    assert np.linalg.norm(center - pos.mean(axis=0)) == pytest.approx(2.0)
    assert center == pytest.approx(displaced_center(pos, 2.0, seed, "a"))
    assert np.linalg.norm(center - displaced_center(pos, 2.0, seed, "b")) > 0.01


def test_directions_of_the_offset_are_uniform():
    directions = np.stack([displaced_center(np.zeros((1, 3)), 1.0, 0, str(n)) for n in range(4000)])
    assert np.abs(directions.mean(axis=0)).max() < 0.05
    assert directions.T @ directions / 4000 == pytest.approx(np.eye(3) / 3, abs=0.03)


def test_blind_evaluation_says_how_often_the_site_is_found(evaluate, two, tmp_path, blind_checkpoint):
    code, printed, _ = evaluate(two, "--mode", "blind", "--checkpoint", blind_checkpoint)
    assert code == 0 and "first site < 6 Å" in printed
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    rows = rows_of(tmp_path / "out").values()
    distances = [[float(value) for value in row["site_distances"].split()] for row in rows]
    assert all(1 <= len(found) <= 5 for found in distances)
    assert metrics["site_top1_lt6"] == np.mean([found[0] < 6 for found in distances])
    assert metrics["site_top5_lt6"] == np.mean([min(found) < 6 for found in distances])
    assert all(row["latent_code"].startswith("site=") for row in rows)
    assert "any copy of the site" in printed
    for row in rows:
        rmsds, copies = ([float(value) for value in row[name].split()] for name in ("rmsds", "copy_rmsds"))
        assert int(row["num_copies"]) >= 1 and all(c <= r for c, r in zip(copies, rmsds, strict=True))


def test_poses_of_another_program_are_ranked_by_confidence(cli, two, tmp_path):
    weights = write_tiny_checkpoint(tmp_path / "judge.safetensors", has_confidence=True)
    for name in ("1cbs_REA", "2azr_982"):
        write_poses_of_another_program(tmp_path / "poses" / f"{name}.sdf", name, (0.0, 1.5, 5.0))
    common = ("evaluate", two, "--poses", tmp_path / "poses", "--no-validity", "--device", "cpu")
    cli(*common, "--out", tmp_path / "plain")
    ranked = ("--rank-by-confidence", "--checkpoint", weights)
    assert cli(*common, *ranked, "--out", tmp_path / "ranked")[0] == 0
    for name, plain in rows_of(tmp_path / "plain").items():
        row = rows_of(tmp_path / "ranked")[name]
        assert sorted(row["rmsds"].split()) == sorted(plain["rmsds"].split()) and plain["probs"] == ""
        probs = [float(value) for value in row["probs"].split()]
        assert probs == sorted(probs, reverse=True) and len(probs) == 3
    assert "ece_top1" in json.loads((tmp_path / "ranked" / "metrics.json").read_text())


def test_ranking_by_confidence_needs_poses_and_a_confidence_model(evaluate, two, tmp_path):
    code, _, error = evaluate(two, "--rank-by-confidence")
    assert code == 2 and "--rank-by-confidence is for --poses" in error
    (tmp_path / "poses").mkdir()
    code, _, error = evaluate(two, "--poses", tmp_path / "poses", "--rank-by-confidence")
    assert code == 2 and "no confidence model" in error and error.count("\n") == 1
