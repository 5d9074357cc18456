"""From what network and physics say of a pose to one calibrated probability of being near-native.

To rank by something new, describe it in `EVIDENCE` and name it in `DEFAULT_FEATURES`; what it reads besides the network
has to be among the facts that relaxation gives (`inference.relaxation.relaxed.RelaxedPoses.facts`), which travel by
name through pose stores, batches and docking. Checkpoints name the features of their ranking, so that they keep
loading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from discodock.errors import PreparedDataError

RIDGE: Final = 1e-3
"""Ridge of the standardised coefficients, against the mean log-likelihood."""

NUM_NEWTON_STEPS: Final = 30

AGREEMENT_FLOOR: Final = 0.03
"""Added to the agreement before its logarithm: a pose that no other is near is not infinitely bad."""


@dataclass(frozen=True)
class PoseEvidence:
    """What is known of N poses of one ligand.

    Attributes:
        success_logit: log-odds of an RMSD below 2 Å by the confidence model, shape (N,).
        facts: facts that docking computed of each pose, by name, such as `RelaxedPoses.facts`; shape (N,) each.
        num_atoms: number of heavy atoms of the ligand.
        num_candidates: number of poses that the agreement was counted over; None if it was over these N.
    """

    success_logit: Tensor
    facts: Mapping[str, Tensor]
    num_atoms: int
    num_candidates: int | None = None

    def fact(self, name: str) -> Tensor:
        """One of `facts`, float64, shape (N,).

        Raises:
            PreparedDataError: poses came without it.
        """
        if name not in self.facts:
            raise PreparedDataError(f"poses without {name!r}, which they are ranked by; run `discodock prepare poses`")
        return self.facts[name].double()


@dataclass(frozen=True)
class RankingFeature:
    """Something that poses may be ranked by.

    Attributes:
        value: function that gives the feature of N poses, float64, shape (N,).
        unit: unit of the values, in words if they have none.
        description: description of the feature, a noun phrase.
        largest: values above count as this; infinity: none is too large.
    """

    value: Callable[[PoseEvidence], Tensor]
    unit: str
    description: str
    largest: float = float("inf")


def ranking_table(known: PoseEvidence, names: Sequence[str]) -> Tensor:
    """Features of poses as a ranking reads them, float64, shape (N, len(names)).

    Args:
        known: evidence of the poses.
        names: names in `EVIDENCE`, in the order of the columns.

    Raises:
        PreparedDataError: poses came without something that a feature reads.
    """
    return torch.stack([EVIDENCE[name].value(known).clamp(max=EVIDENCE[name].largest) for name in names], dim=1)


class PoseRanking(nn.Module):
    """Logistic regression: log-odds of an RMSD below 2 Å, calibrated on the complexes it was fitted to.

    Unfitted, it says what the first feature says.

    Args:
        names: features that it reads, names in `EVIDENCE`, in the order of its columns.
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names, num_features = tuple(names), len(names)
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(num_features))
        self.register_buffer("weight", torch.eye(num_features)[0].clone())
        self.register_buffer("bias", torch.zeros(()))

    def table(self, known: PoseEvidence) -> Tensor:
        """The features that it reads, see `ranking_table`, shape (N, num_features)."""
        return ranking_table(known, self.names)

    def forward(self, features: Tensor) -> Tensor:
        """log-odds of each pose, shape (N,), from features (N, num_features)."""
        mean, scale, weight, bias = (each.to(features) for each in (self.mean, self.scale, self.weight, self.bias))
        return ((features - mean) / scale) @ weight + bias

    @torch.no_grad()
    def fit(self, features: Tensor, is_near_native: Tensor, pose_weight: Tensor) -> None:
        """Maximum of the weighted log-likelihood with a ridge, by Newton's method.

        Args:
            features: features of the poses, shape (N, num_features).
            is_near_native: true for near-native poses, bool, shape (N,).
            pose_weight: weight of each pose, shape (N,).

        Raises:
            ValueError: all poses are near-native, or all decoys.
        """
        if bool(is_near_native.all()) or not bool(is_near_native.any()):
            raise ValueError("poses that are all near-native or all decoys calibrate nothing")
        weight = pose_weight.double() / pose_weight.double().sum()
        known = features.double()
        mean = weight @ known
        scale = (weight @ (known - mean).square()).sqrt().clamp(min=1e-3)
        inputs = torch.cat([(known - mean) / scale, torch.ones_like(known[:, :1])], dim=1)
        found = _logistic(inputs, is_near_native.double(), weight)
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.weight.copy_(found[:-1])
        self.bias.copy_(found[-1])


def _logistic(inputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Coefficients of a logistic regression, the last of them (of the constant) without the ridge."""
    ridge = torch.full((inputs.shape[1],), RIDGE, dtype=inputs.dtype, device=inputs.device)
    ridge[-1] = 0
    found = torch.zeros_like(ridge)
    for _ in range(NUM_NEWTON_STEPS):
        prob = torch.sigmoid(inputs @ found)
        gradient = inputs.T @ (weight * (prob - target)) + ridge * found
        curvature = (inputs.T * (weight * prob * (1 - prob))) @ inputs + torch.diag(ridge + 1e-9)
        found = found - torch.linalg.solve(curvature, gradient)
    return found


def _contact_gap(known: PoseEvidence) -> Tensor:
    """From the best of the poses that are ranked together; after relaxation of the chosen alone, the best of these."""
    energy = known.fact("ranking_energy")
    return energy - energy.min()


def _strain_per_atom(known: PoseEvidence) -> Tensor:
    return known.fact("strain") / known.num_atoms


def _log_agreement(known: PoseEvidence) -> Tensor:
    """Without a pose's own vote."""
    agreement = known.fact("agreement")
    num = len(agreement) if known.num_candidates is None else known.num_candidates
    return ((num * agreement - 1) / max(num - 1, 1) + AGREEMENT_FLOOR).log()


EVIDENCE: Final[dict[str, RankingFeature]] = {
    "confidence": RankingFeature(
        lambda known: known.success_logit.double(),
        "log-odds",
        "log-odds of an RMSD below 2 Å by the confidence model alone",
    ),
    "contact_gap": RankingFeature(
        _contact_gap, "kcal/mol", "Vina's score above that of the ligand's best pose", largest=5.0
    ),
    "strain": RankingFeature(
        _strain_per_atom,
        "kcal/mol per heavy atom",
        "intramolecular energy above that of the best unbound conformer, per heavy atom",
        largest=1.0,
    ),
    "agreement": RankingFeature(_log_agreement, "logarithm", "how densely the other samples lie around a pose"),
}
"""Everything that poses may be ranked by, by name."""

UNNAMED_FEATURES: Final = ("confidence", "contact_gap", "strain")
"""Features of rankings in checkpoints that do not name any, as all did at first: this order is theirs for good."""

DEFAULT_FEATURES: Final = UNNAMED_FEATURES
"""Features that a new ranking is fitted on; agreement, size and the ranking energy itself made it worse."""
