"""From what network and physics say of a pose to one calibrated probability of being right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

FEATURES: Final = ("confidence", "contact_gap", "strain")
"""What poses are ranked by, of `PoseEvidence.columns`; agreement, size and the contact energy itself made it worse."""

LARGEST_GAP: Final = 5.0
"""kcal/mol: poses with still worse contacts are equally bad."""

LARGEST_STRAIN: Final = 1.0
"""kcal/mol per heavy atom; likewise."""

RIDGE: Final = 1e-3
"""Of the standardised coefficients, against the mean log-likelihood."""

NUM_NEWTON_STEPS: Final = 30


@dataclass(frozen=True)
class PoseEvidence:
    """What speaks for and against N poses of one ligand.

    Attributes:
        success_logit: of the confidence model, shape (N,).
        contact_energy: kcal/mol, shape (N,); lower is better.
        strain: kcal/mol, shape (N,).
        num_atoms: heavy atoms of the ligand.
    """

    success_logit: Tensor
    contact_energy: Tensor
    strain: Tensor
    num_atoms: int

    def features(self) -> Tensor:
        """Columns `FEATURES`, float64, shape (N, len(FEATURES))."""
        energy = self.contact_energy.double()
        columns = {
            "confidence": self.success_logit.double(),
            "contact_gap": (energy - energy.min()).clamp(max=LARGEST_GAP),
            "strain": (self.strain.double() / self.num_atoms).clamp(max=LARGEST_STRAIN),
        }
        return torch.stack([columns[name] for name in FEATURES], dim=1)


class PoseRanking(nn.Module):
    """Logistic regression: log-odds of an RMSD below 2 Å, calibrated on the complexes it was fitted to.

    Unfitted, it says what the first feature says.

    Args:
        num_features: columns that it reads.
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, num_features: int = len(FEATURES)) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(num_features))
        self.register_buffer("weight", torch.eye(num_features)[0].clone())
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """log-odds of each pose, shape (N,), from features (N, num_features)."""
        mean, scale, weight, bias = (each.to(features) for each in (self.mean, self.scale, self.weight, self.bias))
        return ((features - mean) / scale) @ weight + bias

    @torch.no_grad()
    def fit(self, features: Tensor, is_right: Tensor, pose_weight: Tensor) -> None:
        """Maximum of the weighted log-likelihood with a ridge, by Newton's method.

        Args:
            features: shape (N, num_features).
            is_right: bool, shape (N,).
            pose_weight: of each pose, shape (N,).

        Raises:
            ValueError: all poses are right, or all wrong.
        """
        if bool(is_right.all()) or not bool(is_right.any()):
            raise ValueError("poses that are all right or all wrong calibrate nothing")
        share = pose_weight.double() / pose_weight.double().sum()
        known = features.double()
        mean = share @ known
        scale = (share @ (known - mean).square()).sqrt().clamp(min=1e-3)
        inputs = torch.cat([(known - mean) / scale, torch.ones_like(known[:, :1])], dim=1)
        found = _logistic(inputs, is_right.double(), share)
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
