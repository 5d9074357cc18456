"""Relaxation by Vina's terms and the ligand's torsions in the rigid receptor; and none, for poses that stay."""

from __future__ import annotations

import numpy as np

from discodock.inference.relaxation.relaxed import RelaxedPoses
from discodock.inference.relaxation.scorer import PoseScorer


class FastRelaxer:
    """Poses where Vina's energy and that of their torsions are low."""

    def relax(self, pos: np.ndarray, scorer: PoseScorer) -> RelaxedPoses:
        """As `scorer.Relaxer`."""
        return scorer.relax_all(pos, is_moving=True)


class NoRelaxer:
    """Poses as they are."""

    def relax(self, pos: np.ndarray, scorer: PoseScorer) -> RelaxedPoses:
        """As `scorer.Relaxer`; Vina's repulsion is softened in what they are ranked by."""
        return scorer.relax_all(pos, is_moving=False)
