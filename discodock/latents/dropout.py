"""Code dropout: samples that lose codes in training, so that one network learns the score with and without them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from discodock.latents.categorical import NULL_CODE
from discodock.noise import NoiseLike, uniform
from discodock.settings import Settings


class CodeDropout(Settings):
    """How often codes are dropped in training; both kinds may be on at once.

    Source: as for the labels of Ho, Salimans 2022, arXiv 2207.12598, section 3.2; the rate is DisCo-Diff's.
    """

    whole: float = Field(default=0.1, ge=0, le=1, description="probability that a sample loses all of its codes")
    each: float = Field(default=0.0, ge=0, le=1, description="probability that a code is lost, independently of others")

    def draw(self, num_samples: int, num_codes: int, noise: NoiseLike, device: torch.device) -> Tensor:
        """Which codes stay, bool, shape (B, num_codes); false with probability 1 - (1 - whole) (1 - each)."""
        like = torch.empty(0, dtype=torch.float64)  # float32 would round one in 10^7 up to 1
        drawn = uniform(noise, (num_samples, num_codes + 1), like)  # on the CPU: some devices have no float64
        return ((drawn[:, :1] >= self.whole) & (drawn[:, 1:] >= self.each)).to(device)


def drop_weights(weights: Sequence[Tensor], kept: Tensor) -> tuple[Tensor, ...]:
    """Weights (B, N_i) of every code, zero and without gradient where `kept` (bool, (B, num_codes)) is false."""
    columns = zip(weights, kept.unbind(1), strict=True)
    return tuple(torch.where(keep[:, None], each, 0) for each, keep in columns)


def drop_codes(codes: Tensor, kept: Tensor) -> Tensor:
    """Hard codes (B, num_codes), the null code where `kept` (bool, (B, num_codes)) is false."""
    return torch.where(kept, codes, NULL_CODE)
