"""The score stage: its settings, what it starts from, and what its file of weights holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator
from torch import Tensor

from discodock.checkpoint_file import part_of
from discodock.data.embeddings import EmbeddingStore
from discodock.data.module import ComplexDataModule, DataConfig
from discodock.errors import ConfigError
from discodock.models.checkpoint import (
    CODES_PART,
    PRIOR_PART,
    SCORE_PART,
    load_checkpoint,
    prefixed,
    save_checkpoint,
    start_from,
)
from discodock.models.registry import FAMILIES, Compilable
from discodock.tasks.score import ScoreTask, ScoreTaskConfig
from discodock.training.run import refuse_compile
from discodock.training.stage import StageConfig, run_stage

SCORE_WEIGHTS = "score.safetensors"


class ScoreStageConfig(StageConfig):
    """Everything that `discodock train score` needs; one YAML file."""

    data: DataConfig = Field(default_factory=DataConfig, description="prepared complexes and batches")
    task: ScoreTaskConfig = Field(default_factory=ScoreTaskConfig, description="model, noise, optimiser")
    start_from: Path | None = Field(None, description="weights (.safetensors) to start from instead of random ones")

    @model_validator(mode="after")
    def _can_be_compiled(self) -> Self:
        kind = self.task.model.kind
        if not FAMILIES[kind].can_compile:
            able = [name for name, family in FAMILIES.items() if family.can_compile]
            refuse_compile(self.run, f"for models of kind {' or '.join(able)}, not {kind}")
        return self


def train_score(config: ScoreStageConfig, folder: Path) -> Path:
    """Train the score model in `folder`, or go on where a killed run stopped.

    Returns:
        The file of the averaged weights, `folder/score.safetensors`.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        PreparedDataError, CheckpointError: the data or the weights to start from cannot be used.
    """
    weights = folder / SCORE_WEIGHTS

    def make_task() -> ScoreTask:
        task = ScoreTask(config.task, config.run.max_steps)
        if config.start_from is not None:
            start_score_task(task, config.start_from)
        if config.run.compile and isinstance(task.model, Compilable):
            task.model.compile_layers()
        return task

    def pack(task: ScoreTask, state: dict[str, Tensor], info: dict[str, Any]) -> None:
        blocks = {name: config.task.model_dump(mode="json")[name] for name in ("model", "process", "codes")}
        if task.code_prior is not None:
            blocks[PRIOR_PART] = task.code_prior.config.model_dump(mode="json")
        by_name = {
            **prefixed(SCORE_PART, part_of(state, "model")),
            **prefixed(CODES_PART, part_of(state, "code_encoder")),
            **prefixed(PRIOR_PART, part_of(state, "code_prior")),
        }
        info = {**info, "data": str(config.data.root)}
        if config.task.model.embedding_size:
            info["esm"] = EmbeddingStore(config.data.root).model
        save_checkpoint(weights, by_name, {k: v for k, v in blocks.items() if v is not None}, info)

    run_stage(config, folder, make_task, lambda task: score_data(config.data, task.config), pack)
    return weights


def score_data(config: DataConfig, task: ScoreTaskConfig) -> ComplexDataModule:
    """Batches as the kind of score model needs them.

    Raises:
        ConfigError: score model and code encoder want different batches.
    """
    model, encoder = task.model, None if task.codes is None else task.codes.encoder
    size = model.embedding_size
    if encoder is not None and encoder.embedding_size not in (0, size):
        raise ConfigError("task.codes.encoder.embedding_size is neither 0 nor task.model.embedding_size")
    return ComplexDataModule(config, whole_receptor=FAMILIES[model.kind].whole_receptor, embedding_size=size)


def start_score_task(task: ScoreTask, path: Path) -> None:
    """Begin with the weights of a file; what it lacks, such as a code encoder, keeps its initial values.

    Raises:
        CheckpointError: the file cannot be read, or its weights do not fit.
    """
    checkpoint = load_checkpoint(path)
    start_from(task.model, checkpoint.part(SCORE_PART), f"{path}: score model")
    encoder = checkpoint.part(CODES_PART)
    if task.code_encoder is not None and encoder:
        start_from(task.code_encoder, encoder, f"{path}: code encoder")
    prior = checkpoint.part(PRIOR_PART)
    if task.code_prior is not None and prior:
        start_from(task.code_prior, prior, f"{path}: prior")
