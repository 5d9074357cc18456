"""The wrapped normal distribution on the circle [-pi, pi): a normal of standard deviation sigma, modulo 2 pi.

    p(x) = sum_k N(x + 2 pi k; 0, sigma^2) = (1 + 2 sum_n exp(-n^2 sigma^2 / 2) cos(n x)) / (2 pi)

Below sigma = 1.5 the sum over windings (|k| <= 2), above it the Fourier series (n <= 6) is used; both are exact to
rounding at the switch.

Source: Jing et al. 2022, "Torsional diffusion", arXiv 2206.01729, section 3.3; Mardia & Jupp 2000, section 3.5.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from discodock.distributions.tables import log_grid, log_position

_SWITCH = 1.5  # rad
_MAX_WINDING = 2
_MAX_FREQUENCY = 6
_TABLE_RANGE = (0.005, 6.0)  # rad
_NUM_SIGMAS = 1024
_NUM_NODES = 512


def wrap(angle: Tensor) -> Tensor:
    """The same angle in [-pi, pi), radians."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def log_prob(angle: Tensor, sigma: Tensor) -> Tensor:
    """Log-density on the circle by length, 1/rad.

    Args:
        angle: any real angle in radians, shape (...).
        sigma: standard deviation before wrapping in radians, positive, broadcastable with `angle`.
    """
    return _by_width(angle, sigma)[0]


def score(angle: Tensor, sigma: Tensor) -> Tensor:
    """Derivative of `log_prob` by the angle, 1/rad; odd and 2 pi-periodic; shapes as there."""
    return _by_width(angle, sigma)[1]


def sample(sigma: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw angles in [-pi, pi): widths in radians, shape (...), to radians, shape (...)."""
    normal = torch.randn(sigma.shape, generator=generator, dtype=sigma.dtype, device=sigma.device)
    return from_normal(normal, sigma)


def from_normal(normal: Tensor, sigma: Tensor) -> Tensor:
    """Map independent standard normals to samples in [-pi, pi), radians; shapes broadcast."""
    return wrap(normal * sigma)


def score_norm(sigma: Tensor) -> Tensor:
    """E score^2, 1/rad^2, by quadrature: 1 / sigma^2 for small sigma, 0 in the uniform limit; any shape."""
    table = _norm_table_as(sigma.dtype, sigma.device)
    cell, part = log_position(sigma.clamp(*_TABLE_RANGE), *_TABLE_RANGE, _NUM_SIGMAS)
    return torch.lerp(table[cell], table[cell + 1], part).exp() / sigma.square()


def _by_width(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Both ways, each clamped to where it is exact, so that none gives NaN: log p and its derivative."""
    angle, sigma = torch.broadcast_tensors(wrap(angle), sigma)
    narrow = _narrow(angle, sigma.clamp(max=_SWITCH))
    wide = _wide(angle, sigma.clamp(min=_SWITCH))
    is_narrow = sigma < _SWITCH
    return torch.where(is_narrow, narrow[0], wide[0]), torch.where(is_narrow, narrow[1], wide[1])


def _narrow(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of p, and its derivative by the windings, for angles in [-pi, pi)."""
    exponents = _exponents(angle, sigma)
    log_density = torch.logsumexp(exponents, dim=-1) - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
    weight = torch.softmax(exponents, dim=-1)
    return log_density, -(weight * _images(angle)).sum(-1) / sigma.square()


def _wide(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of p, and its derivative by the Fourier series."""
    density, slope = _fourier(angle, sigma)
    return density.log() - math.log(2 * math.pi), slope / density


def _images(angle: Tensor) -> Tensor:
    winding = torch.arange(-_MAX_WINDING, _MAX_WINDING + 1, dtype=angle.dtype, device=angle.device)
    return angle[..., None] + 2 * math.pi * winding


def _exponents(angle: Tensor, sigma: Tensor) -> Tensor:
    return -_images(angle).square() / (2 * sigma.square()[..., None])


def _fourier(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """2 pi p(x) and its derivative."""
    frequency = torch.arange(1, _MAX_FREQUENCY + 1, dtype=angle.dtype, device=angle.device)
    weight = 2 * torch.exp(-frequency.square() * sigma[..., None].square() / 2)
    phase = angle[..., None] * frequency
    return 1 + (weight * torch.cos(phase)).sum(-1), -(weight * frequency * torch.sin(phase)).sum(-1)


@lru_cache(maxsize=1)
def _norm_table() -> Tensor:
    """log(sigma^2 E score^2), float64, shape (_NUM_SIGMAS,); each width one way alone, as every start waits for it."""
    sigma = log_grid(*_TABLE_RANGE, _NUM_SIGMAS)[:, None]
    num_narrow = int((sigma < _SWITCH).sum())
    return torch.cat((_log_norm(sigma[:num_narrow], _narrow), _log_norm(sigma[num_narrow:], _wide)))


def _log_norm(sigma: Tensor, formula: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """log(sigma^2 E score^2), shape (N,), of widths (N, 1); half the circle by the midpoint rule (periodic, even)."""
    upper = (10 * sigma).clamp(max=math.pi)
    node = (torch.arange(_NUM_NODES, dtype=torch.float64) + 0.5) / _NUM_NODES
    angle, width = torch.broadcast_tensors(wrap(upper * node), sigma)
    log_density, slope = formula(angle, width)
    integrand = slope.square() * log_density.exp()
    return torch.log(2 * integrand.mean(-1) * upper.squeeze(-1) * sigma.squeeze(-1).square())


@lru_cache(maxsize=16)
def _norm_table_as(dtype: torch.dtype, device: torch.device) -> Tensor:
    return _norm_table().to(dtype=dtype, device=device)
