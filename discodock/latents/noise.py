"""Random numbers of the latent core: from one torch generator, or from a source with one stream per sample.

Everything is made from standard normals, so that any noise source of the diffusion (anything with a `normal` method)
draws codes as well, and a sample's codes then do not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class NormalSource(Protocol):
    """Anything that draws standard normal numbers for a batch."""

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Standard normals of `shape`, first dimension the batch, in the dtype and on the device of `like`."""
        ...


NoiseLike = NormalSource | torch.Generator
"""There is no default: whoever draws says from where."""

Draws = NormalSource | torch.Generator | Tensor
"""Where hard codes come from: noise, or uniform numbers in [0, 1), such as those of `spread.spread_uniforms`."""


def standard_normal(noise: NoiseLike, shape: Sequence[int], like: Tensor) -> Tensor:
    """Standard normals of `shape` in the dtype and on the device of `like`; a generator draws on its own device."""
    if isinstance(noise, torch.Generator):
        return torch.randn(tuple(shape), generator=noise, dtype=like.dtype, device=noise.device).to(like.device)
    return noise.normal(shape, like)


def uniform(noise: NoiseLike, shape: Sequence[int], like: Tensor) -> Tensor:
    """Uniform numbers in [0, 1], u = Phi(z) of a standard normal z; see `standard_normal`."""
    return torch.special.ndtr(standard_normal(noise, shape, like))


def gumbel(noise: NoiseLike, shape: Sequence[int], like: Tensor) -> Tensor:
    """Standard Gumbel numbers, -log(-log Phi(z)) of a standard normal z; see `standard_normal`."""
    return -torch.log(-torch.special.log_ndtr(standard_normal(noise, shape, like)))
