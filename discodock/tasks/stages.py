"""The stages of training as functions: a checked configuration in, a run folder with weights out."""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor

from discodock.data.module import ComplexDataModule, DataConfig
from discodock.models.checkpoint import CODES_PART, SCORE_PART, load_checkpoint, prefixed, save_checkpoint, start_from
from discodock.settings import Settings
from discodock.tasks.score import ScoreTask, ScoreTaskConfig
from discodock.training.run import RunConfig, fit, write_config

logger = logging.getLogger(__name__)

SCORE_WEIGHTS = "score.safetensors"


class ScoreStageConfig(Settings):
    """Everything that `discodock train score` needs; one YAML file."""

    data: DataConfig = Field(default_factory=DataConfig, description="prepared complexes and batches")
    task: ScoreTaskConfig = Field(default_factory=ScoreTaskConfig, description="model, noise, optimiser")
    run: RunConfig = Field(default_factory=RunConfig, description="length, hardware, book-keeping")
    start_from: Path | None = Field(None, description="weights (.safetensors) to start from instead of random ones")


def train_score(config: ScoreStageConfig, folder: Path) -> Path:
    """Train the score model in `folder`, or go on where a killed run stopped.

    Returns:
        The file of the averaged weights, `folder/score.safetensors`.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        PreparedDataError, CheckpointError: the data or the weights to start from cannot be used.
    """
    resolved = config.model_dump(mode="json")
    write_config(folder, resolved)
    pl.seed_everything(config.task.seed, verbose=False)
    task = ScoreTask(config.task, config.run.max_steps)
    if config.start_from is not None:
        start_score_task(task, config.start_from)
    if config.run.compile:
        task.model.compile_layers()
    logger.info("%.2f M parameters, run folder %s", sum(p.numel() for p in task.parameters()) / 1e6, folder)
    weights = folder / SCORE_WEIGHTS

    def write(state: dict[str, Tensor], summary: dict[str, Any]) -> None:
        info = {**summary, "discodock": version("discodock"), "torch": torch.__version__, "data": str(config.data.root)}
        stored = {name: resolved["task"][name] for name in ("model", "process", "codes")}
        weights_by_part = {
            **prefixed(SCORE_PART, of_module(state, "model")),
            **prefixed(CODES_PART, of_module(state, "code_encoder")),
        }
        save_checkpoint(weights, weights_by_part, {k: v for k, v in stored.items() if v is not None}, info)

    fit(task, ComplexDataModule(config.data), folder, config.run, config.task.optimizer, write)
    return weights


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


def of_module(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The weights of one module of a task, by their names in it."""
    return {k.removeprefix(f"{name}."): value for k, value in state.items() if k.startswith(f"{name}.")}
