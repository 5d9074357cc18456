"""Ranking: distances against a direct loop, the crowd above the outlier, either part of the score decides."""

import numpy as np
import pytest

from discodock.geometry.rmsd import pairwise_rmsd
from discodock.inference.ranking import MIN_RMSD, consensus, rank_scores, select_diverse


@pytest.mark.parametrize("seed", range(5))
def test_distances_are_those_of_a_plain_loop_over_symmetries(seed):
    generator = np.random.default_rng(seed)
    poses = generator.normal(size=(4, 5, 3)) + 100.0
    automorphisms = np.array([[0, 1, 2, 3, 4], [0, 2, 1, 3, 4]])
    distances = pairwise_rmsd(poses, automorphisms)
    for i in range(4):
        for j in range(4):
            each = [np.sqrt(((poses[i] - poses[j][p]) ** 2).sum(axis=1).mean()) for p in automorphisms]
            assert distances[i, j] == pytest.approx(min(each), abs=1e-6)


def test_a_symmetric_copy_is_the_same_pose():
    pose = np.random.default_rng(0).normal(size=(3, 3))
    swap = np.array([2, 1, 0])
    distances = pairwise_rmsd(np.stack([pose, pose[swap]]), np.stack([np.arange(3), swap]))
    assert distances == pytest.approx(np.zeros((2, 2)), abs=1e-6)


def test_the_crowd_ranks_above_the_outlier():
    base = np.zeros((4, 3))
    poses = np.stack([base + 20.0, base, base + 0.1, base - 0.1])
    scores = consensus(pairwise_rmsd(poses, np.arange(4)[None]))
    assert scores.argmin() == 0 and scores.argmax() == 1
    assert ((scores > 0) & (scores <= 1)).all()


def test_a_single_pose_has_a_score():
    assert consensus(np.zeros((1, 1))) == pytest.approx([1.0])


def test_either_of_agreement_and_contacts_decides_between_poses_equal_in_the_other():
    assert rank_scores(np.array([0.2, 0.1]), np.array([-3.0, -3.0])).argmax() == 0
    assert rank_scores(np.array([0.2, 0.2]), np.array([-3.0, -4.0])).argmax() == 1


def brute_force_kept(scores, distances, num):
    """The rule, written down from its words."""
    ranking = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    distinct, repeats = [], []
    for i in ranking:
        is_new = all(distances[i, j] > MIN_RMSD for j in distinct)
        (distinct if is_new and len(distinct) < num else repeats).append(i)
    kept = distinct + repeats[: num - len(distinct)]
    return sorted(kept, key=ranking.index)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num", [1, 3, 8, 20, 30])
def test_candidates_unlike_better_ones_are_kept_first(seed, num):
    generator = np.random.default_rng(seed)
    places = generator.uniform(0, 4, size=(20, 1))
    distances, scores = np.abs(places - places.T), generator.normal(size=20)
    kept = select_diverse(scores, distances, num)
    assert kept.tolist() == brute_force_kept(scores, distances, num)
    assert len(kept) == min(num, 20) and kept[0] == scores.argmax()
    assert (np.diff(scores[kept]) <= 0).all()


def test_repeats_are_kept_only_where_nothing_else_is_left():
    places = np.array([0.0, 0.1, 0.2, 9.0])[:, None]
    distances, scores = np.abs(places - places.T), np.array([4.0, 3.0, 2.0, 1.0])
    assert select_diverse(scores, distances, 2).tolist() == [0, 3]
    assert select_diverse(scores, distances, 3).tolist() == [0, 1, 3]
