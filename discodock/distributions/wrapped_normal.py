"""The wrapped normal distribution on the circle [-pi, pi): a normal of standard deviation sigma, modulo 2 pi.

    p(x) = sum_k N(x + 2 pi k; 0, sigma^2) = (1 + 2 sum_n exp(-n^2 sigma^2 / 2) cos(n x)) / (2 pi)

Below sigma = 1.5 the sum over windings (|k| <= 2), above it the Fourier series (n <= 6) is used; both are exact to
rounding at the switch.

Source: Jing et al. 2022, "Torsional diffusion", arXiv 2206.01729, section 3.3; Mardia & Jupp 2000, section 3.5.7.
"""

from __future__ import annotations

import math
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
    angle, sigma = torch.broadcast_tensors(wrap(angle), sigma)
    small, large = sigma.clamp(max=_SWITCH), sigma.clamp(min=_SWITCH)
    windings = torch.logsumexp(_exponents(angle, small), dim=-1) - torch.log(small) - 0.5 * math.log(2 * math.pi)
    density, _ = _fourier(angle, large)
    return torch.where(sigma < _SWITCH, windings, density.log() - math.log(2 * math.pi))


def score(angle: Tensor, sigma: Tensor) -> Tensor:
    """Derivative of `log_prob` by the angle, 1/rad; odd and 2 pi-periodic; shapes as there."""
    angle, sigma = torch.broadcast_tensors(wrap(angle), sigma)
    small, large = sigma.clamp(max=_SWITCH), sigma.clamp(min=_SWITCH)
    weight = torch.softmax(_exponents(angle, small), dim=-1)
    windings = -(weight * _images(angle)).sum(-1) / small.square()
    density, slope = _fourier(angle, large)
    return torch.where(sigma < _SWITCH, windings, slope / density)


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
    """log(sigma^2 E score^2), float64, shape (_NUM_SIGMAS,); half the circle by the midpoint rule (periodic, even)."""
    sigma = log_grid(*_TABLE_RANGE, _NUM_SIGMAS)[:, None]
    upper = (10 * sigma).clamp(max=math.pi)
    node = (torch.arange(_NUM_NODES, dtype=torch.float64) + 0.5) / _NUM_NODES
    angle = upper * node
    integrand = score(angle, sigma).square() * log_prob(angle, sigma).exp()
    return torch.log(2 * integrand.mean(-1) * upper.squeeze(-1) * sigma.squeeze(-1).square())


@lru_cache(maxsize=16)
def _norm_table_as(dtype: torch.dtype, device: torch.device) -> Tensor:
    return _norm_table().to(dtype=dtype, device=device)
