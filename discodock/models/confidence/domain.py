"""What a network was trained on, and how far something new is from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

import torch
from torch import Tensor, nn

SHRINKAGE: Final = 0.1
"""Share of the mean variance in the covariances, which have more entries than there may be families to fill them."""


class ApplicabilityDomain(nn.Module):
    """Mahalanobis distances from the training data, each over the largest that still counts as near (Lee et al. 2018).

    Args:
        sizes: number of features of each aspect that is looked at.
    """

    def __init__(self, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.aspects = nn.ModuleDict({name: _MahalanobisDistance(size) for name, size in sizes.items()})

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Relative distance of each aspect, shape (B,), from features (B, F); above 1 is outside."""
        return {name: aspect(features[name]) for name, aspect in self.aspects.items()}

    def fit(self, seen: Mapping[str, Tensor], unseen: Mapping[str, Tensor], fraction: float = 0.98) -> None:
        """Learn where the training data lie, and which distance still counts as near.

        Args:
            seen: features of training complexes, each (N, F).
            unseen: features of complexes of other families, which count as near but for the farthest, each (M, F).
            fraction: fraction of these that are near.
        """
        for name, aspect in self.aspects.items():
            cast(_MahalanobisDistance, aspect).fit(seen[name], unseen[name], fraction)


class _MahalanobisDistance(nn.Module):
    """Of features (N, F) of one aspect, over the largest that still counts as near."""

    mean: Tensor
    whitening: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("whitening", torch.zeros(size, size))

    def forward(self, features: Tensor) -> Tensor:
        return ((features - self.mean) @ self.whitening).norm(dim=-1)

    @torch.no_grad()
    def fit(self, seen: Tensor, unseen: Tensor, fraction: float) -> None:
        mean = seen.double().mean(dim=0)
        covariance = torch.cov(seen.double().T)
        eye = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
        covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * covariance.diagonal().mean() * eye
        factor = torch.linalg.cholesky(torch.linalg.inv(covariance))
        self.mean.copy_(mean)
        self.whitening.copy_(factor)
        self.whitening.div_(torch.quantile(self(unseen), fraction))
