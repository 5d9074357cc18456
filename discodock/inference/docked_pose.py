"""One docked pose: the molecule, and all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from discodock.chem.ligand import LigandRecord
from discodock.chem.receptor import MovedAtoms, Receptor
from discodock.chem.validity import Validity
from discodock.chem.write import pose_mols
from discodock.inference.candidates import Candidates, PoseConfidence
from discodock.inference.modes import Mode
from discodock.inference.pose_checks import PoseChecks, check_pose
from discodock.inference.sites import DockingSite

if TYPE_CHECKING:
    from rdkit import Chem


@dataclass(frozen=True)
class DockedPose:
    """One pose.

    Attributes:
        mol: the input molecule (its atom order, hydrogens, charges, stereo, tags) in this pose.
        pos: heavy atoms in the receptor's frame, Å, shape (L, 3).
        rank: 1 for the best by `rank_score` of those that pass PoseBusters' checks, the rest follow.
        sample: number of the random stream it came from, 0 for the first.
        rank_score: score that poses are ranked by, higher is better: the log-odds of `confidence`, or without one a
            mixture of the next two (without relaxation, of a softer Vina score). No affinity.
        consensus: density of the other samples around it, in (0, 1].
        vina_score: AutoDock Vina's score of it, kcal/mol; lower is better.
        strain: intramolecular energy above that of its best unbound conformer, kcal/mol.
        relax_rmsd: RMSD that relaxation moved it by, Å; zero without.
        site: site that it started from.
        codes: choices of its discrete codes, in words, such as ("atom=N12", "near=A:ASP86"); none without a prior.
        mode: the binding mode it is part of.
        checks: checks of its position, and of whether its chemistry came back.
        confidence: confidence that it is near-native; None if the checkpoint has no confidence model.
        validity: verdicts of PoseBusters' checks; None if they were not run.
        vina_rescore: AutoDock Vina's score, kcal/mol, of the pose as Vina optimised it, lower is better; None if it was
            not asked. If it was, poses are ranked by it, and other scores are still those of the pose before.
        side_chains: receptor atoms that relaxation moved with it, for which all of the above holds; None if none did.
    """

    mol: Chem.Mol
    pos: np.ndarray
    rank: int
    sample: int
    rank_score: float
    consensus: float
    vina_score: float
    strain: float
    relax_rmsd: float
    site: DockingSite
    codes: tuple[str, ...]
    mode: Mode
    checks: PoseChecks
    confidence: PoseConfidence | None = None
    validity: Validity | None = None
    vina_rescore: float | None = None
    side_chains: MovedAtoms | None = None


def docked_poses(candidates: Candidates, ligand: LigandRecord, receptor: Receptor) -> tuple[DockedPose, ...]:
    """Candidates as poses of a result, best first; equal scores keep their order.

    Args:
        candidates: candidates that were selected, with their modes.
        ligand: ligand that was docked.
        receptor: receptor that was docked into.
    """
    best_first = candidates[np.argsort(-candidates.scores, kind="stable")]
    mols = pose_mols(ligand, best_first.relaxed.pos)
    return tuple(_docked_pose(best_first, index, mol, ligand, receptor) for index, mol in enumerate(mols))


def _docked_pose(
    candidates: Candidates, index: int, mol: Chem.Mol, ligand: LigandRecord, receptor: Receptor
) -> DockedPose:
    relaxed, confidences = candidates.relaxed, candidates.confidences
    pos, site = relaxed.pos[index], candidates.sites[candidates.pose_site[index]]
    side_chains = relaxed.side_chains[index] if relaxed.side_chains else None
    return DockedPose(
        mol=mol,
        pos=pos,
        rank=index + 1,
        sample=int(candidates.number[index]),
        rank_score=float(candidates.scores[index]),
        consensus=float(candidates.consensus[index]),
        vina_score=float(relaxed.vina_score[index]),
        strain=float(relaxed.strain[index]),
        relax_rmsd=float(relaxed.shift[index]),
        site=site,
        codes=candidates.codes[index],
        mode=candidates.modes[index],
        checks=check_pose(site, mol, pos, ligand, receptor, side_chains),
        confidence=None if confidences is None else confidences.of(index),
        side_chains=side_chains,
    )
