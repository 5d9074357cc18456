import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from discodock.geometry.cavities import ALPHA_RADII, alpha_spheres, cavity_features, residue_centroids


def bowl(seed=0, num=400):
    """Atoms in the shell of a half sphere about the origin, open towards +z: one pocket; four atoms a residue."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(num, 3))
    direction[:, 2] = -abs(direction[:, 2])
    pos = direction / np.linalg.norm(direction, axis=1, keepdims=True) * rng.uniform(7, 12, size=(num, 1))
    return pos, np.arange(num) // 4


def test_alpha_spheres_touch_four_atoms_and_contain_none():
    pos, _ = bowl()
    spheres = alpha_spheres(pos)
    assert len(spheres) > 10
    distance = np.sort(np.linalg.norm(spheres[:, None] - pos, axis=2), axis=1)
    np.testing.assert_allclose(distance[:, 3], distance[:, 0], rtol=1e-6)
    assert (distance[:, 0] > ALPHA_RADII[0]).all()
    assert (distance[:, 0] < ALPHA_RADII[1]).all()


def test_vectors_turn_with_the_protein_and_scalars_stay():
    pos, residue_idx = bowl()
    turn = Rotation.random(random_state=1).as_matrix()
    scalars, vectors = cavity_features(pos, residue_idx)
    turned_scalars, turned_vectors = cavity_features(pos @ turn.T + 5.0, residue_idx)
    np.testing.assert_allclose(turned_scalars, scalars, atol=1e-5)
    np.testing.assert_allclose(turned_vectors, np.einsum("ij,njk->nik", turn, vectors), atol=1e-5)
    mirrored_scalars, mirrored_vectors = cavity_features(-pos, residue_idx)
    np.testing.assert_allclose(mirrored_scalars, scalars, atol=1e-5)
    np.testing.assert_allclose(mirrored_vectors, -vectors, atol=1e-5)


def test_inner_residues_of_a_bowl_look_at_its_inside():
    pos, residue_idx = bowl()
    centroids = residue_centroids(pos, residue_idx)
    _, vectors = cavity_features(pos, residue_idx)
    inner = np.linalg.norm(centroids, axis=1) < 9
    towards_inside = -(centroids[inner] / np.linalg.norm(centroids[inner], axis=1, keepdims=True))
    assert inner.sum() > 20
    assert ((vectors[inner, :, 1] * towards_inside).sum(axis=1) > 0).mean() > 0.9


def test_centroids_are_means_over_the_atoms_of_a_residue():
    pos = np.arange(18.0).reshape(6, 3)
    np.testing.assert_allclose(
        residue_centroids(pos, np.array([0, 0, 1, 2, 2, 2])), [pos[:2].mean(0), pos[2], pos[3:].mean(0)]
    )


@pytest.mark.parametrize("num_atoms", [1, 4, 6])
def test_few_or_flat_atoms_have_no_cavities(num_atoms):
    pos = np.zeros((num_atoms, 3))
    pos[:, 0] = np.arange(num_atoms)
    scalars, vectors = cavity_features(pos, np.arange(num_atoms))
    assert np.isfinite(scalars).all()
    assert np.isfinite(vectors).all()
    assert (scalars[:, :12] == 0).all()
