"""Optimiser settings and the learning-rate schedule, shared by all stages of training."""

from __future__ import annotations

from pydantic import Field

from discodock.settings import Settings


class OptimizerConfig(Settings):
    """AdamW with linear warm-up, a constant plateau, and a linear decay to zero at the end of `max_steps`."""

    learning_rate: float = Field(2e-3, gt=0, description="of the plateau")
    weight_decay: float = Field(1e-4, ge=0, description="decoupled weight decay")
    warmup_steps: int = Field(200, ge=0, description="optimiser steps of linear warm-up")
    decay_fraction: float = Field(
        0.3, ge=0, le=1, description="last part of `max_steps` over which the rate falls to 0"
    )
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema_decay: float = Field(0.999, ge=0, lt=1, description="per step, of the averaged weights that are kept")


def learning_rate_factor(step: int, max_steps: int, config: OptimizerConfig) -> float:
    """Multiple of the plateau's learning rate at `step` (trapezoidal schedule)."""
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    decay_steps = config.decay_fraction * max_steps
    remaining = (max_steps - step) / decay_steps if decay_steps > 0 else 1.0
    return warmup * min(1.0, max(remaining, 0.0))
