"""A stage of training as a function: a checked configuration in, a run folder with weights out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
import torch
from pydantic import Field
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from discodock.locks import exclusive
from discodock.settings import Settings
from discodock.training.run import RunConfig, fit, write_config
from discodock.training.task import Task, TaskConfig

logger = logging.getLogger(__name__)

TaskT = TypeVar("TaskT", bound=Task)


class StageConfig(Settings):
    """What every stage has to be told."""

    task: TaskConfig = Field(default_factory=TaskConfig, description="task of the stage, and its optimiser")
    run: RunConfig = Field(default_factory=RunConfig, description="length, hardware, book-keeping")


def run_stage(
    config: StageConfig,
    folder: Path,
    make_task: Callable[[], TaskT],
    make_data: Callable[[TaskT], pl.LightningDataModule],
    pack: Callable[[TaskT, dict[str, Tensor], dict[str, Any]], None],
) -> TaskT:
    """Train in a folder, or go on where a killed run stopped.

    Args:
        config: configuration of the stage, which is written to the folder.
        folder: folder of the run.
        make_task: factory of the task with the weights that it starts from; called after everything is seeded.
        make_data: factory of the batches of a task.
        pack: writes a file of weights, from the task, its averaged weights by name, and how they came to be; called at
            every checkpoint.

    Returns:
        The task as it ended.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        InputError: another process trains there.
    """
    with _held(folder):
        write_config(folder, config)
        pl.seed_everything(config.task.seed, verbose=False)
        task = make_task()
        num_trained = sum(parameter.numel() for parameter in task.parameters() if parameter.requires_grad)
        logger.info("%.3f M trained parameters, run folder %s", num_trained / 1e6, folder)

        def write(state: dict[str, Tensor], summary: dict[str, Any]) -> None:
            pack(task, state, {**summary, "discodock": version("discodock"), "torch": torch.__version__})

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found .* in eval mode")  # what is frozen is, on purpose
            fit(task, make_data(task), folder, config.run, config.task.optimizer, write)
        return task


def _held(folder: Path) -> AbstractContextManager[None]:
    """The folder, held by the first of the processes of one run for all of them."""
    is_first = getattr(rank_zero_only, "rank", 0) == 0
    return exclusive(folder) if is_first else nullcontext()
