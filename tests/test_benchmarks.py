"""Benchmarks that others are to repeat: they run, go on where they stopped, and never mix settings."""

import dataclasses
import json
import shutil

import gemmi
import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from benchmarks.cross import first_fit
from benchmarks.cross import main as cross
from benchmarks.curves import main as draw_curves
from benchmarks.curves import read_curves, smoothed
from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import heavy_positions, read_ligand
from discodock.chem.read_receptor import read_receptor
from discodock.chem.write import pose_mol
from discodock.data.crystal import list_complexes, read_complex
from discodock.inference.outputs import read_table
from tests.tiny import COMPLEXES, SMALL, write_tiny_checkpoint


@pytest.fixture
def compare(tmp_path):
    pytest.importorskip("vina")
    from benchmarks.vina import main

    for name in ("2azr_982", "6rzx_KPQ"):
        shutil.copytree(COMPLEXES / name, tmp_path / "complexes" / name)
    weights = write_tiny_checkpoint(tmp_path / "tiny.safetensors", has_site_model=True)
    few = ["--exhaustiveness", "1", "--samples", "2", "--poses", "2", "--checkpoint", str(weights)]

    def call(*arguments):
        return main([str(tmp_path / "complexes"), "--out", str(tmp_path / "out"), *few, *arguments])

    return call


@pytest.mark.slow
def test_vina_docks_the_same_complexes_and_is_judged_alike(compare, tmp_path, capsys):
    assert compare("--limit", "1") == 0
    (first,) = (tmp_path / "out" / "vina").glob("*.sdf")
    made = first.stat().st_mtime_ns
    assert compare() == 0
    assert first.stat().st_mtime_ns == made and len(list((tmp_path / "out" / "vina").glob("*.sdf"))) == 2
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert list(found) == ["discodock", "AutoDock Vina", "discodock, rescored by Vina"]
    for metrics in found.values():
        assert metrics["n"] == 2 and metrics["failed"] == 0 and metrics["cpu_seconds_per_complex"] > 0
        assert "top1_lt2_pb_valid" in metrics
    assert "| AutoDock Vina | 2 | 0 |" in capsys.readouterr().out
    assert compare("--seed", "1") == 2 and "other settings" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["2azr_982", "6rzx_KPQ"])
def test_vina_docks_from_a_conformer_of_its_own(name):
    pytest.importorskip("vina")
    from benchmarks.vina_docking import dock_with_vina

    ligand, receptor = read_ligand(COMPLEXES / name / "ligand.sdf"), read_receptor(COMPLEXES / name / "protein.pdb")
    crystal = heavy_positions(ligand.mol)
    start = pose_mol(ligand, generate_conformers(ligand.mol, 1, 0)[0])
    settings = {"exhaustiveness": 1, "num_poses": 3, "seed": 0}
    found = dock_with_vina(start, receptor, crystal.mean(axis=0), np.full(3, 18.0), **settings)
    assert 1 <= len(found.pos) == len(found.scores) <= 3 and (np.diff(found.scores) >= 0).all()
    assert np.linalg.norm(found.pos[0].mean(axis=0) - crystal.mean(axis=0)) < 9.0
    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in ligand.mol.GetBonds()]
    lengths = [[np.linalg.norm(pos[i] - pos[j]) for i, j in bonds] for pos in (found.pos[0], heavy_positions(start))]
    assert lengths[0] == pytest.approx(lengths[1], abs=0.01)


def test_the_worth_of_confidence_is_measured_without_looking_at_the_family_judged(tmp_path, monkeypatch, capsys):
    import numpy as np
    import torch

    from benchmarks import confidence
    from discodock.models.confidence.ranking import EVIDENCE

    rng = np.random.default_rng(0)
    rmsds = [rng.uniform(0, 5, 8) for _ in range(40)]
    tables = [torch.from_numpy(rng.normal(size=(8, len(EVIDENCE)))) for _ in rmsds]
    for table, rmsd in zip(tables, rmsds, strict=True):
        table[:, list(EVIDENCE).index("confidence")] = torch.from_numpy(3 * (2 - rmsd) + rng.normal(size=8))
    clusters = [str(i // 2) for i in range(40)]
    told = confidence.cross_fitted(tables, rmsds, clusters, ("confidence",))
    assert confidence.pairs_of(told, rmsds) > 0.9
    noise = confidence.cross_fitted(tables, rmsds, clusters, ("strain",))
    assert abs(confidence.pairs_of(noise, rmsds) - 0.5) < 0.15
    figures = confidence.calibration(told, rmsds)
    assert figures["ece_poses"] < 0.1 and figures["selective"]["1.0"] > 0.5
    rmsds[0][:] = 9.0  # of its own family nothing is learned
    again = confidence.cross_fitted(tables, rmsds, clusters, ("confidence",))
    np.testing.assert_array_equal(again[0], told[0])


def test_usage_of_codes_is_told_by_kind_of_node(capsys):
    import torch

    from benchmarks.codes import chosen_kinds, print_usage
    from discodock.latents.codebook import Codebook
    from discodock.latents.pointer import Pointer
    from discodock.tasks.code_baseline import NodeKinds

    kinds = NodeKinds(torch.tensor([[5, 6, 6], [7, 5, 0]]), torch.tensor([[3, 1], [1, 20]]))
    spaces = (Pointer(nodes="ligand"), Pointer(nodes="residues"), Codebook(codebook_size=4))
    codes, pose_complex = torch.tensor([[2, 0, 3], [0, 1, 1]]), torch.tensor([0, 1])
    assert chosen_kinds(spaces, kinds, codes, pose_complex).tolist() == [[6, 3, 3], [7, 20, 1]]
    both = Pointer(nodes="complex")
    after_elements = NodeKinds.number("ligand")
    assert chosen_kinds((both,), kinds, torch.tensor([[4], [0]]), pose_complex).tolist() == [[after_elements + 1], [7]]
    label = torch.arange(40) % 2
    print_usage(spaces[:2], torch.stack([label, 3 * label], dim=1))
    shown = capsys.readouterr().out
    assert "code 0 (ligand)" in shown and "perplexity 2.0" in shown
    assert "codes 0 and 1 tell 1.00 bits of each other's kind, shuffled 0.0" in shown


@pytest.fixture
def family(tmp_path):
    """Two entries of one protein, the second elsewhere in space, and one of another protein."""
    source = tmp_path / "family"
    for name, place in (("1aaa_982", 0.0), ("2bbb_982", 40.0)):
        (source / name).mkdir(parents=True)
        structure = gemmi.read_structure(str(SMALL / "protein.pdb"))
        structure[0].transform_pos_and_adp(gemmi.Transform(gemmi.Mat33(TURN), gemmi.Vec3(place, 0, 0)))
        structure.write_pdb(str(source / name / "protein.pdb"))
        mol = Chem.MolFromMolFile(str(SMALL / "ligand.sdf"))
        rdMolTransforms.TransformConformer(mol.GetConformer(), moved(place))
        Chem.MolToMolFile(mol, str(source / name / "ligand.sdf"))
    shutil.copytree(COMPLEXES / "6rzx_KPQ", source / "6rzx_KPQ")
    rows = [f"{name},val,1" for name in ("1aaa_982", "2bbb_982", "6rzx_KPQ")]
    (source / "index.csv").write_text("\n".join(["id,split,cluster", *rows]) + "\n")
    return source


TURN = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def moved(place):
    """A quarter turn about z, then a shift along x, as a 4 x 4 matrix."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[0, 3] = TURN, place
    return matrix


def head(text, num_residues=60):
    """The first residues of a PDB file."""
    lines = [line for line in text.decode().splitlines() if line.startswith("ATOM")]
    first = int(lines[0][22:26])
    return "\n".join(line for line in lines if int(line[22:26]) < first + num_residues).encode()


def test_a_ligand_is_carried_over_to_the_other_structure_of_its_protein(family):
    first, second, other = sorted(list_complexes(family), key=lambda entry: entry.id)
    pair = first_fit(first, [other, second])
    assert pair.ca_rmsd < 0.01 and pair.references.shape[0] == 1
    assert pair.references[0] == pytest.approx(read_complex(second).crystal_pos, abs=0.01)
    far = dataclasses.replace(second, files=dict(second.files) | {"protein.pdb": head(second.files["protein.pdb"])})
    assert first_fit(first, [far]) is None  # the same protein, without the part that holds the ligand
    assert first_fit(first, [other]) is None and first_fit(other, [first, second]) is None


def test_cross_docking_goes_on_and_judges_by_the_carried_pose(family, tmp_path, capsys):
    weights = write_tiny_checkpoint(tmp_path / "tiny.safetensors", has_site_model=True)
    few = ["--samples", "2", "--steps", "1", "--checkpoint", str(weights), "--out", str(tmp_path / "out")]
    assert cross([str(family), *few, "--modes", "pocket"]) == 0
    assert cross([str(family), *few]) == 0
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 2 + 4 and "| blind | 2 | 0 |" in shown.out and "first site within 6 Å" in shown.out
    rows = read_table(tmp_path / "out" / "pairs.csv")
    assert [(row["id"], row["receptor"]) for row in rows if row["mode"] == "blind"] == [
        (row["id"], row["receptor"]) for row in rows if row["mode"] == "pocket"
    ]
    assert {row["id"] + row["receptor"] for row in rows} == {"1aaa_9822bbb_982", "2bbb_9821aaa_982"}
    assert all(float(row["rmsds"].split()[0]) < 15 for row in rows if row["mode"] == "pocket")
    assert cross([str(family), *few, "--seed", "1"]) == 2 and "other settings" in capsys.readouterr().err


@pytest.mark.slow
def test_relaxations_get_the_same_poses_and_go_on_where_they_stopped(tmp_path, capsys):
    pytest.importorskip("openmm")
    pytest.importorskip("pdbfixer")
    from benchmarks.relaxation import METHODS, main
    from discodock.inference.outputs import read_table

    shutil.copytree(COMPLEXES / "2azr_982", tmp_path / "complexes" / "2azr_982")
    weights = write_tiny_checkpoint(tmp_path / "tiny.safetensors")
    out = tmp_path / "out"
    call = [str(tmp_path / "complexes"), "--out", str(out), "--samples", "3", "--checkpoint", str(weights)]
    assert main(call) == 0
    found = json.loads((out / "relaxation.json").read_text())
    assert list(found) == list(METHODS) and all(values["n"] == 1 for values in found.values())
    rows = read_table(out / "poses.csv")
    before = {(row["sample"], row["rmsd_before"]) for row in rows}
    assert len(before) == 3 and sum(row["is_first"] == "true" for row in rows) == 4
    written, table = (out / "poses.csv").read_bytes(), capsys.readouterr().out
    assert main(call) == 0
    assert (out / "poses.csv").read_bytes() == written and capsys.readouterr().out == table
    assert main([*call, "--seed", "1"]) == 2 and "other settings" in capsys.readouterr().err


def test_figures_of_relaxation_are_of_near_native_poses_and_of_first_ones():
    from benchmarks.relaxation import summary

    cells = [  # is first, RMSD before, after, shift, valid
        ("true", 1.0, 1.5, 0.6, "true"),
        ("false", 1.8, 2.2, 1.0, ""),
        ("false", 2.5, 1.9, 2.0, ""),
        ("true", 4.0, 4.5, 3.0, "false"),
    ]
    names = ("is_first", "rmsd_before", "rmsd_after", "shift", "valid")
    rows = [dict(zip(names, map(str, row), strict=True)) | {"method": "fast", "cpu_seconds": "0.5"} for row in cells]
    found = summary([*rows, rows[0] | {"method": "none"}], "fast")
    assert (found["n"], found["poses"], found["near_native"]) == (2, 4, 2)
    assert found["pb_valid_top1"] == found["top1_lt2"] == found["out_of_2"] == found["into_2"] == 0.5
    assert found["median_shift"] == pytest.approx(0.8) and found["median_rmsd_change"] == pytest.approx(0.45)
    assert found["cpu_seconds_per_pose"] == 0.5 and summary(rows, "openmm") == {}


def test_curves_of_a_resumed_run_are_those_of_its_last_sessions(tmp_path, capsys):
    sessions = {
        0: "epoch,step,train/tr,val/tr,val/sample_lt2\n0,49,0.9,,\n0,99,0.8,0.85,0.125\n0,149,7,,\n",
        1: "epoch,step,train/tr,val/tr,val/sample_lt2\n0,149,0.7,,\n0,199,0.6,0.65,0.25\n",
    }
    for number, text in sessions.items():
        folder = tmp_path / "run" / "logs" / f"version_{number}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(text)
    curves = read_curves(tmp_path / "run")
    assert curves["train/tr"] == [(50, 0.9), (100, 0.8), (150, 0.7), (200, 0.6)]
    assert smoothed([(step, float(step)) for step in range(1, 9)]) == [(6, 3.5), (7, 4.5), (8, 5.5)]
    draw_curves([str(tmp_path / "run"), "--out", str(tmp_path / "curves.png")])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "| 200 | 0.650 | 0.250 |" in capsys.readouterr().out


def test_poses_are_compared_over_batch_sizes_threads_order_and_a_killed_run(tmp_path, monkeypatch, capsys):
    from benchmarks import determinism

    def docked(command, **_):
        out = tmp_path / "out" / command[command.index("--out") + 1].rsplit("/", 1)[1]
        (out / "2azr_982").mkdir(parents=True)
        (out / "2azr_982" / "poses.sdf").write_bytes(b"other" if other in command else b"same")

    kinds = [variant for variant in determinism.VARIANTS if not variant.is_killed]
    monkeypatch.setattr(determinism, "VARIANTS", kinds)
    monkeypatch.setattr(determinism.subprocess, "run", docked)
    arguments = ["--out", str(tmp_path / "out"), "--complexes", str(COMPLEXES), "--limit", "1"]
    other = "--none"
    assert determinism.main(arguments) == 0 and "jobs in reverse: 1 of 1 equal" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "out")
    other = "--threads"
    assert determinism.main(arguments) == 1 and "threads 2: 0 of 1 equal 2azr_982" in capsys.readouterr().out


def test_faults_count_what_is_lost_double_and_stale(tmp_path):
    from benchmarks.faults import Count, compare, rows

    (tmp_path / "summary.csv").write_text("name,status,seconds\na,ok,1\nb,ok,2\na,ok,3\n")
    (tmp_path / ".a.0123.tmp").mkdir()
    found, count = rows(tmp_path / "summary.csv", "name", ("seconds",)), Count()
    assert list(found) == ["summary.csv: a", "summary.csv: b", "summary.csv: a (2)"]
    expected = {"summary.csv: a": found["summary.csv: a"], "summary.csv: b": "another", "summary.csv: c": ""}
    compare(count, expected, found, tmp_path)
    assert (count.lost, count.double, count.stale, count.drafts) == (1, 1, 1, 1)


def test_a_process_is_killed_at_a_rename_or_fails_as_on_a_full_disk(tmp_path, monkeypatch):
    import signal

    from benchmarks import faults
    from discodock.files import write_atomically

    def write(_):
        write_atomically(tmp_path / "a", b"1" * 20_000)
        write_atomically(tmp_path / "b", b"2")
        return 0

    monkeypatch.setattr("discodock.cli.main.run", write)
    assert faults.wait(faults.in_child([], faults.full_disk(10_000), tmp_path / "log")) == 99
    assert "File too large" in (tmp_path / "log").read_text() and not (tmp_path / "a").exists()
    for before, there in ((True, ["a"]), (False, ["a", "b"])):
        assert faults.wait(faults.in_child([], faults.kill_at_rename(2, before))) == -signal.SIGKILL
        assert [name for name in "ab" if (tmp_path / name).exists()] == there
