import numpy as np
import pytest
import torch

from discodock.data.poses import PoseDataset, atom_errors, collate_poses
from discodock.data.store import COMPLEX_DIR, INDEX_FILE, IndexRow, PreparedStore, load_arrays, write_arrays, write_rows
from discodock.errors import PreparedDataError
from discodock.schema import LIGAND_ATOM_FEATURES

SIZES = {"a": (3, 5), "b": (5, 4)}


def docked(num_atoms, num_poses, seed=0, *, has_poses=True):
    """A made-up chain of atoms that may be read from either end, next to ten receptor atoms."""
    rng = np.random.default_rng(seed)
    arrays = {
        "receptor_pos": rng.normal(size=(10, 3)).round(3).astype(np.float32),
        "receptor_residue_idx": np.repeat(np.arange(5), 2).astype(np.int32),
        "ligand_pos": rng.normal(size=(num_atoms, 3)).astype(np.float32),
        "ligand_conformer_pos": rng.normal(size=(2, num_atoms, 3)).astype(np.float32),
        "ligand_atom_feat": np.zeros((num_atoms, len(LIGAND_ATOM_FEATURES)), np.uint8),
        "ligand_bond_index": np.zeros((2, 0), np.int16),
        "ligand_bond_type": np.zeros(0, np.uint8),
        "ligand_hops": np.zeros((num_atoms, num_atoms), np.uint8),
        "ligand_tor_bond": np.zeros((0, 2), np.int16),
        "ligand_mask_rotate": np.zeros((0, num_atoms), bool),
        "ligand_automorphisms": np.stack([np.arange(num_atoms), np.arange(num_atoms)[::-1]]).astype(np.int16),
    }
    arrays |= {f"receptor_{name}": np.zeros(10, np.uint8) for name in ("element", "residue_type", "atom_name")}
    if has_poses:
        flat = {f"pose_{name}": rng.random(num_poses) for name in ("rmsd", "agreement", "ranking_energy", "strain")}
        arrays |= {name: value.astype(np.float32) for name, value in flat.items()}
        arrays["pose_pos"] = rng.normal(size=(num_poses, num_atoms, 3)).astype(np.float32)
    return arrays


@pytest.fixture
def store(tmp_path):
    (tmp_path / COMPLEX_DIR).mkdir()
    rows = []
    for seed, (name, size) in enumerate(SIZES.items()):
        file = f"{COMPLEX_DIR}/{name}.npz"
        write_arrays(tmp_path / file, docked(*size, seed))
        rows.append(IndexRow(name, "train", name, size[0], 0, 5, file, "key"))
    write_rows(tmp_path / INDEX_FILE, rows, IndexRow)
    return PreparedStore(tmp_path)


def test_poses_come_back_as_they_were_written(store):
    for seed, (name, size) in enumerate(SIZES.items()):
        found, expected = store.load(name), docked(*size, seed)
        assert found.keys() == expected.keys()
        for field, value in expected.items():
            np.testing.assert_allclose(found[field], value, atol=1e-6)


def test_poses_of_a_wrong_shape_are_refused(tmp_path):
    arrays = docked(3, 5)
    with pytest.raises(PreparedDataError, match="pose_rmsd is"):
        write_arrays(tmp_path / "x.npz", arrays | {"pose_rmsd": arrays["pose_rmsd"][:2]})
    with pytest.raises(PreparedDataError, match="pose_strain is"):
        write_arrays(tmp_path / "x.npz", arrays | {"pose_strain": arrays["pose_strain"][:2]})
    with pytest.raises(PreparedDataError, match="missing or unknown: pose_rmsd"):
        write_arrays(tmp_path / "x.npz", {k: v for k, v in arrays.items() if k != "pose_rmsd"})


def test_facts_of_poses_travel_by_name_and_a_batch_has_those_of_all_its_complexes(store, tmp_path):
    arrays = docked(3, 5)
    more = arrays | {"pose_toy": np.arange(5, dtype=np.float32)}
    write_arrays(tmp_path / COMPLEX_DIR / "a.npz", more)
    whole = PoseDataset(store, ["a", "b"], None, seed=0)
    torch.testing.assert_close(collate_poses([whole[0]]).to("cpu").facts["toy"], torch.arange(5.0))
    assert collate_poses([whole[0], whole[1]]).facts.keys() == {"agreement", "ranking_energy", "strain"}


def test_a_store_without_poses_says_which_command_makes_them(store, tmp_path):
    write_arrays(tmp_path / COMPLEX_DIR / "a.npz", docked(3, 5, has_poses=False))
    assert "pose_pos" not in load_arrays(tmp_path / COMPLEX_DIR / "a.npz")
    with pytest.raises(PreparedDataError, match="discodock prepare poses"):
        PoseDataset(store, ["a"], 2, 0)[0]


def test_atoms_are_compared_with_the_image_that_fits_the_whole_pose():
    arrays = docked(4, 3)
    arrays["pose_pos"][0] = arrays["ligand_pos"]
    arrays["pose_pos"][1] = arrays["ligand_pos"][::-1]
    arrays["pose_pos"][2] = arrays["ligand_pos"][::-1] + np.float32([0, 3, 4]) * np.eye(4, dtype=np.float32)[0][:, None]
    errors = atom_errors(arrays)
    np.testing.assert_allclose(errors[:2], 0, atol=1e-6)
    np.testing.assert_allclose(errors[2], [5, 0, 0, 0], atol=1e-5)


def test_draws_are_without_repeats_and_differ_by_their_number(store):
    dataset = PoseDataset(store, ["a", "b"], 3, seed=0)
    drawn = [dataset[(0, number)]["pose_rmsd"] for number in range(6)]
    assert all(len(set(each.tolist())) == 3 for each in drawn)
    assert len({tuple(each.tolist()) for each in drawn}) > 1
    np.testing.assert_array_equal(dataset[(0, 4)]["pose_rmsd"], drawn[4])
    assert len(PoseDataset(store, ["a"], None, seed=0)[0]["pose_rmsd"]) == SIZES["a"][1]


def test_jitter_moves_the_receptor_alone_and_anew_with_every_draw(store):
    plain, moving = (PoseDataset(store, ["a"], 3, seed=0, receptor_jitter=jitter) for jitter in (0.0, 0.2))
    first, again, other = moving[(0, 1)], moving[(0, 1)], moving[(0, 2)]
    np.testing.assert_array_equal(first["receptor_pos"], again["receptor_pos"])
    assert np.abs(first["receptor_pos"] - other["receptor_pos"]).max() > 0.05
    assert np.abs(first["receptor_pos"] - plain[(0, 1)]["receptor_pos"]).max() < 2.0
    np.testing.assert_array_equal(first["ligand_pos"], plain[(0, 1)]["ligand_pos"])


def test_a_batch_holds_the_poses_of_all_complexes_in_a_row(store):
    whole = PoseDataset(store, ["a", "b"], None, seed=0)
    batch = collate_poses([whole[0], whole[1]])
    assert batch.pose_complex.tolist() == [0] * 5 + [1] * 4
    assert batch.pos.shape == (9, 5, 3) and batch.atom_error.shape == (9, 5)
    np.testing.assert_allclose(batch.pos[5:], whole[1]["pose_pos"])
    np.testing.assert_allclose(batch.pos[:5, :3], whole[0]["pose_pos"])
    assert not batch.pos[:5, 3:].any()
    torch.testing.assert_close(batch.rmsd[5:], torch.from_numpy(whole[1]["pose_rmsd"]))
