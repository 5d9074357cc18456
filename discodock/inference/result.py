"""What docking returns: ranked poses of one ligand, as molecules with their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from discodock.chem.ligand import LigandRecord
from discodock.chem.receptor import MovedAtoms, Receptor
from discodock.chem.validity import Validity
from discodock.chem.write import pose_mols
from discodock.inference.candidates import Candidates, PoseConfidence
from discodock.inference.modes import Mode
from discodock.inference.pocket import Pocket
from discodock.inference.pose_checks import PoseChecks, check_pose
from discodock.inference.sites import DockingSite

if TYPE_CHECKING:
    from rdkit import Chem

SCORE_COLUMNS: Final = (
    "id", "rank", "sample", "rank_score", "agreement", "vina_score", "strain", "relax_shift", "side_chain_shift",
    "vina_rescore", "confidence", "p_rmsd_lt_2", "expected_rmsd", "latent_code", "mode", "pocket_ok", "stereo_ok",
    "pb_valid", "pb_failed", "pb_failed_checks", "min_dist_protein", "seed", "seconds", "status", "message",
)  # fmt: skip
"""Columns of `scores.csv`; those of a confidence model stay empty without one."""


@dataclass(frozen=True)
class DockedPose:
    """One pose.

    Attributes:
        mol: the input molecule (its atom order, hydrogens, charges, stereo, tags) in this pose.
        pos: heavy atoms in the receptor's frame, Å, shape (L, 3).
        rank: 1 for the best.
        sample: number of the random stream it came from, 0 for the first.
        rank_score: score that poses are ranked by, higher is better: the log-odds of `confidence`, or without one a
            mixture of the next two (without relaxation, of a softer Vina score). No affinity.
        consensus: density of the other samples around it, in (0, 1].
        vina_score: AutoDock Vina's score of it, kcal/mol; lower is better.
        strain: intramolecular energy above that of its best free conformer, kcal/mol.
        relax_shift: RMSD that relaxation moved it by, Å; zero without.
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
    relax_shift: float
    site: DockingSite
    codes: tuple[str, ...]
    mode: Mode
    checks: PoseChecks
    confidence: PoseConfidence | None = None
    validity: Validity | None = None
    vina_rescore: float | None = None
    side_chains: MovedAtoms | None = None


@dataclass(frozen=True)
class DockingResult:
    """Ranked poses of one ligand in a pocket, or in the sites that were found for it.

    Attributes:
        name: name of the job.
        poses: best first.
        ligand: the ligand, as read from its file.
        receptor: the receptor, metals and cofactors included.
        sites: sites that the ligand was docked into, most probable first; one if a pocket was given.
        seed: seed of all random streams.
        seconds: wall-clock time.
        warnings: warnings for the user, one sentence each.
    """

    name: str
    poses: tuple[DockedPose, ...]
    ligand: LigandRecord
    receptor: Receptor
    sites: tuple[DockingSite, ...]
    seed: int
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> DockedPose:
        """The pose ranked first."""
        return self.poses[0]

    @property
    def pocket(self) -> Pocket:
        """The pocket of the best pose."""
        return self.best.site.pocket

    @property
    def modes(self) -> list[Mode]:
        """The binding modes of the samples, largest first, poses of no mode last."""
        return sorted({pose.mode for pose in self.poses}, key=lambda mode: (len(mode.name), mode.name))

    def receptor_of(self, pose: DockedPose) -> Receptor:
        """The receptor with its side chains as they lie around a pose."""
        return self.receptor.with_moved(pose.side_chains)

    def best_of(self, mode: Mode) -> DockedPose:
        """The best-ranked pose of one of `modes`."""
        return next(pose for pose in self.poses if pose.mode == mode)

    def to_dicts(self) -> list[dict[str, object]]:
        """One dict per pose with the columns of `scores.csv`, best first; `pandas.DataFrame` takes it as it is."""
        return [self._row(pose) for pose in self.poses]

    def _row(self, pose: DockedPose) -> dict[str, object]:
        checks = pose.checks
        values: dict[str, object] = {
            "id": self.name,
            "rank": pose.rank,
            "sample": pose.sample,
            "rank_score": round(pose.rank_score, 4),
            "agreement": round(pose.consensus, 4),
            "vina_score": round(pose.vina_score, 3),
            "strain": round(pose.strain, 3),
            "relax_shift": round(pose.relax_shift, 3),
            "side_chain_shift": "" if checks.side_chain_shift is None else round(checks.side_chain_shift, 3),
            "vina_rescore": "" if pose.vina_rescore is None else round(pose.vina_rescore, 3),
            "latent_code": ";".join(filter(None, (pose.site.code, *pose.codes))),
            "mode": pose.mode.name,
            "pocket_ok": checks.pocket_ok,
            "stereo_ok": checks.stereo_problem is None,
            **_confidence_columns(pose.confidence),
            **_validity_columns(pose.validity),
            "min_dist_protein": round(checks.min_dist_protein, 3),
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "status": "ok",
            "message": checks.stereo_problem or "",
        }
        return {column: values.get(column, "") for column in SCORE_COLUMNS}


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
        relax_shift=float(relaxed.shift[index]),
        site=site,
        codes=candidates.codes[index],
        mode=candidates.modes[index],
        checks=check_pose(site, mol, pos, ligand, receptor, side_chains),
        confidence=None if confidences is None else confidences.of(index),
        side_chains=side_chains,
    )


def _confidence_columns(found: PoseConfidence | None) -> dict[str, object]:
    if found is None:
        return {}
    return {
        "confidence": round(found.confidence, 3),
        "p_rmsd_lt_2": round(found.prob, 4),
        "expected_rmsd": round(found.expected_rmsd, 2),
    }


def _validity_columns(validity: Validity | None) -> dict[str, object]:
    if validity is None:
        return {}
    failed = validity.failed
    return {"pb_valid": validity.is_valid, "pb_failed": len(failed), "pb_failed_checks": ";".join(failed)}
