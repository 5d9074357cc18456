"""Validity of docked poses: it puts those that pass first, and is never a reason to lose one."""

from __future__ import annotations

import logging
from dataclasses import replace

from discodock.chem.receptor import Receptor
from discodock.chem.validity import check_validity
from discodock.inference.docked_pose import DockedPose

logger = logging.getLogger(__name__)


def with_validity(poses: tuple[DockedPose, ...], receptor: Receptor) -> tuple[DockedPose, ...]:
    """The poses with what PoseBusters' checks say of them, those that fail any after all that pass, else in order.

    A pose that is not valid is not right, whatever its RMSD; on 263 val complexes this is what makes the first pose
    right and valid more often (docs/experiments.md, "Valid poses first").

    Args:
        poses: poses of one ligand, best first and final: nothing may move them afterwards.
        receptor: receptor that was docked into; a pose with side chains of its own is checked against these.

    Returns:
        The poses with new ranks; as they are if the checks cannot be run on the molecule.
    """
    try:
        if all(pose.side_chains is None for pose in poses):
            found = check_validity([pose.mol for pose in poses], receptor)
        else:
            found = [check_validity([pose.mol], receptor.with_moved(pose.side_chains))[0] for pose in poses]
    except (RuntimeError, ValueError) as error:
        logger.warning("validity could not be checked: %s", error)
        return poses
    checked = [replace(pose, validity=validity) for pose, validity in zip(poses, found, strict=True)]
    checked.sort(key=lambda pose: bool(pose.validity and pose.validity.failed))
    return tuple(replace(pose, rank=rank) for rank, pose in enumerate(checked, start=1))
