"""The site stage: its settings, what it starts from, and what its file of weights holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from torch import Tensor

from discodock.checkpoint_file import part_of
from discodock.data.module import StoreConfig
from discodock.data.sites import SiteDataModule
from discodock.errors import CheckpointError
from discodock.models.checkpoint import SCORE_PART, SITE_PART, load_checkpoint, prefixed, save_checkpoint
from discodock.models.site.model import SiteModel
from discodock.tasks.site import FrozenReceptorEncoder, SiteTask, SiteTaskConfig
from discodock.training.stage import StageConfig, run_stage

SITE_WEIGHTS = "site.safetensors"


class SiteStageConfig(StageConfig):
    """Everything that `discodock train site` needs; one YAML file."""

    data: StoreConfig = Field(default_factory=StoreConfig, description="prepared complexes and batches")
    task: SiteTaskConfig = Field(default_factory=SiteTaskConfig, description="model, loss, optimiser")
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
    weights = folder / SITE_WEIGHTS

    def make_task() -> SiteTask:
        task = SiteTask(config.task, config.run.max_steps)
        if config.start_from is not None:
            take_encoder(task.model, config.start_from)
        if config.run.compile:
            task.model.compile_layers()
        return task

    def make_data(task: SiteTask) -> SiteDataModule:
        return SiteDataModule(config.data, FrozenReceptorEncoder(task.model))

    def pack(task: SiteTask, state: dict[str, Tensor], info: dict[str, Any]) -> None:
        blocks = {SITE_PART: config.task.model.model_dump(mode="json")}
        info = {**info, "data": str(config.data.root)}
        save_checkpoint(weights, prefixed(SITE_PART, part_of(state, "model")), blocks, info)

    run_stage(config, folder, make_task, make_data, pack)
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
