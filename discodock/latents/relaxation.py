"""Differentiable draws of codes: Gumbel-softmax, its straight-through form, and the schedule of its temperature."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from discodock.latents.categorical import at_least_float32, entry_gumbel
from discodock.noise import NoiseLike
from discodock.settings import Settings


class TemperatureSchedule(Settings):
    """Temperature of the Gumbel-softmax, start (end / start)^(step / decay_steps), then `end`; equal ends: constant."""

    start: float = Field(default=1.0, gt=0, description="temperature at step 0, no unit")
    end: float = Field(default=1.0, gt=0, description="temperature from decay_steps on, no unit; 1 in DisCo-DiffDock")
    decay_steps: int = Field(default=10_000, ge=1, description="training steps from start to end")

    def temperature(self, step: int) -> float:
        """The temperature at a training step, counted from 0."""
        return self.start * (self.end / self.start) ** min(max(step / self.decay_steps, 0.0), 1.0)


def gumbel_softmax(logits: Tensor, mask: Tensor, temperature: float, noise: NoiseLike) -> Tensor:
    """Relaxed draw softmax((logits + gumbel) / temperature) over the allowed entries.

    Args:
        logits: logits of N entries, shape (B, N).
        mask: allowed entries, at least one a row, bool, shape (B, N) or (N,).
        temperature: positive temperature; towards 0 the weights become one-hot, towards infinity equal.
        noise: source of the Gumbel numbers.

    Returns:
        Weights that sum to one in every row, exactly zero outside the mask, shape (B, N).

    Raises:
        ValueError: the temperature is not positive.

    Source: Jang, Gu, Poole 2017, arXiv 1611.01144; Maddison, Mnih, Teh 2017, arXiv 1611.00712.
    """
    if temperature <= 0:
        raise ValueError(f"the temperature of a Gumbel-softmax must be positive, not {temperature}")
    perturbed = (at_least_float32(logits) + entry_gumbel(mask, noise, logits)) / temperature
    return torch.softmax(perturbed.masked_fill(~mask, -torch.inf), dim=-1)


def straight_through(weights: Tensor) -> Tensor:
    """Exactly one-hot at the largest weight; the gradient is passed on to the relaxed weights unchanged.

    Source: Bengio, Léonard, Courville 2013, arXiv 1308.3432; on the Gumbel-softmax Jang, Gu, Poole 2017.
    """
    return _StraightThrough.apply(weights)


def straight_through_gumbel_softmax(logits: Tensor, mask: Tensor, temperature: float, noise: NoiseLike) -> Tensor:
    """One-hot draws (B, N) with the gradient of a Gumbel-softmax, for training an encoder; see `gumbel_softmax`."""
    return straight_through(gumbel_softmax(logits, mask, temperature, noise))


class _StraightThrough(torch.autograd.Function):
    """A function of its own, because hard + soft - soft.detach() is one-hot only up to rounding."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor) -> Tensor:
        return torch.zeros_like(weights).scatter_(-1, weights.argmax(-1, keepdim=True), 1.0)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0]
