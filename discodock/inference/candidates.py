"""The candidates of a docking: poses of one ligand with all that is known of them, from sampling to the result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from discodock.chem.ligand import LigandRecord, heavy_indices
from discodock.chem.receptor import Receptor
from discodock.data.batch import Arrays
from discodock.geometry.clusters import leader_clusters
from discodock.geometry.rmsd import pairwise_rmsd
from discodock.inference.codes import code_labels, pointed_residues
from discodock.inference.config import DEFAULT_RADIUS
from discodock.inference.modes import Mode, find_modes, residue_contacts
from discodock.inference.pocket import Pocket
from discodock.inference.ranking import consensus, rank_scores, select_diverse
from discodock.inference.relaxation.relaxed import RelaxedPoses
from discodock.inference.sample import SampledPoses
from discodock.inference.sites import DockingSite
from discodock.latents.registry import CodeLayout

SITE_WIDTH: Final = 4.0
"""Å between centroids within which poses from elsewhere count as of one site."""


@dataclass(frozen=True)
class PoseConfidence:
    """The confidence of one pose.

    Attributes:
        confidence: log-odds of an RMSD below 2 Å by the confidence model alone.
        prob: calibrated probability of an RMSD below 2 Å by model, physics and site together.
        expected_rmsd: expected RMSD from the native pose, Å.
        atom_error: expected distance of each heavy atom from its native place, Å, shape (L,).
    """

    confidence: float
    prob: float
    expected_rmsd: float
    atom_error: np.ndarray


@dataclass(frozen=True)
class Confidences:
    """The confidence of N poses.

    Attributes:
        confidence: log-odds of an RMSD below 2 Å by the confidence model alone, shape (N,).
        log_odds: the same by model, physics and site together, which poses are ranked by, shape (N,).
        expected_rmsd: expected RMSD from the native pose, Å, shape (N,).
        atom_error: expected distance of each heavy atom from its native place, Å, shape (N, L).
        out_of_domain: aspects of the complex unlike all that the model was trained on: "ligand", "pocket".
    """

    confidence: np.ndarray
    log_odds: np.ndarray
    expected_rmsd: np.ndarray
    atom_error: np.ndarray
    out_of_domain: tuple[str, ...] = ()

    def __getitem__(self, idx: np.ndarray) -> Confidences:
        """The confidence of the chosen poses."""
        return replace(
            self,
            confidence=self.confidence[idx],
            log_odds=self.log_odds[idx],
            expected_rmsd=self.expected_rmsd[idx],
            atom_error=self.atom_error[idx],
        )

    @property
    def prob(self) -> np.ndarray:
        """Calibrated probability of an RMSD below 2 Å, shape (N,)."""
        return 1 / (1 + np.exp(-self.log_odds))

    def of(self, index: int) -> PoseConfidence:
        """The confidence of one of them."""
        confidence, expected = float(self.confidence[index]), float(self.expected_rmsd[index])
        return PoseConfidence(confidence, float(self.prob[index]), expected, self.atom_error[index])

    def warnings(self) -> list[str]:
        """What a user should know before trusting it."""
        if not self.out_of_domain:
            return []
        what = " and ".join(self.out_of_domain)
        return [f"{what} unlike those of training: take p_rmsd_lt_2 with care"]


@dataclass(frozen=True)
class ChosenFrom:
    """What stays known of all candidates after some were chosen.

    Attributes:
        num_candidates: number of all candidates.
        consensus: consensus of the chosen poses with all of them, shape (N,).
    """

    num_candidates: int
    consensus: np.ndarray


@dataclass(frozen=True)
class Candidates:
    """N poses of one ligand; an index cuts all that is known of them at once.

    Attributes:
        arrays: whole receptor, and ligand with its starting conformers, in the receptor's frame (`schema.FIELDS`).
        sites: sites that poses started from, most probable first.
        number: number of the random stream of each pose, int, shape (N,).
        pose_site: index of the site of each pose, int, shape (N,).
        sampled: poses as the network drew them, with the values of their codes.
        relaxed: the same poses after relaxation, with their energies.
        codes: codes of each pose in words, such as ("atom=N12", "near=A:ASP86"); empty without a prior.
        pointed: names of the residues that the codes of each pose point at.
        confidences: confidence of the poses; None before `score_confidence` or without a confidence model.
        modes: binding mode of each pose; empty before `select`.
        chosen_from: candidates that these were chosen from; None if these are all.
    """

    arrays: Arrays
    sites: tuple[DockingSite, ...]
    number: np.ndarray
    pose_site: np.ndarray
    sampled: SampledPoses
    relaxed: RelaxedPoses
    codes: tuple[tuple[str, ...], ...]
    pointed: tuple[tuple[str, ...], ...]
    confidences: Confidences | None = None
    modes: tuple[Mode, ...] = ()
    chosen_from: ChosenFrom | None = None

    def __len__(self) -> int:
        """N."""
        return len(self.number)

    def __getitem__(self, idx: np.ndarray) -> Candidates:
        """The chosen candidates; their consensus stays that with all."""
        return replace(
            self,
            number=self.number[idx],
            pose_site=self.pose_site[idx],
            sampled=self.sampled[idx],
            relaxed=self.relaxed[idx],
            codes=tuple(self.codes[i] for i in idx),
            pointed=tuple(self.pointed[i] for i in idx),
            confidences=None if self.confidences is None else self.confidences[idx],
            modes=tuple(self.modes[i] for i in idx) if self.modes else (),
            chosen_from=ChosenFrom(self.num_all, self.consensus[idx]),
        )

    @property
    def num_all(self) -> int:
        """Number of all candidates, among which these may have been chosen."""
        return len(self) if self.chosen_from is None else self.chosen_from.num_candidates

    @cached_property
    def distances(self) -> np.ndarray:
        """Symmetry-corrected RMSD between all pairs of poses, Å, shape (N, N)."""
        return pairwise_rmsd(self.relaxed.pos, self.arrays["ligand_automorphisms"])

    @cached_property
    def consensus(self) -> np.ndarray:
        """How densely all candidates lie around each pose, see `ranking.consensus`, shape (N,)."""
        return consensus(self.distances) if self.chosen_from is None else self.chosen_from.consensus

    @property
    def facts(self) -> dict[str, np.ndarray]:
        """What is known of each pose, by name, for `models.confidence.ranking` and pose stores; shape (N,) each."""
        return {**self.relaxed.facts, "agreement": self.consensus}

    @cached_property
    def scores(self) -> np.ndarray:
        """What poses are ranked by, higher is better, shape (N,)."""
        if self.confidences is not None:
            return self.confidences.log_odds
        return rank_scores(self.consensus, self.relaxed.ranking_energy)


def candidates_of(
    arrays: Arrays,
    sites: tuple[DockingSite, ...],
    pose_site: np.ndarray,
    sampled: SampledPoses,
    relaxed: RelaxedPoses,
) -> Candidates:
    """Candidates numbered as they come, without words for their codes; arguments as the attributes of `Candidates`."""
    num = len(pose_site)
    no_words: tuple[tuple[str, ...], ...] = ((),) * num
    return Candidates(arrays, sites, np.arange(num), pose_site, sampled, relaxed, codes=no_words, pointed=no_words)


def with_code_words(candidates: Candidates, layout: CodeLayout, ligand: LigandRecord, receptor: Receptor) -> Candidates:
    """The candidates with what their codes say, and the residues that these point at.

    Args:
        candidates: candidates with the values of their codes.
        layout: codes of the network.
        ligand: ligand whose atoms the codes name.
        receptor: receptor whose residues they name.
    """
    residues = receptor.residue_labels
    atoms = [f"{ligand.mol.GetAtomWithIdx(int(i)).GetSymbol()}{i + 1}" for i in heavy_indices(ligand.mol)]
    rows = candidates.sampled.code_values.tolist()
    codes = tuple(tuple(code_labels(layout, row, atoms, residues)) for row in rows)
    pointed = tuple(pointed_residues(layout, row, len(atoms), residues) for row in rows)
    return replace(candidates, codes=codes, pointed=pointed)


def select(candidates: Candidates, num: int, receptor: Receptor) -> Candidates:
    """The best candidates, best first and unlike each other, with the binding modes that all of them make up.

    Args:
        candidates: all that were sampled.
        num: number of candidates to select.
        receptor: receptor in the same frame, whose residues name the modes.
    """
    kept = select_diverse(candidates.scores, candidates.distances, num)
    contacts = residue_contacts(candidates.relaxed.pos, candidates.pointed, receptor)
    modes = find_modes(
        candidates.distances, candidates.pose_site.tolist(), contacts, best=int(kept[0]), kept=kept.tolist()
    )
    return replace(candidates, modes=tuple(modes))[kept]


def given_poses(arrays: Arrays, relaxed: RelaxedPoses) -> Candidates:
    """Poses from anywhere as candidates; those within `SITE_WIDTH` of each other's centroid are of one site.

    Args:
        arrays: whole receptor and ligand (`schema.FIELDS`).
        relaxed: the poses with their energies.
    """
    centroids = relaxed.pos.mean(axis=1)
    clusters = leader_clusters(centroids, SITE_WIDTH)
    pose_site = np.empty(len(centroids), dtype=np.int64)
    for number, members in enumerate(clusters):
        pose_site[members] = number
    centers = [centroids[members].mean(axis=0) for members in clusters]
    sites = tuple(DockingSite(Pocket(center, DEFAULT_RADIUS, "given poses"), 1.0, "") for center in centers)
    no_codes = np.zeros((len(centroids), 0), dtype=np.int64)
    return candidates_of(arrays, sites, pose_site, SampledPoses(relaxed.pos, no_codes), relaxed)
