"""Message passing over a molecular graph without coordinates."""

from __future__ import annotations

from torch import Tensor, nn

from discodock.nn.scatter import scatter_sum


class GINEConvolution(nn.Module):
    """The graph isomorphism layer with edge features: x_i' = MLP(x_i + sum_j ReLU(x_j + e_ji)).

    The sum is over the edges from j to i. `torch_geometric.nn.GINEConv` with its epsilon fixed at 0 gives the same
    numbers, from parameters of the same names.

    Args:
        num_channels: width of nodes, edges and result.

    Source: Hu et al. 2020, "Strategies for pre-training graph neural networks", arXiv 1905.12265.
    """

    eps: Tensor

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        first, last = nn.Linear(num_channels, num_channels), nn.Linear(num_channels, num_channels)
        self.nn = nn.Sequential(first, nn.SiLU(), last)
        for layer in (first, last):  # drawn twice, as torch-geometric does: a seed keeps its initial weights
            layer.reset_parameters()
        self.register_buffer("eps", first.weight.new_zeros(1))  # not read; weight files have it

    def forward(self, nodes: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """New features of the nodes, shape (N, C).

        Args:
            nodes: features of the nodes, shape (N, C).
            edge_index: node that each edge comes from, and the one that it goes to, int64, shape (2, E).
            edge_attr: features of the edges, shape (E, C).
        """
        source, target = edge_index
        messages = (nodes.index_select(0, source) + edge_attr).relu()
        return self.nn(scatter_sum(messages, target, len(nodes)) + nodes)
