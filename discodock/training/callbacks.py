"""Lightning callbacks shared by all stages: averaged weights, files beside every checkpoint, time limit, log lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Timer, WeightAveraging
from torch import Tensor

logger = logging.getLogger(__name__)

WriteWeights = Callable[[dict[str, Tensor], dict[str, Any]], None]
"""(averaged weights by name in the task, summary: step, hours, latest metrics) -> None; writes a file."""


class AveragedWeights(WeightAveraging):
    """Lightning's averaging, which validates with the averaged weights, and also puts them back when that breaks off.

    Must come before what saves a checkpoint on an exception: that would take one kind of weights for the other.
    """

    _is_swapped = False

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the averaged weights to the module."""
        super().on_validation_epoch_start(trainer, pl_module)
        self._is_swapped = True

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give its own weights back to the module."""
        super().on_validation_epoch_end(trainer, pl_module)
        self._is_swapped = False

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give its own weights back to the module if validation was interrupted."""
        if self._is_swapped:
            self.on_validation_epoch_end(trainer, pl_module)


class SessionTimer(Timer):
    """Stops training after a time, counted from the start of this session."""

    def state_dict(self) -> dict[str, Any]:
        """Nothing: Lightning would add the time of earlier sessions."""
        return {}


class ExportWeights(Callback):
    """Hands the averaged weights of every checkpoint to a writer; must come after the averaging callback."""

    def __init__(self, write: WriteWeights) -> None:
        self.write = write
        self.hours = 0.0
        self._started = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock of this session."""
        self._started = time.monotonic()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write the weights that the checkpoint holds as the model's, which are the averaged ones."""
        if not trainer.is_global_zero:
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        summary = {"step": trainer.global_step, "hours": round(self._total_hours(), 3), "metrics": metrics}
        self.write(checkpoint["state_dict"], summary)

    def state_dict(self) -> dict[str, Any]:
        """Training time so far, h."""
        return {"hours": self._total_hours()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Add the time of earlier sessions."""
        self.hours = state_dict["hours"]

    def _total_hours(self) -> float:
        return self.hours + (time.monotonic() - self._started) / 3600


class SaveAtEnd(Callback):
    """Writes the last checkpoint when training ends between two, for instance at the time limit."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state of the run."""
        trainer.save_checkpoint(self.path)


class ProgressLog(Callback):
    """One log line now and then: step, loss, steps per second, time left."""

    def __init__(self, max_steps: int, every: int) -> None:
        self.max_steps, self.every = max_steps, every
        self._mark = (0, 0.0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._mark = (trainer.global_step, time.monotonic())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write a line every `every` steps."""
        step = trainer.global_step
        if step % self.every or step == self._mark[0]:
            return
        rate = (step - self._mark[0]) / (time.monotonic() - self._mark[1])
        self._mark = (step, time.monotonic())
        left = (self.max_steps - step) / rate
        metrics = trainer.callback_metrics
        shown = " ".join(f"{k.split('/')[1]} {float(v):.3f}" for k, v in metrics.items() if k.startswith("train/"))
        logger.info("step %d/%d %s %.2f steps/s %.2f h left", step, self.max_steps, shown, rate, left / 3600)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the validation metrics."""
        metrics = {
            k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val") and "_bins/" not in k
        }
        logger.info("validation %s", " ".join(f"{k.removeprefix('val/')} {v:.3f}" for k, v in metrics.items()))
