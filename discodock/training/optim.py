"""Optimiser settings and the learning-rate schedule, shared by all stages of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.settings import Settings

Tensors = tuple[Tensor, ...] | list[Tensor]


class OptimizerConfig(Settings):
    """AdamW with linear warm-up, a constant plateau, and a linear decay to zero at the end of `max_steps`."""

    learning_rate: float = Field(2e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(1e-4, ge=0, description="decoupled weight decay")
    warmup_steps: int = Field(200, ge=0, description="optimiser steps of linear warm-up")
    decay_fraction: float = Field(
        0.3, ge=0, le=1, description="last part of `max_steps` over which the rate falls to 0"
    )
    gradient_clip: float | None = Field(1.0, gt=0, description="largest norm of the gradient; none: any")
    ema_decay: float = Field(0.999, ge=0, lt=1, description="decay per step of the averaged weights; less at first")


def moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Exponential moving average of weights with a warm-up, in place: average <- d average + (1 - d) current.

    d = min(decay, (1 + n) / (10 + n)) after n updates (the rule of TensorFlow's ExponentialMovingAverage), so that
    short runs do not keep their initial weights: those weigh less than 1 % after 100 steps, not
    90 % as at a decay of 0.999.

    Args:
        decay: d of a long run.

    Returns:
        A function of averages, current weights and n, as `torch.optim.swa_utils.AveragedModel` calls it.
    """

    @torch.no_grad()
    def update(averages: Tensors, current: Tensors, num_averaged: Tensor | int) -> None:
        number = int(num_averaged)
        weight = 1 - min(decay, (1 + number) / (10 + number))
        for average, value in zip(averages, current, strict=True):
            average.lerp_(value.to(average), weight) if average.is_floating_point() else average.copy_(value)

    return update


def learning_rate_factor(step: int, max_steps: int, config: OptimizerConfig) -> float:
    """Multiple of the plateau's learning rate at `step` (trapezoidal schedule)."""
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    decay_steps = config.decay_fraction * max_steps
    remaining = (max_steps - step) / decay_steps if decay_steps > 0 else 1.0
    return warmup * min(1.0, max(remaining, 0.0))


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are trained alike.

    Attributes:
        parameters: parameters of the group.
        learning_rate_factor: learning rate of the group over that of the configuration.
        frozen_steps: first steps, in which they stay as they are.
    """

    parameters: Sequence[nn.Parameter]
    learning_rate_factor: float = 1.0
    frozen_steps: int = 0

    def schedule(self, config: OptimizerConfig, max_steps: int) -> Callable[[int], float]:
        """From the step to the multiple of the group's learning rate."""
        return lambda step: learning_rate_factor(step, max_steps, config) * (step >= self.frozen_steps)


def adamw_with_schedule(
    groups: Sequence[ParameterGroup], config: OptimizerConfig, max_steps: int
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW with the trapezoidal schedule.

    Args:
        groups: groups of parameters to train.
        config: settings of both.
        max_steps: optimiser steps of the whole run.
    """
    rates = [{"params": list(g.parameters), "lr": g.learning_rate_factor * config.learning_rate} for g in groups]
    optimizer = torch.optim.AdamW(rates, lr=config.learning_rate, weight_decay=config.weight_decay)
    factors = [group.schedule(config, max_steps) for group in groups]
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
