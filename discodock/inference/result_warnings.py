"""What a user should know of the result of a docking, from all that took part in it."""

from __future__ import annotations

from collections.abc import Sequence

from discodock.chem.ligand import LigandRecord
from discodock.chem.receptor import Receptor
from discodock.inference.candidates import Candidates
from discodock.inference.docked_pose import DockedPose
from discodock.inference.inputs import size_warnings
from discodock.inference.pocket import Pocket
from discodock.inference.sample import SHORT_OF_MEMORY
from discodock.inference.site_warnings import site_warnings


def result_warnings(
    chosen: Candidates, poses: Sequence[DockedPose], ligand: LigandRecord, receptor: Receptor, pocket: Pocket | None
) -> tuple[str, ...]:
    """What a user should know of a result, one sentence each.

    Args:
        chosen: candidates that became the poses.
        poses: poses of the result.
        ligand: ligand that was docked.
        receptor: receptor that was docked into.
        pocket: pocket that the user gave; None if sites were searched.
    """
    of_pocket = () if pocket is None else pocket.warnings
    centers = [site.pocket.center for site in chosen.sites if pocket is not None or site.residue]
    warnings = [
        *receptor.warnings,
        *site_warnings(receptor, centers),
        *ligand.warnings,
        *of_pocket,
        *size_warnings(ligand, receptor),
        *chosen.relaxed.warnings,
    ]
    if chosen.sampled.short_of_memory:
        warnings.append(SHORT_OF_MEMORY)
    if chosen.confidences is not None:
        warnings += chosen.confidences.warnings()
    if not any(pose.checks.pocket_ok for pose in poses):
        radius = poses[0].site.pocket.radius
        warnings.append(f"no pose has its centroid within {radius:g} Å of its pocket's centre")
    return tuple(warnings)
