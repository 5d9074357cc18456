import pytest
import torch
from torch_geometric.utils import scatter

from discodock.nn.scatter import scatter_max, scatter_mean, scatter_sum

REDUCTIONS = {"sum": scatter_sum, "mean": scatter_mean, "max": scatter_max}


def bits(tensor):
    return tensor.contiguous().view(torch.uint8)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("columns", [(), (7,), (3, 5)])
@pytest.mark.parametrize("seed", range(5))
def test_values_and_gradients_are_those_of_torch_geometric_to_the_bit(name, dtype, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(40, (300,), generator=generator)  # of 60 groups, so that some have no rows
    values = torch.randn(300, *columns, generator=generator).to(dtype)
    weights = torch.randn(60, *columns, generator=generator).to(dtype)
    found = []
    for reduce in (lambda v: REDUCTIONS[name](v, index, 60), lambda v: scatter(v, index, dim_size=60, reduce=name)):
        rows = values.clone().requires_grad_()
        out = reduce(rows)
        (out * weights).sum().backward()
        found.append((out.detach(), rows.grad))
    for own, reference in zip(*found, strict=True):
        assert own.shape == reference.shape and torch.equal(bits(own), bits(reference))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_groups_without_rows_are_zero(name):
    out = REDUCTIONS[name](torch.tensor([[-2.0], [-3.0]]), torch.tensor([1, 1]), 3)
    assert out.flatten().tolist() == [0, {"sum": -5, "mean": -2.5, "max": -2}[name], 0]
    assert REDUCTIONS[name](torch.zeros(0, 3, 4), torch.zeros(0, dtype=torch.int64), 2).shape == (2, 3, 4)
