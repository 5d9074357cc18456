"""Where standard normal numbers come from: one torch generator for training, one stream per pose for prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class NoiseSource(Protocol):
    """Anything that draws standard normal numbers for a batch."""

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Standard normals of `shape`, first dimension the batch, in the dtype and on the device of `like`."""
        ...


NoiseLike = NoiseSource | torch.Generator | None
"""What stands for a noise source where a plain generator will do; None is torch's default generator."""


def as_noise_source(noise: NoiseLike) -> NoiseSource:
    """Wrap a torch generator, or the default one, as a `NoiseSource`; noise sources pass through."""
    return GeneratorNoise(noise) if noise is None or isinstance(noise, torch.Generator) else noise


class GeneratorNoise:
    """All numbers from one torch generator (None: torch's default one on the device of the data), for training."""

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Draw on the generator's device and move; see `NoiseSource`."""
        device = like.device if self.generator is None else self.generator.device
        drawn = torch.randn(tuple(shape), generator=self.generator, dtype=like.dtype, device=device)
        return drawn.to(like.device)


class PoseNoise:
    """One random stream per pose, so that a pose depends on neither batch size, nor padding, nor device.

    Stream i is keyed by (seed, pose number) and call number: calls are counted, and each starts its own counter-based
    stream, so the numbers of a call do not depend on how many were drawn, and padded away, by earlier ones. Numbers are
    drawn on the CPU in float64 by numpy's Philox, whose streams are stable across versions.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """

    def __init__(self, seed: int, pose_numbers: Sequence[int]) -> None:
        self._keys = [np.random.SeedSequence((seed, number)).generate_state(2, np.uint64) for number in pose_numbers]
        self._calls = 0

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Draw `shape[1:]` numbers for each pose; see `NoiseSource`.

        Raises:
            ValueError: the first dimension is not the number of poses.
        """
        if shape[0] != len(self._keys):
            raise ValueError(f"noise for {shape[0]} poses was asked of {len(self._keys)} streams")
        counter = np.array([0, 0, self._calls, 0], dtype=np.uint64)  # a call has 2^128 blocks to itself
        self._calls += 1
        drawn = np.empty(tuple(shape))
        for row, key in zip(drawn, self._keys, strict=True):
            row[...] = np.random.Generator(np.random.Philox(key=key, counter=counter)).standard_normal(row.shape)
        return torch.from_numpy(drawn).to(dtype=like.dtype).to(like.device)
