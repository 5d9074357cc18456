"""Groups of points by their leader."""

import numpy as np

from discodock.geometry.clusters import leader_clusters


def test_points_join_the_first_leader_that_is_near_enough():
    points = np.array([[0.0, 0, 0], [30, 0, 0], [5, 0, 0], [33, 0, 0]])
    assert leader_clusters(points, 8.0) == [[0, 2], [1, 3]]


def test_members_are_near_their_leader_and_leaders_apart():
    points = np.random.default_rng(0).normal(size=(50, 3)) * 5
    groups = leader_clusters(points, 4.0)
    assert sorted(index for group in groups for index in group) == list(range(50))
    for number, (leader, *members) in enumerate(groups):
        assert all(np.linalg.norm(points[each] - points[leader]) < 4.0 for each in members)
        assert all(np.linalg.norm(points[leader] - points[other[0]]) >= 4.0 for other in groups[:number])


def test_no_points_make_no_groups():
    assert leader_clusters(np.zeros((0, 3)), 1.0) == []
