"""Plain facts about where a pose lies, whoever put it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from discodock.chem.ligand import LigandRecord
from discodock.chem.receptor import MovedAtoms, Receptor
from discodock.chem.write import check_chemistry
from discodock.inference.sites import DockingSite

if TYPE_CHECKING:
    from rdkit import Chem


@dataclass(frozen=True)
class PoseChecks:
    """Plain facts about a pose.

    Attributes:
        pocket_ok: whether its centroid lies within the radius of its site's pocket.
        min_dist_protein: smallest distance between a heavy atom of it and one of the receptor, Å.
        stereo_problem: None if the chemistry of the input came back, else what differs.
        side_chain_shift: the largest distance that an atom of a side chain moved with it, Å; None if none did.
    """

    pocket_ok: bool
    min_dist_protein: float
    stereo_problem: str | None
    side_chain_shift: float | None = None


def check_pose(
    site: DockingSite,
    mol: Chem.Mol,
    pos: np.ndarray,
    ligand: LigandRecord,
    receptor: Receptor,
    side_chains: MovedAtoms | None = None,
) -> PoseChecks:
    """Check where a pose lies and whether its chemistry is that of the input.

    Args:
        site: site that the pose started from.
        mol: the ligand in the pose.
        pos: heavy atoms of the pose, Å, shape (L, 3).
        ligand: ligand that was docked.
        receptor: receptor that was docked into.
        side_chains: receptor atoms that moved with the pose.
    """
    receptor_pos = receptor.with_moved(side_chains).pos
    gap = np.linalg.norm(pos[:, None] - receptor_pos[None], axis=2).min()
    offset = np.linalg.norm(pos.mean(axis=0) - site.pocket.center)
    shift = float(np.linalg.norm(receptor_pos - receptor.pos, axis=1).max())
    return PoseChecks(
        pocket_ok=bool(offset <= site.pocket.radius),
        min_dist_protein=float(gap),
        stereo_problem=check_chemistry(ligand.mol, mol),
        side_chain_shift=None if side_chains is None else shift,
    )
