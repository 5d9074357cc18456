"""Groups of points that are near to each other."""

from __future__ import annotations

import numpy as np


def leader_clusters(points: np.ndarray, radius: float) -> list[list[int]]:
    """Groups of points, in one pass: each joins the first group whose first member is near enough, or leads a new one.

    Args:
        points: coordinates, Å, shape (N, 3).
        radius: distance below which a point joins the leader of a group, Å.

    Returns:
        Indices of the members of each group, leader first, groups in the order of their leaders.
    """
    groups: list[list[int]] = []
    for index, point in enumerate(points):
        near = (group for group in groups if np.linalg.norm(points[group[0]] - point) < radius)
        group = next(near, None)
        if group is None:
            groups.append([index])
        else:
            group.append(index)
    return groups
