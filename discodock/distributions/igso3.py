"""The isotropic Gaussian on SO(3): the heat kernel of rotations, with standard deviation sigma per axis.

By (normalised) Haar measure its density depends on the rotation angle w alone,

    f(w) = sum_l (2 l + 1) exp(-l (l + 1) sigma^2 / 2) sin((l + 1/2) w) / sin(w / 2),            (series)

so that E[w^2] -> 3 sigma^2 for small sigma. disco-diffdock omits the 1/2: multiply its sigmas by sqrt(2) to compare.
Poisson summation turns the series into a sum over the windings k of a Gaussian,

    f(w) = e^(s/4) sqrt(pi) / (2 s^(3/2)) sum_k (-1)^k (w - 2 pi k) exp(-(w - 2 pi k)^2 / (2 sigma^2)) / sin(w / 2),

s = sigma^2 / 2, which is exact too and needs |k| <= 2 where the series would need hundreds of terms and loses all
digits. Above sigma = 1.5 the series is used, below the windings; both are exact to rounding at the switch.

Source: Nikolayev & Savyolov 1997, Textures Microstruct. 29, 201; Leach et al. 2022, "Denoising diffusion probabilistic
models on SO(3) for rotational alignment"; the kernel as in Corso et al. 2023, arXiv 2210.01776, appendix A.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from discodock.distributions.tables import cell_position, cumulative_simpson, log_grid, log_position

_SWITCH = 1.5  # rad; at this width |k| <= 2 and l <= 7 are both exact to 1e-16
_MAX_WINDING = 2
_MAX_L = 7
_TABLE_RANGE = (0.005, 6.0)  # rad; at the upper end the density is uniform to 1e-15
_NUM_SIGMAS = 256
_NUM_NORM_SIGMAS = 1024
_NUM_RADII = 257
_MAX_RADIUS = 8.0  # P(|z| > 8) = 1e-13 for a standard normal in three dimensions
_NUM_CELLS = 512


def log_prob(rotvec: Tensor, sigma: Tensor) -> Tensor:
    """Log-density by normalised Haar measure, so that the uniform distribution has log_prob 0.

    Args:
        rotvec: rotation vectors in radians, norm at most pi, shape (..., 3).
        sigma: standard deviation per axis in radians, positive, broadcastable to shape (...).

    Returns:
        log f, shape (...); see the module's formulas.
    """
    return _log_density(_length(rotvec), sigma)


def angle_prob(angle: Tensor, sigma: Tensor) -> Tensor:
    """Density of the rotation angle on [0, pi], (1 - cos w) / pi f(w), 1/rad; `angle` and `sigma` broadcast."""
    return _haar(angle) * torch.exp(_log_density(angle, sigma))


def score(rotvec: Tensor, sigma: Tensor) -> Tensor:
    """Gradient of `log_prob` as a tangent vector at `rotvec`; left and right trivialisation agree here.

    Args:
        rotvec: rotation vectors in radians, norm at most pi, shape (..., 3).
        sigma: standard deviation per axis in radians, positive, broadcastable to shape (...).

    Returns:
        d log f / dw along the rotation axis, 1/rad, shape (..., 3); zero at the identity.
    """
    return rotvec * _radial_score(_length(rotvec), sigma)[..., None]


def sample(sigma: Tensor, *, generator: torch.Generator) -> Tensor:
    """Draw rotation vectors: widths in radians, shape (...), to radians of norm at most pi, shape (..., 3)."""
    normal = torch.randn(*sigma.shape, 3, generator=generator, dtype=sigma.dtype, device=sigma.device)
    return from_normal(normal, sigma)


def from_normal(normal: Tensor, sigma: Tensor) -> Tensor:
    """Map standard normal vectors to samples: the direction is kept, the length goes through both radial CDFs.

    The map is monotone and smooth in length and sigma, close to normal * sigma for small sigma. Its inverse CDF is
    tabulated over (|normal|, log sigma) and interpolated linearly, to a relative accuracy of about 1e-4 in the angle.

    Args:
        normal: independent standard normals, shape (..., 3).
        sigma: standard deviation per axis in radians, positive, broadcastable to shape (...).

    Returns:
        Rotation vectors in radians of norm at most pi, shape (..., 3).
    """
    table = _cast(_angle_table, normal)  # (_NUM_SIGMAS, _NUM_RADII)
    radius = _length(normal)
    sigma = sigma.clamp(max=_TABLE_RANGE[1]).expand_as(radius)
    row, row_part = log_position(sigma, *_TABLE_RANGE, _NUM_SIGMAS)
    column, column_part = cell_position(radius / _MAX_RADIUS, _NUM_RADII)
    flat, index = table.flatten(), row * _NUM_RADII + column
    near = torch.lerp(flat[index], flat[index + 1], column_part)
    far = torch.lerp(flat[index + _NUM_RADII], flat[index + _NUM_RADII + 1], column_part)
    stretch = torch.minimum(sigma * torch.lerp(near, far, row_part), math.pi / radius)
    return normal * stretch[..., None]


def score_norm(sigma: Tensor) -> Tensor:
    """E |score|^2, 1/rad^2, by quadrature: 3 / sigma^2 for small sigma, 0 in the uniform limit; any shape."""
    table = _cast(_norm_table, sigma)
    inside = sigma.clamp(*_TABLE_RANGE)
    cell, part = log_position(inside, *_TABLE_RANGE, _NUM_NORM_SIGMAS)
    return torch.lerp(table[cell], table[cell + 1], part).exp() / sigma.square()


def _haar(angle: Tensor) -> Tensor:
    """Density of the angle of uniformly distributed rotations, (1 - cos w) / pi, 1/rad."""
    return (2 / math.pi) * torch.sin(angle / 2).square()


def _log_density(angle: Tensor, sigma: Tensor) -> Tensor:
    return _by_width(angle, sigma)[0]


def _radial_score(angle: Tensor, sigma: Tensor) -> Tensor:
    """(d log f / dw) / w, finite at w = 0."""
    return _by_width(angle, sigma)[1]


def _by_width(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Both ways, each clamped to where it is exact, so that none gives NaN: log f and (d log f / dw) / w."""
    narrow = _narrow(angle, sigma.clamp(max=_SWITCH))
    wide = _wide(angle, sigma.clamp(min=_SWITCH))
    is_narrow = sigma < _SWITCH
    return torch.where(is_narrow, narrow[0], wide[0]), torch.where(is_narrow, narrow[1], wide[1])


def _narrow(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of f, and (d log f / dw) / w by the windings."""
    log_scale = sigma.square() / 8 + math.log(math.sqrt(8 * math.pi)) - 3 * torch.log(sigma)
    ratio, slope = _windings(angle, sigma)
    log_density = log_scale - (angle / sigma).square() / 2 - torch.log(torch.sinc(angle / (2 * math.pi))) + ratio.log()
    return log_density, -1 / sigma.square() + _cotangent_term(angle) + slope / ratio


def _wide(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of f, and (d log f / dw) / w by the series."""
    density, slope = _series(angle, sigma)
    return density.log(), slope / density


def _windings(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The winding sum divided by its k = 0 term, h(w), and h'(w) / w.

    With b = 2 pi k / sigma^2, the windings k and -k together are (-1)^k (C - 2 pi k S), where
    C = 2 exp(-pi k b) cosh(b w) and S = 2 exp(-pi k b) sinh(b w) / w.
    """
    angle, sigma = torch.broadcast_tensors(angle, sigma)
    safe = angle.clamp(min=1e-9)
    ratio, slope = torch.ones_like(safe), torch.zeros_like(safe)
    for k in range(1, _MAX_WINDING + 1):
        sign = (-1) ** k
        rate = 2 * math.pi * k / sigma.square()
        up = torch.exp(-rate * (math.pi * k - angle))
        ends = torch.expm1(-2 * rate * safe)  # exp(-2 b w) - 1
        cosh, sinh = up * (2 + ends), -up * ends / safe
        # S' / w = (b C - S) / w^2, which cancels for small b w: there it is S b^2 (1/3 + (b w)^2 / 30 + …) / sinhc
        scaled = rate * safe
        direct = (rate * cosh - sinh) / safe.square()
        expansion = sinh * rate.square() * (1 / 3 - scaled.square() / 45 + 2 * scaled**4 / 945)
        curve = torch.where(scaled < 0.2, expansion, direct)
        ratio = ratio + sign * (cosh - 2 * math.pi * k * sinh)
        slope = slope + sign * (rate * sinh - 2 * math.pi * k * curve)
    return ratio, slope


def _cotangent_term(angle: Tensor) -> Tensor:
    """(1/w - cot(w/2) / 2) / w, by its Taylor series below 1 rad; 1/12 at w = 0."""
    square = angle.clamp(max=1).square()
    taylor = 1 / 12 + square * (1 / 720 + square * (1 / 30240 + square * (1 / 1209600 + square / 47900160)))
    safe = angle.clamp(min=1)
    return torch.where(angle < 1, taylor, (1 / safe - 0.5 / torch.tan(safe / 2)) / safe)


def _series(angle: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """f(w) and f'(w) / w from the character series, written as a cosine sum so that nothing is 0/0."""
    degree = torch.arange(_MAX_L + 1, dtype=angle.dtype, device=angle.device)
    term = (2 * degree + 1) * torch.exp(-degree * (degree + 1) * sigma[..., None].square() / 2)
    tail = term.flip(-1).cumsum(-1).flip(-1)  # sum over l >= m
    weight = torch.cat((tail[..., :1], 2 * tail[..., 1:]), dim=-1)  # sin((l+1/2)w)/sin(w/2) = 1 + 2 sum_m cos(m w)
    phase = angle[..., None] * degree
    slope = -(weight * degree.square() * torch.sinc(phase / math.pi)).sum(-1)
    return (weight * torch.cos(phase)).sum(-1), slope


@lru_cache(maxsize=1)
def _quadrature() -> tuple[Tensor, Tensor, Tensor]:
    """Scales, node spacing and angle densities at nodes and midpoints, float64, over the scales of the angle table."""
    sigma = log_grid(*_TABLE_RANGE, _NUM_SIGMAS)[:, None]
    upper = (10 * sigma).clamp(max=math.pi)
    angle = upper * torch.linspace(0, 1, 2 * _NUM_CELLS + 1, dtype=torch.float64)
    return sigma, upper / _NUM_CELLS, angle_prob(angle, sigma)


@lru_cache(maxsize=1)
def _angle_table() -> Tensor:
    """Angle / (r sigma), the angle having the CDF of the length r of a normal vector; (_NUM_SIGMAS, _NUM_RADII)."""
    sigma, step, density = _quadrature()
    below = cumulative_simpson(density, step).numpy()
    above = cumulative_simpson(density.flip(-1), step).flip(-1).numpy()
    angle = (step * torch.arange(_NUM_CELLS + 1)).numpy()
    radius = torch.linspace(0, _MAX_RADIUS, _NUM_RADII, dtype=torch.float64)[1:]
    shape, half_square = torch.full_like(radius, 1.5), radius.square() / 2
    # near-linear coordinates of the two CDFs: the cube root at the lower end, a Gaussian tail at the upper one
    lower = torch.special.gammainc(shape, half_square).numpy() ** (1 / 3)
    upper = np.sqrt(-np.log(torch.special.gammaincc(shape, half_square).numpy()))
    rows = []
    for row in range(_NUM_SIGMAS):
        with np.errstate(divide="ignore"):
            tail = np.sqrt(-np.log(above[row].clip(0, 1)))
        low = np.interp(lower, below[row] ** (1 / 3), angle[row])
        high = np.interp(upper, tail, angle[row])
        rows.append(np.where(radius.numpy() < 1.5, low, high))
    stretch = torch.from_numpy(np.stack(rows)) / (radius * sigma)
    origin = (4 * stretch[:, :1] - stretch[:, 1:2]) / 3  # even in r: extrapolate the parabola
    return torch.cat((origin, stretch), dim=1)


@lru_cache(maxsize=1)
def _norm_table() -> Tensor:
    """log(sigma^2 E |score|^2), float64, shape (_NUM_NORM_SIGMAS,); each width one way alone, as every start waits."""
    sigma = log_grid(*_TABLE_RANGE, _NUM_NORM_SIGMAS)[:, None]
    num_narrow = int((sigma < _SWITCH).sum())
    return torch.cat((_log_norm(sigma[:num_narrow], _narrow), _log_norm(sigma[num_narrow:], _wide)))


def _log_norm(sigma: Tensor, formula: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """log(sigma^2 E |score|^2), shape (N,), of widths (N, 1) for which a formula is exact."""
    upper = (10 * sigma).clamp(max=math.pi)
    angle = upper * torch.linspace(0, 1, _NUM_CELLS + 1, dtype=torch.float64)
    log_density, slope = formula(angle, sigma)
    prob = _haar(angle) * torch.exp(log_density)
    integral = cumulative_simpson((angle * slope).square() * prob, 2 * upper / _NUM_CELLS)[:, -1]
    return torch.log(integral * sigma.squeeze(-1).square())


@lru_cache(maxsize=16)
def _cached_cast(build: object, dtype: torch.dtype, device: torch.device) -> Tensor:
    return build().to(dtype=dtype, device=device)  # type: ignore[operator]


def _cast(build: object, like: Tensor) -> Tensor:
    return _cached_cast(build, like.dtype, like.device)


def _length(vec: Tensor) -> Tensor:
    """Norm over the last dimension whose gradient at zero is zero and not NaN; distributions know no geometry."""
    return vec.square().sum(-1).clamp(min=torch.finfo(vec.dtype).tiny).sqrt()
