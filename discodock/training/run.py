"""A training run: one folder with configuration, logs, checkpoints and weights; a killed run goes on where it was."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pydantic import Field, ValidationError
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from discodock.config import dump_config, read_yaml
from discodock.errors import ConfigError
from discodock.files import remove_drafts
from discodock.settings import Settings
from discodock.training.callbacks import (
    AveragedWeights,
    ExportWeights,
    ProgressLog,
    SaveAtEnd,
    SessionTimer,
    WriteWeights,
)
from discodock.training.checkpoints import WholeCheckpoints
from discodock.training.optim import OptimizerConfig, moving_average

logger = logging.getLogger(__name__)

LAST_CHECKPOINT = Path("checkpoints/last.ckpt")
RUN_CONFIG = "config.yaml"
"""Files of a run."""


class RunConfig(Settings):
    """Length, hardware and book-keeping of a run."""

    max_steps: int = Field(20_000, gt=0, description="optimiser steps; the learning rate falls to 0 towards the last")
    max_hours: float | None = Field(None, gt=0, description="stop a session (and keep a checkpoint) after this time, h")
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = Field(
        "auto", description="accelerator, as in Lightning's Trainer"
    )
    devices: int | Literal["auto"] = Field("auto", description="processes (CPU) or GPUs per node")
    num_nodes: int = Field(1, gt=0, description="machines")
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = Field(
        "auto",
        description="strategy of several processes, as in Lightning's Trainer; auto: ddp if there is more than one",
    )
    precision: Literal["auto", "32-true", "16-mixed", "bf16-mixed"] = Field(
        "auto", description="auto: bf16-mixed on GPUs that have it, else 32-true"
    )
    threads: int = Field(1, gt=0, description="CPU threads of each process; one per core beats several on busy cores")
    compile: bool = Field(False, description="fuse the network's layers with torch.compile (needs a C++ compiler)")
    checkpoint_every: int = Field(500, gt=0, description="steps between checkpoints")
    validate_every: int = Field(2000, gt=0, description="steps between validations")
    log_every: int = Field(50, gt=0, description="steps between log lines")


def fit(
    task: pl.LightningModule,
    data: pl.LightningDataModule,
    folder: Path,
    config: RunConfig,
    optimizer: OptimizerConfig,
    write_weights: WriteWeights,
) -> None:
    """Train, or go on training, in a run folder.

    Args:
        task: the module to train.
        data: batches of the task.
        folder: folder of the run; holds `checkpoints/last.ckpt`, TensorBoard events, the exported weights, and
            `metrics.csv` of each session in `logs/version_N`.
        config: length and hardware.
        optimizer: gradient clipping and averaging.
        write_weights: callback for the averaged weights and a summary at every checkpoint.
    """
    torch.set_num_threads(config.threads)
    last = folder / LAST_CHECKPOINT
    trainer = pl.Trainer(
        max_steps=config.max_steps,
        accelerator=config.accelerator,
        devices=config.devices if config.devices != "auto" or config.accelerator != "cpu" else 1,
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        precision=resolve_precision(config),
        gradient_clip_val=optimizer.gradient_clip,
        val_check_interval=config.validate_every,
        check_val_every_n_epoch=None,
        log_every_n_steps=config.log_every,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=[CSVLogger(folder, name="logs"), TensorBoardLogger(folder, name="", version="tensorboard")],
        callbacks=_callbacks(folder, config, optimizer, write_weights),
        plugins=[WholeCheckpoints()],
    )
    if trainer.is_global_zero:
        remove_drafts(last.parent)
    if last.is_file():
        logger.info("going on from %s", last)
    try:
        trainer.fit(task, datamodule=data, ckpt_path=last if last.is_file() else None, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C, given after the checkpoint is written
        logger.info("interrupted at step %d; the same command goes on from there", trainer.global_step)
        raise KeyboardInterrupt from None


def resolve_precision(config: RunConfig) -> Any:
    """Lightning's precision for "auto": bf16 where the GPU has it, else float32."""
    if config.precision != "auto":
        return config.precision
    uses_gpu = config.accelerator in ("auto", "gpu") and torch.cuda.is_available()
    return "bf16-mixed" if uses_gpu and torch.cuda.is_bf16_supported() else "32-true"


def refuse_compile(run: RunConfig, reason: str) -> None:
    """For the validators of stages that have nothing to compile.

    Args:
        run: settings of the run.
        reason: reason, a text that goes on from "run.compile is".

    Raises:
        ValueError: it is to be compiled.
    """
    if run.compile:
        raise ValueError(f"run.compile is {reason}; set it to false")


def write_config(folder: Path, config: Settings) -> dict[str, Any]:
    """Write the resolved configuration of a run to `folder/config.yaml`, and return it as plain data.

    A run that goes on may change its length and hardware (`run`), nothing else. Settings that its version did not have
    yet count as their defaults.

    Raises:
        ConfigError: the folder holds a run with another configuration, or one that cannot be read.
    """
    path = folder / RUN_CONFIG
    resolved = config.model_dump(mode="json")
    if (folder / LAST_CHECKPOINT).is_file():
        given = read_yaml(path) if path.is_file() else {}
        try:
            given_now = {**given, "run": resolved["run"]}  # what runs may not have any more is no reason to stop
            began_with = type(config).model_validate(given_now).model_dump(mode="json")
        except ValidationError:
            began_with = {}
        changed = [key for key in resolved if key != "run" and resolved[key] != began_with.get(key)]
        if changed:
            raise ConfigError(
                f"{folder}: holds a run that began with another {changed[0]!r} block; give another --out, or delete it"
            )
    dump_config(config, path)
    return resolved


def _callbacks(
    folder: Path, config: RunConfig, optimizer: OptimizerConfig, write_weights: WriteWeights
) -> list[Callback]:
    checkpoint = ModelCheckpoint(
        dirpath=folder / LAST_CHECKPOINT.parent,
        filename="last",
        every_n_train_steps=config.checkpoint_every,
        save_top_k=1,
        enable_version_counter=False,
        save_on_exception=True,
    )
    ema = AveragedWeights(multi_avg_fn=moving_average(optimizer.ema_decay))
    # the order matters: the end is saved while the averaged weights are still apart from the current ones
    return [
        *([] if config.max_hours is None else [SessionTimer(timedelta(hours=config.max_hours))]),
        SaveAtEnd(folder / LAST_CHECKPOINT),
        ema,
        ExportWeights(write_weights),
        ProgressLog(config.max_steps, config.log_every),
        checkpoint,
    ]
