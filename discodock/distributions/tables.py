"""Interpolation in tables over logarithmic noise scales; the tables hold float64 until they are cast once."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_grid(low: float, high: float, size: int) -> Tensor:
    """`size` scales from `low` to `high`, equally spaced in their logarithm, float64, shape (size,)."""
    return torch.linspace(math.log(low), math.log(high), size, dtype=torch.float64).exp()


def log_position(sigma: Tensor, low: float, high: float, size: int) -> tuple[Tensor, Tensor]:
    """Where scales lie in `log_grid(low, high, size)`: cell index (int64, 0..size-2) and fraction in [0, 1]."""
    return cell_position(torch.log(sigma / low) / math.log(high / low), size)


def cell_position(fraction: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cell index and fraction within it of a coordinate in [0, 1] on `size` equally spaced nodes; clamped outside."""
    where = fraction.clamp(0, 1) * (size - 1)
    cell = where.detach().floor().clamp(max=size - 2)
    return cell.long(), where - cell


def cumulative_simpson(values: Tensor, step: Tensor | float) -> Tensor:
    """Running integral of samples at nodes and midpoints: shape (..., 2 n + 1) to (..., n + 1), by Simpson's rule.

    Args:
        values: the integrand at equally spaced points: node, midpoint, node, …
        step: distance between nodes, broadcastable to (..., 1).
    """
    cells = (values[..., :-2:2] + 4 * values[..., 1::2] + values[..., 2::2]) * step / 6
    return torch.nn.functional.pad(cells.cumsum(-1), (1, 0))
