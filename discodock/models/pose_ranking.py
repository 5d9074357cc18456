"""From what network, sampler and physics say of a pose to one calibrated probability of being right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

FLOOR: Final = 0.03
"""Added to the agreement before its logarithm: fewer than one like pose in thirty is no more telling than none."""

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
        agreement: mean over all N poses of a kernel of their distance, each pose's own 1 included, shape (N,).
        contact_energy: kcal/mol, shape (N,); lower is better.
        strain: kcal/mol, shape (N,).
        num_atoms: heavy atoms of the ligand.
        num_torsions: its rotatable bonds.
    """

    success_logit: Tensor
    agreement: Tensor
    contact_energy: Tensor
    strain: Tensor
    num_atoms: int
    num_torsions: int

    def features(self) -> Tensor:
        """Columns `FEATURES`, float64, shape (N, len(FEATURES)); not a number where nothing is known."""
        num_poses, energy = len(self.agreement), self.contact_energy.double()
        others = (num_poses * self.agreement.double() - 1) / (num_poses - 1) if num_poses > 1 else torch.nan
        columns = {
            "confidence": self.success_logit.double(),
            "agreement": (torch.as_tensor(others).expand(num_poses).to(energy) + FLOOR).log(),
            "contact_gap": (energy - energy.min()).clamp(max=LARGEST_GAP),
            "contact_energy": energy / self.num_atoms**0.5,
            "strain": (self.strain.double() / self.num_atoms).clamp(max=LARGEST_STRAIN),
            "size": energy.new_tensor(float(self.num_atoms)).log().expand(num_poses),
            "flexibility": energy.new_tensor(self.num_torsions / 10).expand(num_poses),
        }
        return torch.stack([columns[name] for name in FEATURES], dim=1)


FEATURES: Final = ("confidence", "agreement", "contact_gap", "contact_energy", "strain", "size", "flexibility")


class PoseRanking(nn.Module):
    """Logistic regression on `FEATURES`: log-odds of an RMSD below 2 Å, calibrated on complexes it was fitted to.

    Unfitted, it says what the confidence model says.
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        zeros = torch.zeros(len(FEATURES))
        weight = zeros.clone()
        weight[FEATURES.index("confidence")] = 1.0
        self.register_buffer("mean", zeros)
        self.register_buffer("scale", torch.ones_like(zeros))
        self.register_buffer("weight", weight)
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """log-odds of each pose, shape (N,), from features (N, len(FEATURES)); unknown ones count as average."""
        mean, scale, weight, bias = (each.to(features) for each in (self.mean, self.scale, self.weight, self.bias))
        return ((features - mean) / scale).nan_to_num(nan=0.0) @ weight + bias

    @torch.no_grad()
    def fit(self, features: Tensor, is_right: Tensor, weight: Tensor, use: tuple[str, ...] = FEATURES) -> None:
        """Maximum of the weighted log-likelihood with a ridge, by Newton's method.

        Args:
            features: shape (N, len(FEATURES)).
            is_right: bool, shape (N,).
            weight: of each pose, shape (N,).
            use: names of the features that may count; the rest have weight 0.

        Raises:
            ValueError: all poses are right, or all wrong.
        """
        if bool(is_right.all()) or not bool(is_right.any()):
            raise ValueError("poses that are all right or all wrong calibrate nothing")
        weight = weight.double() / weight.double().sum()
        known = features.double()
        mean = _weighted_mean(known, weight)
        scale = _weighted_mean((known - mean).square(), weight).sqrt().clamp(min=1e-3)
        columns = [FEATURES.index(name) for name in use]
        inputs = ((known - mean) / scale).nan_to_num(nan=0.0)[:, columns]
        inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)
        found = _logistic(inputs, is_right.double(), weight)
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.weight.zero_()[columns] = found[:-1].to(self.weight)
        self.bias.copy_(found[-1])


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean over known values of each column."""
    is_known = ~values.isnan()
    total = (values.nan_to_num(nan=0.0) * weight[:, None]).sum(dim=0)
    return total / (is_known * weight[:, None]).sum(dim=0).clamp(min=1e-12)


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
