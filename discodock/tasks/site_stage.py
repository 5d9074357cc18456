"""The site stage as a function: a checked configuration in, a run folder with weights out."""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor

from discodock.checkpoint_file import part_of
from discodock.data.module import StoreConfig
from discodock.data.sites import SiteDataModule
from discodock.errors import CheckpointError
from discodock.models.checkpoint import SCORE_PART, SITE_PART, load_checkpoint, prefixed, save_checkpoint
from discodock.models.site.model import SiteModel
from discodock.settings import Settings
from discodock.tasks.site import FrozenReceptorEncoder, SiteTask, SiteTaskConfig
from discodock.training.run import RunConfig, fit, write_config

logger = logging.getLogger(__name__)

SITE_WEIGHTS = "site.safetensors"


class SiteStageConfig(Settings):
    """Everything that `discodock train site` needs; one YAML file."""

    data: StoreConfig = Field(default_factory=StoreConfig, description="prepared complexes and batches")
    task: SiteTaskConfig = Field(default_factory=SiteTaskConfig, description="model, loss, optimiser")
    run: RunConfig = Field(default_factory=RunConfig, description="length, hardware, book-keeping")
    start_from: Path | None = Field(
        None, description="a score model's weights, whose receptor encoder is taken and kept; none: random features"
    )


def train_site(config: SiteStageConfig, folder: Path) -> Path:
    """Train the site model in `folder`, or go on where a killed run stopped.

    Returns:
        The file of the averaged weights, `folder/site.safetensors`.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        PreparedDataError, CheckpointError: the data or the weights to start from cannot be used.
    """
    resolved = write_config(folder, config)
    pl.seed_everything(config.task.seed, verbose=False)
    task = SiteTask(config.task, config.run.max_steps)
    if config.start_from is not None:
        take_encoder(task.model, config.start_from)
    if config.run.compile:
        task.model.compile_layers()
    num_trained = sum(p.numel() for p in task.parameters() if p.requires_grad)
    logger.info("%.2f M trained parameters, run folder %s", num_trained / 1e6, folder)
    weights = folder / SITE_WEIGHTS

    def write(state: dict[str, Tensor], summary: dict[str, Any]) -> None:
        by_name = prefixed(SITE_PART, part_of(state, "model"))
        info = {**summary, "discodock": version("discodock"), "torch": torch.__version__, "data": str(config.data.root)}
        save_checkpoint(weights, by_name, {SITE_PART: resolved["task"]["model"]}, info)

    data = SiteDataModule(config.data, FrozenReceptorEncoder(task.model))
    fit(task, data, folder, config.run, config.task.optimizer, write)
    return weights


def take_encoder(model: SiteModel, path: Path) -> None:
    """Copy the receptor encoder of the score model in a file.

    Raises:
        CheckpointError: the file cannot be read, or its encoder has another size.
    """
    weights = part_of(load_checkpoint(path).part(SCORE_PART), "receptor_encoder")
    try:
        model.receptor_encoder.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: its receptor encoder does not fit; set the sizes of task.model as in its score model"
        ) from error
