"""DiffDock's convolution: fully connected tensor products with a weight matrix of its own for every edge.

Features are flat e3nn tensors (N, irreps.dim): channels before components, any degree and parity. For an edge from
source j to target i with edge attributes a_ij and spherical harmonics Y_ij,

    psi_ij = MLP(a_ij)        message_i = mean_j  h_j (x)_psi_ij Y_ij

where (x)_psi is e3nn's fully connected tensor product: every allowed path mixes all channels with weights from psi.
Source: Corso et al. 2023, arXiv 2210.01776, section 4.3 and appendix C; Thomas et al. 2018, arXiv 1802.08219.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, cast

import torch
from e3nn import o3
from e3nn.nn import BatchNorm
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from discodock.nn.scatter import scatter_mean

NODES_AT_ONCE: Final = 768
"""Source nodes whose mixed features exist at the same time; 80 kB each at DiffDock's sizes."""


@dataclass(frozen=True)
class IrrepsEdges:
    """Edges between nodes with flat e3nn features, in any order.

    Attributes:
        target: receiving node, int64, shape (E,).
        source: sending node, int64, shape (E,).
        sh: spherical harmonics of the edge, "component"-normalised, shape (E, irreps_sh.dim).
        attr: invariant attributes, shape (E, A).
    """

    target: Tensor
    source: Tensor
    sh: Tensor
    attr: Tensor


class FullyConnectedProduct(nn.Module, ABC):
    """Mean over the edges of each target of h_source (x) Y with weights W hidden + b, one weight vector per edge."""

    def __init__(self, irreps_in: o3.Irreps, irreps_sh: o3.Irreps, irreps_out: o3.Irreps, num_hidden: int) -> None:
        super().__init__()
        self.irreps_in, self.irreps_sh, self.irreps_out = irreps_in, irreps_sh, irreps_out
        product = o3.FullyConnectedTensorProduct(
            irreps_in, irreps_sh, irreps_out, internal_weights=False, shared_weights=False
        )
        self.weights = nn.Linear(num_hidden, product.weight_numel)
        self.adopt(product)

    @abstractmethod
    def adopt(self, product: o3.FullyConnectedTensorProduct) -> None:
        """Take from e3nn's product what this implementation needs."""

    @abstractmethod
    def messages(self, features: Tensor, hidden: Tensor, edges: IrrepsEdges) -> tuple[Tensor, Tensor]:
        """Messages (E, irreps_out.dim) in an order of this implementation's choice, and their targets (E,)."""

    def forward(self, features: Tensor, hidden: Tensor, edges: IrrepsEdges, num_targets: int) -> Tensor:
        """Mean messages, zero for targets without edges, shape (num_targets, irreps_out.dim).

        Args:
            features: features of the sources, shape (N, irreps_in.dim).
            hidden: last hidden layer of the edge MLP, shape (E, num_hidden).
            edges: edges of the convolution; their `attr` is not used here.
            num_targets: number of targets, M.
        """
        messages, target = self.messages(features, hidden, edges)
        return scatter_mean(messages, target, num_targets)


class E3nnFullyConnected(FullyConnectedProduct):
    """The reference: all weights of all edges, then e3nn's own kernel."""

    def adopt(self, product: o3.FullyConnectedTensorProduct) -> None:
        """Keep the product."""
        self.product = product

    def messages(self, features: Tensor, hidden: Tensor, edges: IrrepsEdges) -> tuple[Tensor, Tensor]:
        """In the order of the edges."""
        return self.product(features.index_select(0, edges.source), edges.sh, self.weights(hidden)), edges.target


class FactorisedFullyConnected(FullyConnectedProduct):
    """The same numbers with the sums in another order, several times faster where nodes have many edges.

    The weights of an edge are linear in its hidden layer, w_ehuv = sum_h hidden_eh A_huv. So the channels of a node are
    mixed by all A_h once, z_jhv = sum_u h_ju A_huv, and an edge only contracts hidden_eh with z_jhv of its source: a
    matrix product per source. All of it is done for `NODES_AT_ONCE` nodes at a time, and again in the backward pass.
    """

    def adopt(self, product: o3.FullyConnectedTensorProduct) -> None:
        """Read the paths, sorted by the input that they mix, and their 3j symbols."""
        start, paths = 0, []
        for each in product.instructions:
            stop = start + each.path_shape[0] * each.path_shape[2]
            paths.append(_Path(each.i_in1, each.i_in2, each.i_out, slice(start, stop)))
            degrees = (
                self.irreps_in[each.i_in1].ir.l,
                self.irreps_sh[each.i_in2].ir.l,
                self.irreps_out[each.i_out].ir.l,
            )
            coupling = each.path_weight * o3.wigner_3j(*degrees, dtype=torch.float64)
            self.register_buffer(paths[-1].coupling, coupling.float(), persistent=False)  # not all devices have float64
            start = stop
        self.paths = sorted(paths, key=lambda path: path.i_in)

    def messages(self, features: Tensor, hidden: Tensor, edges: IrrepsEdges) -> tuple[Tensor, Tensor]:
        """Sorted by the number of edges of their sources, then by source."""
        # Sources by falling number of edges: those of a chunk have about equally many, so that little padding is
        # needed to make their edges one array (nodes, most edges, hidden), and sources without edges come last.
        num_edges_of = torch.bincount(edges.source, minlength=len(features))
        nodes = num_edges_of.argsort(descending=True, stable=True)
        rank = torch.empty_like(nodes).scatter_(0, nodes, torch.arange(len(nodes), device=nodes.device))
        order = rank[edges.source].argsort(stable=True)
        row, degree = rank[edges.source[order]], num_edges_of[nodes]
        # row: rank of the source of each sorted edge; slot: number of the edge among those of its source, both (E,)
        slot = torch.arange(len(row), device=row.device) - (degree.cumsum(0) - degree)[row]
        features, hidden, sh = features.index_select(0, nodes), hidden.index_select(0, order), edges.sh[order]
        matrices = self._matrices(features.dtype)
        degrees, begin_edge = degree.tolist(), 0
        pieces = [hidden.new_zeros(0, self.irreps_out.dim)]
        for begin in range(0, len(degrees), NODES_AT_ONCE):
            chunk = degrees[begin : begin + NODES_AT_ONCE]
            end_edge = begin_edge + sum(chunk)
            if end_edge == begin_edge:
                break  # sorted: no node after this one has edges
            part = slice(begin_edge, end_edge)
            # chunk[0] is the most edges that a source of the chunk has, as they are sorted
            place = (row[part] - begin) * chunk[0] + slot[part]
            arguments = (features[begin : begin + len(chunk)], hidden[part], sh[part], place, chunk[0], *matrices)
            if torch.is_grad_enabled():  # z of all chunks takes too much memory: it is made again in the backward pass
                pieces.append(
                    checkpoint(self._some_messages, *arguments, use_reentrant=False, preserve_rng_state=False)
                )
            else:
                pieces.append(self._some_messages(*arguments))
            begin_edge = end_edge
        return torch.cat(pieces), edges.target[order]

    def _some_messages(
        self, features: Tensor, hidden: Tensor, sh: Tensor, place: Tensor, most: int, *matrices: Tensor
    ) -> Tensor:
        """Messages of the edges of some sources, shape (E, irreps_out.dim).

        Args:
            features: features of the sources.
            hidden: hidden features of the edges, shape (E, num_hidden).
            sh: spherical harmonics of the edges.
            place: source * most + number of the edge among its source's, shape (E,).
            most: largest number of edges of a source.
            matrices: matrices of the products, from `_matrices`.
        """
        num_nodes, num_hidden = len(features), hidden.shape[1] + 1  # a constant 1 beside them carries the bias
        padded = hidden.new_zeros(num_nodes * most, num_hidden)
        padded = padded.index_copy(0, place, F.pad(hidden, (0, 1), value=1.0)).view(num_nodes, most, num_hidden)
        mixed: list[Tensor] = []
        for i_in, matrix in zip(self._inputs(), matrices, strict=True):
            mul, ir = self.irreps_in[i_in]
            # channels (nodes, components, mul_in) -> z (nodes, hidden, components * channels of paths)
            channels = features[:, self.irreps_in.slices()[i_in]].reshape(-1, mul, ir.dim).transpose(1, 2)
            z = (channels @ matrix).view(num_nodes, ir.dim, num_hidden, -1).transpose(1, 2).flatten(2)
            # (nodes, most, components * channels of paths), of which only the rows of real edges are kept: (E, ...)
            total = torch.bmm(padded, z.to(padded.dtype)).flatten(0, 1).index_select(0, place)
            widths = [self.irreps_out[path.i_out].mul for path in self.paths if path.i_in == i_in]
            mixed += total.view(len(place), ir.dim, -1).split(widths, dim=-1)
        return torch.cat([self._couple(i_out, mixed, sh) for i_out in range(len(self.irreps_out))], dim=-1)

    def _matrices(self, dtype: torch.dtype) -> list[Tensor]:
        """Weights and bias of the paths of each input as a matrix, shape (mul_in, (hidden + 1) * channels of paths)."""
        both = torch.cat([self.weights.weight, self.weights.bias[:, None]], dim=1).to(dtype)
        matrices = []
        for i_in in self._inputs():
            mul = self.irreps_in[i_in].mul
            blocks = [both[path.weights].view(mul, -1, both.shape[1]) for path in self.paths if path.i_in == i_in]
            matrices.append(torch.cat(blocks, dim=1).transpose(1, 2).flatten(1))
        return matrices

    def _inputs(self) -> list[int]:
        """Inputs that have a path, in order."""
        return sorted({path.i_in for path in self.paths})

    def _couple(self, i_out: int, mixed: list[Tensor], sh: Tensor) -> Tensor:
        """Combine mixed channels with the spherical harmonics into one output, shape (E, mul * components)."""
        slices = self.irreps_sh.slices()
        chosen = [(path, each) for path, each in zip(self.paths, mixed, strict=True) if path.i_out == i_out]
        if not chosen:
            return mixed[0].new_zeros(len(sh), self.irreps_out[i_out].dim)
        # Each kernel is (E, components in, components out). All paths to this output are summed by one product of
        # matrices: their channels (E, components in, mul) and kernels are stacked along the components of their inputs.
        kernels = [
            torch.einsum("ijk,ej->eik", cast(Tensor, getattr(self, path.coupling)).to(sh), sh[:, slices[path.i_sh]])
            for path, _ in chosen
        ]
        channels = torch.cat([each for _, each in chosen], dim=1)
        return torch.bmm(channels.transpose(1, 2), torch.cat(kernels, dim=1).to(channels)).flatten(1)


@dataclass(frozen=True)
class _Path:
    """One path of a product: which irreps it couples, and its share of the weights, (mul_in, mul_out) row by row."""

    i_in: int
    i_sh: int
    i_out: int
    weights: slice

    @property
    def coupling(self) -> str:
        """Name of the buffer of its 3j symbols."""
        return f"coupling_{self.i_in}_{self.i_sh}_{self.i_out}"


FULLY_CONNECTED: Final[dict[str, type[FullyConnectedProduct]]] = {
    "factorised": FactorisedFullyConnected,
    "e3nn": E3nnFullyConnected,
}
"""Implementations of the product by name; constructed with (irreps_in, irreps_sh, irreps_out, num_hidden)."""


class FullyConnectedConvolution(nn.Module):
    """Batch-normalised messages, ready to be added to the target's features.

    Args:
        irreps_in: irreps of the source features.
        irreps_sh: irreps of the spherical harmonics of the edges.
        irreps_out: irreps of the messages.
        num_edge_attr: A, width of the edge attributes and of the hidden layer of the edge MLP.
        dropout: probability of dropout in the hidden layer.
        kind: a name in `FULLY_CONNECTED`.
    """

    def __init__(
        self,
        irreps_in: o3.Irreps,
        irreps_sh: o3.Irreps,
        irreps_out: o3.Irreps,
        num_edge_attr: int,
        *,
        dropout: float,
        kind: str,
    ) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(num_edge_attr, num_edge_attr), nn.ReLU(), nn.Dropout(dropout))
        self.product = FULLY_CONNECTED[kind](irreps_in, irreps_sh, irreps_out, num_edge_attr)
        self.norm = BatchNorm(irreps_out, include_bias=irreps_out.count("0e") > 0)

    def forward(self, features: Tensor, edges: IrrepsEdges, num_targets: int) -> Tensor:
        """Messages to M targets from sources with features (N, irreps_in.dim), shape (M, irreps_out.dim).

        In training, M must not be 0: there would be nothing to normalise by.
        """
        return self.norm(self.product(features, self.hidden(edges.attr), edges, num_targets))


def feature_irreps(num_scalars: int, num_vectors: int, num_layers: int) -> o3.Irreps:
    """Irreps after a number of DiffDock's layers: they add polar vectors, axial vectors and pseudoscalars, in turn."""
    kinds = (f"{num_scalars}x0e", f"{num_vectors}x1o", f"{num_vectors}x1e", f"{num_scalars}x0o")
    return o3.Irreps(" + ".join(kinds[: num_layers + 1]))
