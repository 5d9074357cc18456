"""Validity of docked poses: a column to judge them by, never a reason to lose them."""

from __future__ import annotations

import logging
from dataclasses import replace

from discodock.chem.receptor import Receptor
from discodock.chem.validity import check_validity
from discodock.inference.docked_pose import DockedPose

logger = logging.getLogger(__name__)


def with_validity(poses: tuple[DockedPose, ...], receptor: Receptor) -> tuple[DockedPose, ...]:
    """The poses with what PoseBusters' checks say of them; without, if the checks cannot be run on the molecule.

    Args:
        poses: poses of one ligand, final: nothing may move them afterwards.
        receptor: receptor that was docked into; a pose with side chains of its own is checked against these.
    """
    try:
        if all(pose.side_chains is None for pose in poses):
            found = check_validity([pose.mol for pose in poses], receptor)
        else:
            found = [check_validity([pose.mol], receptor.with_moved(pose.side_chains))[0] for pose in poses]
    except (RuntimeError, ValueError) as error:
        logger.warning("validity could not be checked: %s", error)
        return poses
    return tuple(replace(pose, validity=validity) for pose, validity in zip(poses, found, strict=True))
