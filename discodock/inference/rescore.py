"""Poses optimised locally and rescored by AutoDock Vina itself, ranked by what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from discodock.chem.ligand import LigandRecord
from discodock.chem.receptor import Receptor
from discodock.chem.write import pose_mols
from discodock.inference.docked_pose import DockedPose
from discodock.inference.pose_checks import check_pose


def rescored(poses: tuple[DockedPose, ...], ligand: LigandRecord, receptor: Receptor) -> tuple[DockedPose, ...]:
    """The poses as Vina optimises them in the rigid receptor, best first by its score; ties keep their order.

    Args:
        poses: poses of one ligand.
        ligand: the ligand, as read from its file.
        receptor: the receptor that was docked into.

    Raises:
        InputError: Vina is missing, or cannot use the ligand.
    """
    from discodock.chem.autodock import optimise_poses

    found = optimise_poses(np.stack([pose.pos for pose in poses]), ligand, receptor)
    order = np.argsort(found.scores, kind="stable")
    moved = []
    for rank, (index, mol) in enumerate(zip(order, pose_mols(ligand, found.pos[order]), strict=True), start=1):
        score, pos = float(found.scores[index]), found.pos[index]
        checks = check_pose(poses[index].site, mol, pos, ligand, receptor)
        new = {"mol": mol, "pos": pos, "rank": rank, "rank_score": -score, "vina_rescore": score, "checks": checks}
        moved.append(replace(poses[index], side_chains=None, **new))
    return tuple(moved)
