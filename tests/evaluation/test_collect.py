import shutil

import numpy as np
import pytest

from discodock.data.crystal import list_complexes, read_complex
from discodock.data.datasets.source import SourceComplex
from discodock.data.store import PreparedStore
from discodock.evaluation.collect import CollectConfig, collect_poses
from discodock.evaluation.evaluate import choose_complexes
from discodock.evaluation.rmsd import ligand_rmsd
from discodock.inference.config import DockingConfig
from discodock.schema import POSE_FIELDS
from tests.tiny import COMPLEXES, write_tiny_checkpoint

NAMES = ("2azr_982", "1bju_GP6")


def config(**changes) -> CollectConfig:
    few = {"samples": 3, "exhaustiveness": 1, "conformers": 2, "steps": 2, "relax": "none"}
    return CollectConfig(**{"docking": DockingConfig().with_options(few)} | changes)


@pytest.fixture
def source(tmp_path):
    for name in NAMES:
        shutil.copytree(COMPLEXES / name, tmp_path / "source" / name)
    return tmp_path / "source"


@pytest.fixture
def checkpoint(tmp_path):
    return write_tiny_checkpoint(tmp_path / "tiny.safetensors")


def test_every_pose_is_kept_with_its_rmsd_in_the_frame_of_the_crop(source, checkpoint, tmp_path):
    found = collect_poses(source, tmp_path / "out", config(), checkpoint=checkpoint, device="cpu")
    assert (found.num_complexes, found.num_reused, found.failures) == (2, 0, ())
    store = PreparedStore(tmp_path / "out")
    for entry in list_complexes(source):
        crystal, arrays = read_complex(entry), store.load(entry.id)
        assert arrays.keys() >= POSE_FIELDS.keys()
        assert arrays.keys() >= {
            "pose_agreement",
            "pose_ranking_energy",
            "pose_strain",
            "pose_vina_score",
            "pose_shift",
        }
        shift = crystal.crystal_pos.mean(axis=0) - arrays["ligand_pos"].mean(axis=0)
        assert np.linalg.norm(arrays["ligand_pos"].mean(axis=0)) == pytest.approx(2, abs=1e-3), "the offset"
        expected = ligand_rmsd(crystal.ligand.mol, crystal.crystal_pos, arrays["pose_pos"] + shift).values
        np.testing.assert_allclose(arrays["pose_rmsd"], expected, atol=1e-3)
        assert np.linalg.norm(arrays["receptor_pos"], axis=1).max() < 25 and len(arrays["pose_rmsd"]) == 3
        distance = np.linalg.norm(arrays["receptor_pos"] + shift - crystal.receptor.pos[:, None], axis=-1).min(axis=0)
        assert distance.max() < 2e-3


def test_what_is_done_stays_done_until_a_setting_changes(source, checkpoint, tmp_path):
    collect_poses(source, tmp_path / "out", config(limit=1), checkpoint=checkpoint, device="cpu")
    more = collect_poses(source, tmp_path / "out", config(), checkpoint=checkpoint, device="cpu")
    assert (more.num_complexes, more.num_reused) == (2, 1)
    other = collect_poses(source, tmp_path / "out", config(offset=1.0), checkpoint=checkpoint, device="cpu")
    assert (other.num_complexes, other.num_reused) == (2, 0)


def test_one_bad_complex_does_not_stop_the_rest(source, checkpoint, tmp_path):
    (source / NAMES[0] / "ligand.sdf").write_text("nothing\n")
    found = collect_poses(source, tmp_path / "out", config(), checkpoint=checkpoint, device="cpu")
    assert found.num_complexes == 1
    assert [row.id for row in found.failures] == [NAMES[0]] and found.failures[0].reason


def test_families_are_cut_to_a_size_and_the_choice_is_of_ids_alone():
    entries = [SourceComplex(f"c{i}", "train", str(i % 3 if i < 30 else ""), "", "", (), None, {}) for i in range(33)]
    chosen = choose_complexes(entries, None, 0, per_cluster=2)
    assert sorted(entry.cluster for entry in chosen) == ["", "", "", "0", "0", "1", "1", "2", "2"]
    again = choose_complexes(reversed(entries), None, 0, per_cluster=2)
    assert [entry.id for entry in again] == [entry.id for entry in chosen]
    assert [entry.id for entry in choose_complexes(entries, 4, 0, 2)] == [entry.id for entry in chosen[:4]]
