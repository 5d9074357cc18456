"""Sums, means, maxima, softmax of rows that belong together, such as messages of a node or atoms of a residue.

The sums are those of `torch_geometric.utils.scatter`, in the same order and therefore to the last bit; importing
torch-geometric for them would take longer than docking a ligand.
"""

from __future__ import annotations

from torch import Tensor


def scatter_sum(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Sum of the rows of each group, zero for groups without rows.

    Args:
        values: rows to add up, shape (N, ...).
        index: group of each row, int64, shape (N,).
        size: number of groups.

    Returns:
        Shape (size, ...).
    """
    return values.new_zeros(size, *values.shape[1:]).scatter_add_(0, _broadcast(index, values), values)


def scatter_mean(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Mean of the rows of each group, zero for groups without rows; arguments and shape as in `scatter_sum`."""
    count = values.new_zeros(size).scatter_add_(0, index, values.new_ones(len(values))).clamp(min=1)
    total = scatter_sum(values, index, size)
    return total / _broadcast(count, total)


def scatter_max(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Largest value of each group in every column, zero for groups without rows; arguments as in `scatter_sum`."""
    largest = values.new_zeros(size, *values.shape[1:])
    return largest.scatter_reduce_(0, _broadcast(index, values), values, reduce="amax", include_self=False)


def scatter_softmax(logits: Tensor, index: Tensor, size: int) -> Tensor:
    """Softmax over the rows of each group in every column, shape (N, ...); arguments as in `scatter_sum`."""
    largest = scatter_max(logits.detach(), index, size)  # any constant of the group does, so no gradient is lost
    weight = (logits - largest[index]).exp()
    return weight / scatter_sum(weight, index, size)[index]


def _broadcast(per_row: Tensor, values: Tensor) -> Tensor:
    """One number per row, seen as an array of the shape of `values`."""
    return per_row.view(-1, *(1 for _ in values.shape[1:])).expand_as(values)
