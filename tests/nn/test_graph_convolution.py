import pytest
import torch
from torch import nn
from torch_geometric.nn import GINEConv

from discodock.nn.graph_convolution import GINEConvolution


def reference(num_channels):
    linear = [nn.Linear(num_channels, num_channels) for _ in range(2)]
    return GINEConv(nn.Sequential(linear[0], nn.SiLU(), linear[1]))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_edges", [0, 90])
def test_weights_results_and_gradients_are_those_of_torch_geometric_to_the_bit(seed, num_edges):
    found = []
    for make in (GINEConvolution, reference):
        torch.manual_seed(seed)
        layer = make(8)
        assert set(layer.state_dict()) == {"eps", "nn.0.weight", "nn.0.bias", "nn.2.weight", "nn.2.bias"}
        nodes = torch.randn(30, 8, requires_grad=True)
        edge_attr = torch.randn(num_edges, 8, requires_grad=True)
        out = layer(nodes, torch.randint(30, (2, num_edges)), edge_attr)
        out.sin().sum().backward()
        found.append((out, nodes.grad, edge_attr.grad, *(weight.grad for weight in layer.parameters())))
    assert len(found[0]) == 7
    for own, expected in zip(*found, strict=True):
        assert torch.equal(own, expected)


def test_messages_go_from_the_first_row_of_edges_to_the_second():
    torch.manual_seed(0)
    layer = GINEConvolution(4)
    nodes = torch.randn(3, 4)
    moved = nodes.clone()
    moved[0] += 1
    edge_index, edge_attr = torch.tensor([[0], [1]]), torch.ones(1, 4)
    change = (layer(moved, edge_index, edge_attr) - layer(nodes, edge_index, edge_attr)).abs().sum(dim=1)
    assert change[0] > 0 and change[1] > 0 and change[2] == 0
