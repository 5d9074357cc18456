"""Symmetry-corrected RMSD: known symmetries cost nothing, real displacements cost exactly what they are."""

import numpy as np
import pytest

from discodock.evaluation.rmsd import symmetric_rmsd

# Para-xylene-like graph: a hexagon (atoms 0-5) with methyls 6 on 0 and 7 on 3; symmetry group of order 4.
RING = [(i, (i + 1) % 6) for i in range(6)] + [(0, 6), (3, 7)]
NUMBERS = np.full(8, 6)
MIRROR = np.array([0, 5, 4, 3, 2, 1, 6, 7])  # reflects the ring through the axis of the two methyls


def adjacency(bonds, num_atoms):
    matrix = np.zeros((num_atoms, num_atoms), dtype=int)
    for i, j in bonds:
        matrix[i, j] = matrix[j, i] = 1
    return matrix


def plain_rmsd(reference, poses):
    """Atom by atom, no symmetry, no superposition."""
    return np.sqrt(((poses - reference) ** 2).sum(axis=2).mean(axis=1))


@pytest.fixture
def ring_pos():
    angle = np.arange(6) * np.pi / 3
    ring = 1.4 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    return np.concatenate([ring, 2.9 / 1.4 * ring[[0, 3]]])


@pytest.mark.parametrize("permutation", [MIRROR, np.array([3, 4, 5, 0, 1, 2, 7, 6])])
def test_a_symmetric_flip_is_no_error(ring_pos, permutation):
    result = symmetric_rmsd(ring_pos, ring_pos[permutation][None], NUMBERS, adjacency(RING, 8))
    assert result.is_exact
    assert result.values == pytest.approx([0.0], abs=1e-9)
    assert plain_rmsd(ring_pos, ring_pos[permutation][None])[0] > 1.5


def test_an_element_breaks_the_symmetry(ring_pos):
    numbers = NUMBERS.copy()
    numbers[1] = 7  # a pyridine: the mirror now swaps a nitrogen with a carbon
    result = symmetric_rmsd(ring_pos, ring_pos[MIRROR][None], numbers, adjacency(RING, 8))
    assert result.values == pytest.approx(plain_rmsd(ring_pos, ring_pos[MIRROR][None]))


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_is_its_own_length_and_no_superposition_takes_place(ring_pos, seed):
    shift = np.random.default_rng(seed).normal(size=3)
    poses = np.stack([ring_pos, ring_pos + shift, ring_pos[MIRROR] + shift])
    expected = [0.0, np.linalg.norm(shift)]
    values = symmetric_rmsd(ring_pos, poses, NUMBERS, adjacency(RING, 8)).values
    assert values[:2] == pytest.approx(expected, abs=1e-9)
    assert values[2] <= np.linalg.norm(shift) + 1e-9


def test_too_many_symmetries_fall_back_to_an_upper_bound(ring_pos):
    poses = ring_pos[MIRROR][None] + 0.1
    exact = symmetric_rmsd(ring_pos, poses, NUMBERS, adjacency(RING, 8))
    bounded = symmetric_rmsd(ring_pos, poses, NUMBERS, adjacency(RING, 8), max_symmetries=3)
    assert not bounded.is_exact
    assert exact.values[0] <= bounded.values[0] + 1e-9
    assert bounded.values[0] <= plain_rmsd(ring_pos, poses)[0] + 1e-9


def test_a_molecule_with_a_huge_symmetry_group_does_not_hang():
    num_arms = 12  # 12! permutations of the arms of a star
    star = adjacency([(0, arm) for arm in range(1, num_arms + 1)], num_arms + 1)
    pos = np.random.default_rng(0).normal(size=(num_arms + 1, 3))
    numbers = np.full(num_arms + 1, 6)
    result = symmetric_rmsd(pos, pos[None], numbers, star, max_symmetries=500)
    assert not result.is_exact
    assert result.values == pytest.approx([0.0], abs=1e-9)


def test_shapes_that_do_not_fit_are_refused(ring_pos):
    with pytest.raises(ValueError, match="do not fit"):
        symmetric_rmsd(ring_pos[:7], ring_pos[None], NUMBERS, adjacency(RING, 8))
