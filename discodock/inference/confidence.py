"""How likely each pose is to be near-native, by the confidence model and physics together."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from discodock.data.batch import Arrays, collate
from discodock.data.crop import crop_site
from discodock.inference.candidates import Candidates, Confidences
from discodock.inference.network import DockingNetwork
from discodock.models.confidence.model import BIN_CENTERS, ConfidenceModel, ConfidencePrediction
from discodock.models.confidence.ranking import PoseEvidence

POSES_SCORED_AT_ONCE: Final = 64
"""Poses scored together; more are no faster."""

SMALLEST_PROB: Final = 1e-9
"""Probabilities are kept this far from 0 and 1."""


def score_confidence(network: DockingNetwork, candidates: Candidates) -> Candidates:
    """The candidates with the confidence of their relaxed poses; as they are if the network has no confidence model.

    P(near-native) = P(site) P(near-native | site): the second is calibrated in the native pocket; the first is the
    site's probability, 1 for a pocket that the user gave.

    Args:
        network: the network, from `load_network`.
        candidates: poses of one ligand.
    """
    model = network.confidence_model
    if model is None:
        return candidates
    pose_site, pos = candidates.pose_site, candidates.relaxed.pos
    out_of_domain: set[str] = set()
    logits = torch.empty(len(pos), len(BIN_CENTERS))
    atom_logits = torch.empty(*pos.shape[:2], len(BIN_CENTERS))
    with torch.inference_mode():
        for index in np.unique(pose_site):
            own, center = pose_site == index, candidates.sites[index].pocket.center
            site_logits, outside = _score_site(model, candidates.arrays, center, pos[own], network.device)
            logits[own], atom_logits[own] = site_logits
            out_of_domain |= outside
        found = ConfidencePrediction(logits, atom_logits)
        known = PoseEvidence(
            success_logit=found.success_logit,
            facts={name: _tensor(values) for name, values in candidates.facts.items()},
            num_atoms=len(candidates.arrays["ligand_pos"]),
            num_candidates=candidates.num_all,
        )
        site_prob = np.array([site.prob for site in candidates.sites])[pose_site]
        prob = torch.sigmoid(model.ranking(model.ranking.table(known)))
        log_odds = torch.logit(prob * _tensor(site_prob), eps=SMALLEST_PROB)
        confidences = Confidences(
            confidence=found.success_logit.double().numpy(),
            log_odds=log_odds.numpy(),
            expected_rmsd=found.expected_rmsd(torch.sigmoid(log_odds)).double().numpy(),
            atom_error=found.atom_error.double().numpy(),
            out_of_domain=tuple(sorted(out_of_domain)),
        )
    return replace(candidates, confidences=confidences)


def _score_site(
    model: ConfidenceModel, arrays: Arrays, center: np.ndarray, pos: np.ndarray, device: torch.device
) -> tuple[tuple[Tensor, Tensor], set[str]]:
    """Logits of poses (N, L, 3) and of their atoms, on the CPU, and which aspects of the site are out of domain."""
    batch = collate([crop_site(arrays, center)]).to(device)
    context = model.encode(batch.receptor, batch.ligand)
    local = torch.from_numpy((pos - center).astype(np.float32)).to(device)
    first = torch.zeros(len(pos), dtype=torch.int64, device=device)
    parts = [model(context, each, first[: len(each)]) for each in local.split(POSES_SCORED_AT_ONCE)]
    distance = model.domain(model.domain_features(context))
    logits, atom_logits = torch.cat([p.logits for p in parts]), torch.cat([p.atom_logits for p in parts])
    return (logits.cpu(), atom_logits.cpu()), {name for name, value in distance.items() if float(value) > 1}


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))
