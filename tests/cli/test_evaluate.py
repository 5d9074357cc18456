"""`discodock evaluate` end to end: fair subsets, failures that count, resuming, agreement with an own computation."""

import csv
import json
import shutil
import tarfile

import numpy as np
import pytest

from discodock.evaluation.evaluate import choose_complexes, displaced_center
from discodock.evaluation.metrics import METRICS
from discodock.inference.complexes import list_complexes, read_complex
from tests.tiny import COMPLEXES

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
              "seconds_per_complex", "sample_lt2", "top1_lt2_low", "sample_lt2_high"}  # fmt: skip
    assert wanted <= metrics.keys() and len(METRICS) > 4
    rows = rows_of(tmp_path / "out")
    top1 = [float(row["rmsds"].split()[0]) for row in rows.values()]
    assert metrics["median_top1_rmsd"] == pytest.approx(np.median(top1), abs=1e-3)
    for row in rows.values():
        rmsds = [float(value) for value in row["rmsds"].split()]
        assert len(rmsds) == 3 and float(row["oracle_rmsd"]) == min(rmsds) and row["is_exact_rmsd"] == "True"


def test_an_evaluation_goes_on_and_never_mixes_settings(evaluate, two, tmp_path):
    evaluate(two, "--limit", 1)
    (first,) = rows_of(tmp_path / "out").values()
    evaluate(two)
    assert rows_of(tmp_path / "out")[first["id"]] == first
    code, _, error = evaluate(two, "--seed", 1)
    assert code == 2 and "other settings" in error and error.count("\n") == 1


def test_complexes_that_cannot_be_docked_count_as_failures(evaluate, two, tmp_path):
    (two / "1cbs_REA" / "ligand.sdf").write_text("damaged\n")
    shutil.copytree(COMPLEXES / "1bju_GP6", two / "half")
    (two / "half" / "protein.pdb").unlink()
    code, printed, _ = evaluate(two)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert code == 1 and (metrics["n"], metrics["failed"]) == (3, 2) and metrics["median_top1_rmsd"] is None
    rows = rows_of(tmp_path / "out")
    assert "ligand.sdf" in rows["1cbs_REA"]["message"] and "protein.pdb" in rows["half"]["message"]


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


def test_pdbbind_names_work_too(two, tmp_path):
    folder = tmp_path / "pdbbind" / "1cbs"
    folder.mkdir(parents=True)
    shutil.copy(two / "1cbs_REA" / "protein.pdb", folder / "1cbs_protein_processed.pdb")
    shutil.copy(two / "1cbs_REA" / "ligand.sdf", folder / "1cbs_ligand.sdf")
    (entry,) = list_complexes(tmp_path / "pdbbind")
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
