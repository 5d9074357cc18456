"""How close generated images are to real ones, in a space of features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GaussianFit:
    """Mean (F,) and covariance (F, F) of features, float64."""

    mean: Tensor
    covariance: Tensor


def fit_gaussian(features: Tensor) -> GaussianFit:
    """Mean and unbiased covariance of features (n, F).

    Raises:
        ValueError: there are fewer than two.
    """
    if len(features) < 2:
        raise ValueError(f"a covariance needs at least two samples, not {len(features)}")
    features = features.double().cpu()
    return GaussianFit(features.mean(dim=0), torch.cov(features.T).reshape(features.shape[1], -1))


def frechet_distance(first: GaussianFit, second: GaussianFit) -> float:
    """Squared Fréchet distance |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of two Gaussians.

    The trace of the square root is the sum of the roots of the eigenvalues of S1^(1/2) S2 S1^(1/2), which is symmetric,
    so that singular covariances do no harm. With few samples the distance is too large: compare equal numbers.

    Source: Dowson, Landau 1982; as a distance of image sets Heusel et al. 2017, arXiv 1706.08500.
    """
    values, vectors = torch.linalg.eigh(first.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ second.covariance @ root).clamp(min=0).sqrt().sum()
    spread = first.covariance.trace() + second.covariance.trace() - 2 * cross
    return max(0.0, float((first.mean - second.mean).square().sum() + spread))


@dataclass(frozen=True)
class PrecisionRecall:
    """Fraction of generated images among the real ones (precision), and of real among the generated (recall)."""

    precision: float
    recall: float


def precision_recall(real: Tensor, generated: Tensor, neighbors: int = 3) -> PrecisionRecall:
    """Precision and recall of manifolds: balls around samples that reach to their k-th nearest neighbour.

    Args:
        real: features, shape (n, F).
        generated: features, shape (m, F); compare equal n and m.
        neighbors: number of nearest neighbours, k.

    Raises:
        ValueError: there are too few samples for k neighbours.

    Source: Kynkäänniemi et al. 2019, arXiv 1904.06991.
    """
    if min(len(real), len(generated)) <= neighbors:
        raise ValueError(f"{neighbors} neighbours need more samples than {min(len(real), len(generated))}")
    return PrecisionRecall(_covered(generated, real, neighbors), _covered(real, generated, neighbors))


def _covered(points: Tensor, centers: Tensor, neighbors: int) -> float:
    """Fraction of points inside any ball around a centre."""
    centers, points = centers.double(), points.double()
    radius = torch.cat([torch.cdist(part, centers).kthvalue(neighbors + 1).values for part in centers.split(1024)])
    inside = [(torch.cdist(part, centers) <= radius).any(dim=1) for part in points.split(1024)]
    return float(torch.cat(inside).double().mean())
