"""The prior stage as a function: a checked configuration in, a run folder with weights out."""

from __future__ import annotations

import logging
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import pytorch_lightning as pl
import torch
from pydantic import Field, ValidationError, model_validator
from torch import Tensor

from discodock.checkpoint_file import part_of
from discodock.data.module import DataConfig
from discodock.errors import CheckpointError
from discodock.models.checkpoint import (
    CODES_PART,
    PRIOR_PART,
    SAMPLING_BLOCK,
    SCORE_PART,
    load_checkpoint,
    prefixed,
    save_checkpoint,
    start_from,
)
from discodock.settings import Settings
from discodock.tasks.prior import PriorTask, PriorTaskConfig
from discodock.tasks.score import ScoreTask, ScoreTaskConfig
from discodock.tasks.stages import score_data, start_score_task
from discodock.training.run import RunConfig, fit, refuse_compile, write_config

logger = logging.getLogger(__name__)

PRIOR_WEIGHTS = "prior.safetensors"


class PriorStageConfig(Settings):
    """Everything that `discodock train prior` needs; one YAML file."""

    start_from: Path = Field(description="weights (.safetensors) of a score model and its code encoder; they are kept")
    data: DataConfig = Field(default_factory=DataConfig, description="prepared complexes and batches")
    task: PriorTaskConfig = Field(default_factory=PriorTaskConfig, description="network, optimiser")
    run: RunConfig = Field(default_factory=RunConfig, description="length, hardware, book-keeping")

    @model_validator(mode="after")
    def _cannot_be_compiled(self) -> Self:
        refuse_compile(self.run, "not for priors of codes")
        return self


def train_prior(config: PriorStageConfig, folder: Path) -> Path:
    """Train the prior of the codes of `start_from` in `folder`, or go on where a killed run stopped.

    Returns:
        A file with everything of `start_from`, and the averaged weights of the prior: `folder/prior.safetensors`.

    Raises:
        ConfigError: the folder holds a run with another configuration, or the prior is not of the score model's kind.
        PreparedDataError, CheckpointError: the data or the weights to start from cannot be used.
    """
    resolved = write_config(folder, config)
    pl.seed_everything(config.task.seed, verbose=False)
    checkpoint = load_checkpoint(config.start_from)
    stage_one = load_stage_one(config.start_from, config.task.seed)
    task = PriorTask(config.task, stage_one, config.run.max_steps)
    if PRIOR_PART in checkpoint.config:
        start_from(task.prior, checkpoint.part(PRIOR_PART), f"{config.start_from}: prior")
    elif config.task.from_score_model:
        task.prior.load_state_dict(task.prior.from_score_model(checkpoint.part(SCORE_PART)), strict=False)
    logger.info("%.2f M parameters, run folder %s", sum(p.numel() for p in task.prior.parameters()) / 1e6, folder)
    weights = folder / PRIOR_WEIGHTS

    def write(state: dict[str, Tensor], summary: dict[str, Any]) -> None:
        info = {**checkpoint.info, "prior": {**summary, "discodock": version("discodock"), "torch": torch.__version__}}
        by_name = {**checkpoint.weights, **prefixed(PRIOR_PART, part_of(state, "prior"))}
        blocks = {PRIOR_PART: resolved["task"]["prior"], SAMPLING_BLOCK: resolved["task"]["sampling"]}
        save_checkpoint(weights, by_name, {**checkpoint.config, **blocks}, info)

    data = score_data(config.data, stage_one.config)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found .* in eval mode")  # stage one is, on purpose
        fit(task, data, folder, config.run, config.task.optimizer, write)
    return weights


def load_stage_one(path: Path, seed: int) -> ScoreTask:
    """The score model and code encoder of a file, as they were trained.

    Raises:
        CheckpointError: the file cannot be read, or holds no codes.
    """
    config = load_checkpoint(path).config
    if CODES_PART not in config:
        raise CheckpointError(
            f"{path}: a network without codes needs no prior; train one with configs/codes.yaml first"
        )
    blocks = {name: config.get(name) for name in ("model", "process", "codes")}
    try:
        settings = ScoreTaskConfig.model_validate({**blocks, "seed": seed})
    except ValidationError as error:
        raise CheckpointError(f"{path}: its configuration is of another version; train it again") from error
    assert settings.codes is not None
    codes = settings.codes.model_copy(update={"kl_weight": 0.0})  # a prior of its own comes next
    task = ScoreTask(settings.model_copy(update={"codes": codes}), max_steps=1)
    start_score_task(task, path)
    return task
