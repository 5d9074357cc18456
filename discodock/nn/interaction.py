"""A round of message passing, and the edges it runs over."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from discodock.nn.convolution import Convolution, Edges
from discodock.nn.features import FeatureDropout, FeatureNorm, Features, GatedUpdate
from discodock.nn.radial import GaussianBasis, smooth_cutoff


class InteractionLayer(nn.Module):
    """One round of the network: convolutions from one or more kinds of sources, then a gated node-wise update.

    Args:
        num_edge_attr: invariant edge attributes of each kind of edge.
        mean_degrees: typical number of edges of a target, for each kind of edge.
        convolution: a name in `CONVOLUTIONS`.
        dropout: probability of dropout of what convolutions and update add to the features.
    """

    def __init__(
        self,
        num_scalars: int,
        num_vectors: int,
        num_edge_attr: tuple[int, ...],
        *,
        mean_degrees: tuple[float, ...],
        convolution: str,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm = FeatureNorm(num_scalars, num_vectors)
        self.convolutions = nn.ModuleList(
            Convolution(num_scalars, num_vectors, width, num_scalars, mean_degree=degree, kind=convolution)
            for width, degree in zip(num_edge_attr, mean_degrees, strict=True)
        )
        self.update_norm = FeatureNorm(num_scalars, num_vectors)
        self.update = GatedUpdate(num_scalars, num_vectors)
        self.dropout = FeatureDropout(dropout)

    def convolution(self, kind: int) -> Convolution:
        """The convolution over edges of a kind."""
        return cast(Convolution, self.convolutions[kind])

    def forward(self, features: Features, edges: list[Edges], sources: list[Tensor | None]) -> Features:
        """Update target features.

        Args:
            features: features of the target nodes.
            edges: edges of each kind.
            sources: projected source features of each kind (`Convolution.project`), or None for the targets themselves.
        """
        normed = self.norm(features)
        for kind, projected in enumerate(sources):
            convolution = self.convolution(kind)
            source = convolution.project(normed) if projected is None else projected
            features = features + self.dropout(convolution(source, normed, edges[kind]))
        return features + self.dropout(self.update(self.update_norm(features)))


def make_edges(
    target: Tensor, source: Tensor, vec: Tensor, basis: GaussianBasis, cutoff: float, extra_attr: Tensor
) -> Edges:
    """Edges with a radial basis of their length (Å) and `extra_attr` (E, A) as attributes."""
    distance = (vec.square().sum(dim=-1) + 1e-8).sqrt()
    attr = torch.cat([basis(distance), extra_attr], dim=-1)
    return Edges(target, source, vec / distance[:, None], attr, smooth_cutoff(distance, cutoff))
