"""Random numbers: from one torch generator in training, from one stream per sample in prediction.

There is no default: whoever draws is told from where. Everything is made from standard normals, so that poses, images
and codes can all be drawn from a source with a stream per sample, and a sample then does not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class NoiseSource(Protocol):
    """Anything that draws standard normal numbers for a batch."""

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Standard normals of `shape`, first dimension the batch, in the dtype and on the device of `like`."""
        ...


NoiseLike = NoiseSource | torch.Generator
"""Where random numbers come from."""


class Purpose(IntEnum):
    """What a random stream is for, so that streams of one seed and different purposes differ.

    The values are part of what a seed means: changing one changes all results of its purpose. `POSES` is not written
    into the key, so that its stream n is the first stream of the purpose with the value n. Of streams that are used
    together this concerns one pair: the start of pose 2, and the conformer that the prior sees for pose 0.
    """

    POSES = 0
    """Start and noise of sampled poses."""
    CODES = 1
    """Codes of sampled poses and images."""
    CONFORMERS = 2
    """Orientations and torsions in which the prior of the codes sees the ligand."""
    IMAGES = 3
    """Start and noise of sampled images."""
    TRAINING = 4
    """Everything random in a training step."""
    VALIDATION = 5
    """Everything random in a validation step, but codes."""
    VALIDATION_CODES = 6
    """Codes in validation, so that a network without codes sees the same noise as one with them."""


def stream_key(seed: int, purpose: Purpose, *numbers: int) -> np.random.SeedSequence:
    """The key of one random stream, as numpy's bit generators take it.

    Args:
        seed: the user's seed, from 0 to 2^32 - 1, as each of the numbers.
        purpose: use that the stream is made for.
        numbers: number of the stream among those of its purpose, at most two integers.

    Returns:
        A key made of all of them.
    """
    named = () if purpose is Purpose.POSES else (int(purpose),)
    return np.random.SeedSequence((seed, *named, *numbers))


def stream_generator(seed: int, purpose: Purpose, *numbers: int) -> torch.Generator:
    """A torch generator on the CPU with the key of one random stream; arguments as of `stream_key`."""
    (key,) = stream_key(seed, purpose, *numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(key))


class StreamNoise:
    """One random stream per sample, so that a sample depends on neither batch size, nor padding, nor device.

    Stream i is keyed by (seed, purpose, sample number) and call number: calls are counted, and each starts its own
    counter-based stream, so the numbers of a call do not depend on how many were drawn, and padded away, by earlier
    ones. Numbers are drawn on the CPU in float64 by numpy's Philox, whose streams are stable across versions.

    Args:
        seed: seed of all samples.
        numbers: number of each sample of the batch.
        purpose: use that the numbers are drawn for.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """

    def __init__(self, seed: int, numbers: Sequence[int], purpose: Purpose) -> None:
        self._keys = [stream_key(seed, purpose, number).generate_state(2, np.uint64) for number in numbers]
        self._calls = 0

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Draw `shape[1:]` numbers for each sample; see `NoiseSource`.

        Raises:
            ValueError: the first dimension is not the number of samples.
        """
        if shape[0] != len(self._keys):
            raise ValueError(f"noise for {shape[0]} samples was asked of {len(self._keys)} streams")
        counter = np.array([0, 0, self._calls, 0], dtype=np.uint64)  # a call has 2^128 blocks to itself
        self._calls += 1
        drawn = np.empty(tuple(shape))
        for row, key in zip(drawn, self._keys, strict=True):
            row[...] = np.random.Generator(np.random.Philox(key=key, counter=counter)).standard_normal(row.shape)
        return torch.from_numpy(drawn).to(dtype=like.dtype).to(like.device)


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
