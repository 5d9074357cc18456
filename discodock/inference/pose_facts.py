"""Plain facts about where a pose lies, whoever put it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from discodock.chem.ligand import LigandRecord
from discodock.chem.protein import MovedAtoms, Receptor
from discodock.chem.write import check_chemistry
from discodock.inference.sites import DockingSite

if TYPE_CHECKING:
    from rdkit import Chem


def pose_facts(
    site: DockingSite,
    mol: Chem.Mol,
    pos: np.ndarray,
    ligand: LigandRecord,
    receptor: Receptor,
    side_chains: MovedAtoms | None = None,
) -> dict[str, Any]:
    """`pocket_ok`, `min_dist_protein`, `stereo_problem` and what there is to say of side chains, of a `DockedPose`.

    Args:
        site: where the pose started from.
        mol: the ligand in the pose.
        pos: its heavy atoms, Å, shape (L, 3).
        ligand: as read.
        receptor: as docked into.
        side_chains: what of it moved with the pose.
    """
    receptor_pos = receptor.with_moved(side_chains).pos
    gap = np.linalg.norm(pos[:, None] - receptor_pos[None], axis=2).min()
    offset = np.linalg.norm(pos.mean(axis=0) - site.pocket.center)
    shift = float(np.linalg.norm(receptor_pos - receptor.pos, axis=1).max())
    return {
        "pocket_ok": bool(offset <= site.pocket.radius),
        "min_dist_protein": float(gap),
        "stereo_problem": check_chemistry(ligand.mol, mol),
        "side_chains": side_chains,
        "side_chain_shift": None if side_chains is None else shift,
    }
