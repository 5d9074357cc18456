"""Plain facts about where a pose lies, whoever put it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from discodock.chem.ligand import LigandRecord
from discodock.chem.protein import Receptor
from discodock.chem.write import check_chemistry
from discodock.inference.sites import DockingSite

if TYPE_CHECKING:
    from rdkit import Chem


def pose_facts(
    site: DockingSite, mol: Chem.Mol, pos: np.ndarray, ligand: LigandRecord, receptor: Receptor
) -> dict[str, Any]:
    """`pocket_ok`, `min_dist_protein` and `stereo_problem` of a `DockedPose`.

    Args:
        site: where the pose started from.
        mol: the ligand in the pose.
        pos: its heavy atoms, Å, shape (L, 3).
        ligand: as read.
        receptor: as docked into.
    """
    gap = np.linalg.norm(pos[:, None] - receptor.pos[None], axis=2).min()
    offset = np.linalg.norm(pos.mean(axis=0) - site.pocket.center)
    return {
        "pocket_ok": bool(offset <= site.pocket.radius),
        "min_dist_protein": float(gap),
        "stereo_problem": check_chemistry(ligand.mol, mol),
    }
