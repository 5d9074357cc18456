"""How likely each pose is to be right, by the confidence model and physics together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from discodock.data.batch import Arrays, collate
from discodock.data.crop import crop_site
from discodock.inference.drawn import DrawnPoses
from discodock.inference.network import DockingNetwork
from discodock.models.confidence_model import BIN_CENTERS, ConfidenceModel, ConfidencePrediction
from discodock.models.pose_ranking import PoseEvidence

MAX_POSES: Final = 64
"""Poses judged together; more are no faster."""

SMALLEST_PROB: Final = 1e-9
"""Probabilities are kept this far from 0 and 1."""


@dataclass(frozen=True)
class Belief:
    """What is believed of one pose.

    Attributes:
        confidence: log-odds of an RMSD below 2 Å by the confidence model alone.
        prob: probability of that by everything together.
        expected_rmsd: Å.
        atom_error: expected distance of each heavy atom from its true place, Å, shape (L,).
    """

    confidence: float
    prob: float
    expected_rmsd: float
    atom_error: np.ndarray


@dataclass(frozen=True)
class PoseConfidence:
    """What is believed of N poses.

    Attributes:
        confidence: log-odds of an RMSD below 2 Å by the confidence model alone, shape (N,).
        log_odds: the same by everything together; what poses are ranked by, shape (N,).
        expected_rmsd: Å, shape (N,).
        atom_error: expected distance of each atom from its true place, Å, shape (N, L).
        unlike: what of the complex is unlike all that the model was trained on: "ligand", "pocket".
    """

    confidence: np.ndarray
    log_odds: np.ndarray
    expected_rmsd: np.ndarray
    atom_error: np.ndarray
    unlike: tuple[str, ...] = ()

    def __getitem__(self, idx: np.ndarray) -> PoseConfidence:
        """What is believed of the chosen poses."""
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

    def of(self, index: int) -> Belief:
        """What is believed of one of them."""
        confidence, expected = float(self.confidence[index]), float(self.expected_rmsd[index])
        return Belief(confidence, float(self.prob[index]), expected, self.atom_error[index])

    def warnings(self) -> list[str]:
        """What a user should know before believing it."""
        if not self.unlike:
            return []
        what = " and ".join(self.unlike)
        return [f"{what} unlike those of training: take p_rmsd_lt_2 with care"]


def judge_poses(network: DockingNetwork, drawn: DrawnPoses) -> PoseConfidence | None:
    """Judge poses after relaxation; None if the network has no confidence model.

    P(right) = P(site) P(right | site): the second is calibrated in right pockets; the first is the site's probability,
    1 for a pocket that the user gave.

    Args:
        network: from `load_network`.
        drawn: poses of one ligand.
    """
    model = network.confidence_model
    if model is None:
        return None
    pose_site, pos = drawn.pose_site, drawn.relaxed.pos
    unlike: set[str] = set()
    logits = torch.empty(len(pos), len(BIN_CENTERS))
    atom_logits = torch.empty(*pos.shape[:2], len(BIN_CENTERS))
    with torch.inference_mode():
        for index in np.unique(pose_site):
            own, center = pose_site == index, drawn.sites[index].pocket.center
            judged, strange = _judge_site(model, drawn.arrays, center, pos[own], network.device)
            logits[own], atom_logits[own] = judged
            unlike |= strange
        found = ConfidencePrediction(logits, atom_logits)
        relaxed = drawn.relaxed
        features = PoseEvidence(
            success_logit=found.success_logit,
            contact_energy=_tensor(relaxed.contact_energy),
            strain=_tensor(relaxed.strain),
            num_atoms=len(drawn.arrays["ligand_pos"]),
        ).features()
        site_prob = np.array([site.prob for site in drawn.sites])[pose_site]
        log_odds = torch.logit(torch.sigmoid(model.ranking(features)) * _tensor(site_prob), eps=SMALLEST_PROB)
        return PoseConfidence(
            confidence=found.success_logit.double().numpy(),
            log_odds=log_odds.numpy(),
            expected_rmsd=found.expected_rmsd(torch.sigmoid(log_odds)).double().numpy(),
            atom_error=found.atom_error.double().numpy(),
            unlike=tuple(sorted(unlike)),
        )


def _judge_site(
    model: ConfidenceModel, arrays: Arrays, center: np.ndarray, pos: np.ndarray, device: torch.device
) -> tuple[tuple[Tensor, Tensor], set[str]]:
    """Logits of poses (N, L, 3) and of their atoms, on the CPU, and which aspects of the site are out of domain."""
    batch = collate([crop_site(arrays, center)]).to(device)
    context = model.encode(batch.receptor, batch.ligand)
    local = torch.from_numpy((pos - center).astype(np.float32)).to(device)
    first = torch.zeros(len(pos), dtype=torch.int64, device=device)
    parts = [model(context, each, first[: len(each)]) for each in local.split(MAX_POSES)]
    distance = model.domain(model.domain_features(context))
    logits, atom_logits = torch.cat([p.logits for p in parts]), torch.cat([p.atom_logits for p in parts])
    return (logits.cpu(), atom_logits.cpu()), {name for name, value in distance.items() if float(value) > 1}


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))
