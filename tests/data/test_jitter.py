import numpy as np
import pytest

from discodock.data.cropped import jittered

NUM_RESIDUES, ATOMS_EACH = 2000, 5


def fake_receptor():
    residue = np.repeat(np.arange(NUM_RESIDUES, dtype=np.int32) + 7, ATOMS_EACH)  # a crop may begin anywhere
    return {"receptor_pos": np.zeros((len(residue), 3), dtype=np.float32), "receptor_residue_idx": residue}


@pytest.mark.parametrize("seed", range(5))
def test_half_of_the_variance_is_shared_by_a_residue(seed):
    moved = jittered(fake_receptor(), 0.3, np.random.default_rng(seed))["receptor_pos"]
    by_residue = moved.reshape(NUM_RESIDUES, ATOMS_EACH, 3)
    first, second = by_residue[:, 0].ravel(), by_residue[:, 1].ravel()
    assert moved.std() == pytest.approx(0.3, rel=0.03)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.5, abs=0.06)
    neighbours = np.corrcoef(by_residue[:-1, 0].ravel(), by_residue[1:, 0].ravel())[0, 1]
    assert abs(neighbours) < 0.06


def test_the_complex_itself_is_not_changed():
    receptor = fake_receptor()
    jittered(receptor, 0.3, np.random.default_rng(0))
    assert not receptor["receptor_pos"].any()
