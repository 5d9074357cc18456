"""Node features of l <= 1 networks: scalars and (polar) vectors, and the linear maps that keep them equivariant."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Features:
    """Scalars and vectors of N nodes; under a rotation or reflection Q, `vectors` become `Q @ vectors`.

    Attributes:
        scalars: irreps 0e, shape (N, S).
        vectors: irreps 1o, component-major (x, y, z first) so that channels are contiguous, shape (N, 3, V).
    """

    scalars: Tensor
    vectors: Tensor

    def __getitem__(self, node_idx: Tensor) -> Features:
        """Features of the chosen nodes."""
        return Features(self.scalars.index_select(0, node_idx), self.vectors.index_select(0, node_idx))

    def __add__(self, other: Features) -> Features:
        """Channel-wise sum, for residual connections."""
        return Features(self.scalars + other.scalars, self.vectors + other.vectors)


class CategoricalEmbedding(nn.Module):
    """Sum of one learned embedding per categorical column."""

    offsets: Tensor

    def __init__(self, num_categories: tuple[int, ...], num_channels: int) -> None:
        super().__init__()
        self.num_categories = num_categories
        self.embedding = nn.Embedding(sum(num_categories), num_channels)
        nn.init.normal_(self.embedding.weight, std=len(num_categories) ** -0.5)
        offsets = torch.tensor([0, *num_categories[:-1]]).cumsum(0)
        self.register_buffer("offsets", offsets, persistent=False)

    def forward(self, categories: Tensor) -> Tensor:
        """Embed categories of shape (N, columns) into (N, num_channels)."""
        return self.embedding(categories.long() + self.offsets).sum(dim=1)


class FeatureNorm(nn.Module):
    """Layer norm of the scalars; vectors divided by their root mean square norm over channels, with learned gains."""

    def __init__(self, num_scalars: int, num_vectors: int, eps: float = 1e-3) -> None:
        super().__init__()
        self.scalar_norm = nn.LayerNorm(num_scalars)
        self.vector_gain = nn.Parameter(torch.ones(num_vectors))
        self.eps = eps

    def forward(self, features: Features) -> Features:
        """Normalise each node by itself, so that batches do not mix."""
        mean_square = features.vectors.square().sum(dim=1).mean(dim=-1)
        scale = (mean_square + self.eps).rsqrt()[:, None, None]
        return Features(self.scalar_norm(features.scalars), features.vectors * scale * self.vector_gain)


class FeatureDropout(nn.Module):
    """Dropout that keeps features equivariant: of scalars one by one, of vectors all three components together.

    Args:
        prob: probability of every channel of every node to be zero in training; the rest is scaled up.
    """

    def __init__(self, prob: float) -> None:
        super().__init__()
        self.prob = prob

    def forward(self, features: Features) -> Features:
        """Features with some channels zero in training, the features themselves otherwise."""
        if not self.training or self.prob == 0:
            return features
        vectors = features.vectors
        kept = nn.functional.dropout(torch.ones_like(vectors[:, :1]), self.prob)
        return Features(nn.functional.dropout(features.scalars, self.prob), vectors * kept)


class GatedUpdate(nn.Module):
    """Node-wise update: an MLP of the scalars and vector norms, whose extra outputs gate mixed vectors.

    The l <= 1 counterpart of a transformer's feed-forward block; scalars see vectors only through the invariants
    |W1 v| and <W1 v, W2 v>, so parity holds.
    """

    def __init__(self, num_scalars: int, num_vectors: int, expansion: int = 2) -> None:
        super().__init__()
        self.num_scalars, self.num_vectors = num_scalars, num_vectors
        self.mix = nn.Linear(num_vectors, 2 * num_vectors, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(num_scalars + 2 * num_vectors, expansion * num_scalars),
            nn.SiLU(),
            nn.Linear(expansion * num_scalars, num_scalars + num_vectors),
        )

    def forward(self, features: Features) -> Features:
        """The update to be added to `features`."""
        left, right = self.mix(features.vectors).chunk(2, dim=-1)
        norms = (left.square().sum(dim=1) + 1e-6).sqrt()
        products = (left * right).sum(dim=1)
        hidden = self.mlp(torch.cat([features.scalars, norms, products], dim=-1))
        scalars, gate = hidden.split([self.num_scalars, self.num_vectors], dim=-1)
        return Features(scalars, right * gate[:, None, :])
