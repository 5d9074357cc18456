"""The prior stage: its settings, what it starts from, and what its file of weights holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator
from torch import Tensor

from discodock.checkpoint_file import part_of
from discodock.data.module import ComplexDataModule, DataConfig
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
from discodock.tasks.prior import PriorTask, PriorTaskConfig
from discodock.tasks.score import ScoreTask, ScoreTaskConfig
from discodock.tasks.score_stage import score_data, start_score_task
from discodock.training.run import refuse_compile
from discodock.training.stage import StageConfig, run_stage

PRIOR_WEIGHTS = "prior.safetensors"


class PriorStageConfig(StageConfig):
    """Everything that `discodock train prior` needs; one YAML file."""

    start_from: Path = Field(description="weights (.safetensors) of a score model and its code encoder; they are kept")
    data: DataConfig = Field(default_factory=DataConfig, description="prepared complexes and batches")
    task: PriorTaskConfig = Field(default_factory=PriorTaskConfig, description="network, optimiser")

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
    weights, checkpoint = folder / PRIOR_WEIGHTS, load_checkpoint(config.start_from)

    def make_task() -> PriorTask:
        task = PriorTask(config.task, load_stage_one(config.start_from, config.task.seed), config.run.max_steps)
        if PRIOR_PART in checkpoint.config:
            start_from(task.prior, checkpoint.part(PRIOR_PART), f"{config.start_from}: prior")
        elif config.task.from_score_model:
            task.prior.load_state_dict(task.prior.from_score_model(checkpoint.part(SCORE_PART)), strict=False)
        return task

    def make_data(task: PriorTask) -> ComplexDataModule:
        return score_data(config.data, task.stage_one.config)

    def pack(task: PriorTask, state: dict[str, Tensor], info: dict[str, Any]) -> None:
        by_name = {**checkpoint.weights, **prefixed(PRIOR_PART, part_of(state, "prior"))}
        blocks = {
            PRIOR_PART: config.task.prior.model_dump(mode="json"),
            SAMPLING_BLOCK: config.task.sampling.model_dump(mode="json"),
        }
        save_checkpoint(weights, by_name, {**checkpoint.config, **blocks}, {**checkpoint.info, "prior": info})

    run_stage(config, folder, make_task, make_data, pack)
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
