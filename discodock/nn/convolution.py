"""Equivariant convolutions over l <= 1 features: one registry, one call, implementations that agree.

For every edge from source j to target i with unit vector u_ij and edge weights w_ij, the channel-wise ("depthwise")
tensor product of the source features with the spherical harmonics of u_ij is

    scalars:  w1 a_j,  w2 <b_j, u_ij>        vectors:  w3 g_j u_ij + w4 b_j

It is summed over the edges of i, and channels are mixed linearly. a_j, g_j (scalars) and b_j (vectors) are linear maps
of the source features. With polar vectors every term has its proper parity, so the layer is equivariant under O(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from discodock.nn.features import Features
from discodock.nn.tensor_product import E3nnProduct, FusedProduct


@dataclass(frozen=True)
class Edges:
    """Edges of one kind, in any order.

    Attributes:
        target: receiving node, int64, shape (E,).
        source: sending node, int64, shape (E,).
        unit_vec: unit vector from source to target, shape (E, 3).
        attr: invariant edge attributes, shape (E, A).
        envelope: smooth weight that vanishes at the cutoff, shape (E,).
    """

    target: Tensor
    source: Tensor
    unit_vec: Tensor
    attr: Tensor
    envelope: Tensor


CONVOLUTIONS: Final = {"fused": FusedProduct, "e3nn": E3nnProduct}
"""Implementations of the product, summed over edges, by name; constructed with (num_scalars, num_vectors)."""


class Convolution(nn.Module):
    """Message passing from source to target nodes with per-edge weights from an MLP of both ends and the edge.

    Args:
        num_scalars: S, channels of scalars of both node sets.
        num_vectors: V, channels of vectors of both node sets.
        num_edge_attr: A, invariant attributes of an edge.
        num_hidden: width of the edge MLP.
        mean_degree: typical number of edges of a target, by whose square root sums are divided.
        kind: a name in `CONVOLUTIONS`.
    """

    def __init__(
        self, num_scalars: int, num_vectors: int, num_edge_attr: int, num_hidden: int, *, mean_degree: float, kind: str
    ) -> None:
        super().__init__()
        self.num_scalars, self.num_vectors, self.num_hidden = num_scalars, num_vectors, num_hidden
        self.scale = mean_degree**-0.5
        self.source_hidden = nn.Linear(num_scalars, num_hidden)
        self.source_scalars = nn.Linear(num_scalars, num_scalars + num_vectors)
        self.source_vectors = nn.Linear(num_vectors, num_vectors, bias=False)
        self.target_hidden = nn.Linear(num_scalars, num_hidden, bias=False)
        self.edge_hidden = nn.Linear(num_edge_attr, num_hidden, bias=False)
        self.weights = nn.Linear(num_hidden, num_scalars + 3 * num_vectors, bias=False)
        self.product = CONVOLUTIONS[kind](num_scalars, num_vectors)
        self.out_scalars = nn.Linear(num_scalars + num_vectors, num_scalars, bias=False)
        self.out_vectors = nn.Linear(num_vectors, num_vectors, bias=False)

    def project(self, source: Features) -> Tensor:
        """Source-side projections, hidden first; poses that share a receptor share them.

        Returns:
            Shape (N, hidden + S + V + 3 V).
        """
        vectors = self.source_vectors(source.vectors).flatten(1)
        return torch.cat([self.source_hidden(source.scalars), self.source_scalars(source.scalars), vectors], dim=-1)

    def forward(self, projected_source: Tensor, target: Features, edges: Edges) -> Features:
        """The messages summed at each target node, ready to be added to its features."""
        num_targets = target.scalars.shape[0]
        gathered = projected_source.index_select(0, edges.source)
        source_hidden, sent = gathered.tensor_split([self.num_hidden], dim=-1)
        hidden = torch.addmm(source_hidden, edges.attr, self.edge_hidden.weight.t())
        hidden = F.silu(hidden + self.target_hidden(target.scalars).index_select(0, edges.target))
        weights = self.weights(hidden * edges.envelope[:, None])
        total = self.product(sent, weights, edges.unit_vec, edges.target, num_targets) * self.scale
        scalars, vectors = total.tensor_split([self.num_scalars + self.num_vectors], dim=-1)
        return Features(self.out_scalars(scalars), self.out_vectors(vectors.reshape(-1, 3, self.num_vectors)))
