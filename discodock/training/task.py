"""What the tasks of all stages share: steps that repeat when a run goes on, the optimiser, and a frozen first stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import nn

from discodock.noise import Purpose, stream_generator
from discodock.settings import Seed, Settings
from discodock.training.optim import OptimizerConfig, ParameterGroup, adamw_with_schedule


class TaskConfig(Settings):
    """What every task has to be told."""

    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig, description="optimiser and schedule")
    seed: Seed = Field(0, description="seed of weights, draws and dropout, with step and process number")


class Task(pl.LightningModule):
    """A module that is trained by AdamW, with random numbers that depend on seed, step and process alone.

    Args:
        config: seed and optimiser.
        max_steps: optimiser steps of the whole run, at which the learning rate ends.
    """

    def __init__(self, config: TaskConfig, max_steps: int) -> None:
        super().__init__()
        self._seed, self._optimizer_config, self.max_steps = config.seed, config.optimizer, max_steps

    def generator(self, purpose: Purpose, number: int) -> torch.Generator:
        """A CPU stream of its own for each purpose, step and process: a resumed run repeats the uninterrupted one."""
        return stream_generator(self._seed, purpose, number, self.global_rank)

    @contextmanager
    def seeded(self, generator: torch.Generator) -> Iterator[None]:
        """Within the block dropout, which takes no generator, has the seed of one."""
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(generator.initial_seed())
            yield

    def parameter_groups(self) -> list[ParameterGroup]:
        """What is trained, and how fast; by default everything that has a gradient, alike."""
        return [ParameterGroup([parameter for parameter in self.parameters() if parameter.requires_grad])]

    def configure_optimizers(self) -> Any:
        """AdamW with the trapezoidal schedule, as Lightning takes it."""
        optimizer, scheduler = adamw_with_schedule(self.parameter_groups(), self._optimizer_config, self.max_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class FrozenStageOne(Task):
    """A task on top of a trained first stage, which stays as it was trained: no gradient, no dropout.

    Args:
        config: seed and optimiser.
        stage_one: network of the first stage.
        max_steps: optimiser steps of the whole run.
    """

    def __init__(self, config: TaskConfig, stage_one: nn.Module, max_steps: int) -> None:
        super().__init__(config, max_steps)
        self.stage_one = stage_one.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, but stage one stays in evaluation mode, without dropout and batch statistics."""
        super().train(mode)
        self.stage_one.eval()
        return self
