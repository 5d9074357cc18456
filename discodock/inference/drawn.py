"""Poses as they are drawn and relaxed, before anything ranks them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from discodock.data.batch import Arrays
from discodock.geometry.rmsd import pairwise_rmsd
from discodock.inference.config import DEFAULT_RADIUS
from discodock.inference.pocket import Pocket
from discodock.inference.ranking import agreement
from discodock.inference.relax import RelaxedPoses
from discodock.inference.sample import SampledPoses
from discodock.inference.sites import DockingSite

NEAR: Final = 4.0  # Å, of centroids


@dataclass(frozen=True)
class DrawnPoses:
    """N poses of one ligand, sample by sample.

    Attributes:
        arrays: of the whole receptor and the ligand with its starting conformers, in the receptor's frame.
        sites: where poses started from, most probable first.
        pose_site: index of the site of each pose, shape (N,).
        sampled: as the network drew them, with their codes.
        relaxed: the same poses after relaxation, with what physics says of them.
    """

    arrays: Arrays
    sites: tuple[DockingSite, ...]
    pose_site: np.ndarray
    sampled: SampledPoses
    relaxed: RelaxedPoses

    def __getitem__(self, idx: np.ndarray) -> DrawnPoses:
        """The chosen poses, which then agree with each other alone."""
        return replace(self, pose_site=self.pose_site[idx], sampled=self.sampled[idx], relaxed=self.relaxed[idx])

    @cached_property
    def distances(self) -> np.ndarray:
        """Symmetry-corrected RMSD between all pairs of poses, Å, shape (N, N)."""
        return pairwise_rmsd(self.relaxed.pos, self.arrays["ligand_automorphisms"])

    def agreement(self) -> np.ndarray:
        """How densely the poses lie around each of them, see `ranking.agreement`, shape (N,)."""
        return agreement(self.distances)


def given_poses(arrays: Arrays, relaxed: RelaxedPoses) -> DrawnPoses:
    """Poses that were not drawn here: they count as of one site if their centroids lie within `NEAR` of its first's.

    Args:
        arrays: of the whole receptor and the ligand.
        relaxed: the poses.
    """
    centroid = relaxed.pos.mean(axis=1)
    firsts: list[np.ndarray] = []
    pose_site = np.empty(len(centroid), dtype=np.int64)
    for number, place in enumerate(centroid):
        near = [index for index, first in enumerate(firsts) if np.linalg.norm(place - first) < NEAR]
        if not near:
            firsts.append(place)
        pose_site[number] = near[0] if near else len(firsts) - 1
    centers = [centroid[pose_site == index].mean(axis=0) for index in range(len(firsts))]
    sites = tuple(DockingSite(Pocket(center, DEFAULT_RADIUS, "given poses"), 1.0, "") for center in centers)
    no_codes = np.zeros((len(centroid), 0), dtype=np.int64)
    return DrawnPoses(arrays, sites, pose_site, SampledPoses(relaxed.pos, no_codes), relaxed)
