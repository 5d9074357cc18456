"""Poses as they are drawn and relaxed, before anything ranks them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from discodock.data.batch import Arrays
from discodock.inference.ranking import agreement, pairwise_rmsd
from discodock.inference.relax import RelaxedPoses
from discodock.inference.sample import SampledPoses
from discodock.inference.sites import DockingSite


@dataclass(frozen=True)
class DrawnPoses:
    """N poses of one ligand, sample by sample.

    Attributes:
        arrays: of the whole receptor and the ligand with its starting conformers, in the receptor's frame.
        sites: where poses started from, most probable first.
        pose_site: index of the site of each pose, ascending, shape (N,).
        sampled: as the network drew them, with their codes.
        relaxed: the same poses after relaxation, with what physics says of them.
    """

    arrays: Arrays
    sites: tuple[DockingSite, ...]
    pose_site: np.ndarray
    sampled: SampledPoses
    relaxed: RelaxedPoses

    def agreement(self) -> np.ndarray:
        """How densely the poses lie around each of them, see `ranking.agreement`, shape (N,)."""
        return agreement(pairwise_rmsd(self.relaxed.pos, self.arrays["ligand_automorphisms"]))
