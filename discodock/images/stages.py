"""The stages of training image models as functions: a checked configuration in, a run folder with weights out."""

from __future__ import annotations

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypeVar

import pytorch_lightning as pl
import torch
from pydantic import Field, ValidationError, model_validator
from torch import Tensor, nn

from discodock.checkpoint_file import CheckpointFile, part_of, prefixed, start_from
from discodock.errors import CheckpointError
from discodock.images.checkpoint import (
    MODEL_PART,
    PRIOR_PART,
    load_images_checkpoint,
    save_images_checkpoint,
)
from discodock.images.data import ImageDataConfig, ImageDataModule
from discodock.images.model import ImageModel, ImageModelConfig
from discodock.images.prior import ImagePriorConfig, ImagePriorNetwork
from discodock.images.prior_task import ImagePriorTask, ImagePriorTaskConfig
from discodock.images.task import ImageTask, ImageTaskConfig
from discodock.settings import Settings
from discodock.training.run import RunConfig, fit, refuse_compile, write_config

logger = logging.getLogger(__name__)

IMAGE_WEIGHTS = "images.safetensors"
PRIOR_WEIGHTS = "prior.safetensors"

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class ImageStageConfig(Settings):
    """Everything that `discodock images train` needs; one YAML file."""

    data: ImageDataConfig = Field(default_factory=ImageDataConfig, description="images and batches")
    task: ImageTaskConfig = Field(default_factory=ImageTaskConfig, description="model, noise, optimiser")
    run: RunConfig = Field(default_factory=RunConfig, description="length, hardware, book-keeping")
    start_from: Path | None = Field(
        None, description="weights (.safetensors) of a denoiser without codes, or with the same, to start from"
    )

    @model_validator(mode="after")
    def _codes_need_company(self) -> Self:
        if self.task.model.codes is not None and self.data.batch_size < 2:
            raise ValueError("codes are normalised over a batch: data.batch_size must be at least 2")
        return self


class ImagePriorStageConfig(Settings):
    """Everything that `discodock images prior` needs; one YAML file."""

    start_from: Path = Field(description="weights (.safetensors) of a model with codes; they are kept")
    data: ImageDataConfig = Field(default_factory=ImageDataConfig, description="images and batches")
    task: ImagePriorTaskConfig = Field(default_factory=ImagePriorTaskConfig, description="network, optimiser")
    run: RunConfig = Field(default_factory=RunConfig, description="length, hardware, book-keeping")

    @model_validator(mode="after")
    def _cannot_be_compiled(self) -> Self:
        refuse_compile(self.run, "not for priors of codes")
        return self


def train_images(config: ImageStageConfig, folder: Path) -> Path:
    """Train a denoiser, with codes if so configured, in `folder`, or go on where a killed run stopped.

    Returns:
        The file of the averaged weights, `folder/images.safetensors`.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        InputError, CheckpointError: the images, or the weights to start from, cannot be used.
    """
    resolved = write_config(folder, config)
    pl.seed_everything(config.task.seed, verbose=False)
    task = ImageTask(config.task, config.run.max_steps)
    if config.start_from is not None:
        checkpoint = load_images_checkpoint(config.start_from)
        start_from(task.model, checkpoint.part(MODEL_PART), f"{config.start_from}: image model")
    if config.run.compile:
        task.model.denoiser.network.compile()
    _log_size(task.model, folder)
    weights = folder / IMAGE_WEIGHTS

    def write(state: dict[str, Tensor], summary: dict[str, Any]) -> None:
        info = {**summary, **_versions(), "data": str(config.data.train)}
        model = prefixed(MODEL_PART, part_of(state, "model"))
        save_images_checkpoint(weights, model, {MODEL_PART: resolved["task"]["model"]}, info)

    data = ImageDataModule(config.data, config.task.model.shape, config.task.model.num_classes)
    fit(task, data, folder, config.run, config.task.optimizer, write)
    return weights


def train_image_prior(config: ImagePriorStageConfig, folder: Path) -> Path:
    """Train the prior of the codes of `start_from` in `folder`, or go on where a killed run stopped.

    Returns:
        A file with everything of `start_from`, and the averaged weights of the prior: `folder/prior.safetensors`.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        InputError, CheckpointError: the images, or the weights to start from, cannot be used.
    """
    resolved = write_config(folder, config)
    pl.seed_everything(config.task.seed, verbose=False)
    checkpoint = load_images_checkpoint(config.start_from)
    model = load_model(checkpoint, config.start_from)
    if model.encoder is None:
        raise CheckpointError(f"{config.start_from}: a model without codes needs no prior; give one with codes")
    task = ImagePriorTask(config.task, model, config.run.max_steps)
    _log_size(task.prior, folder)
    weights = folder / PRIOR_WEIGHTS

    def write(state: dict[str, Tensor], summary: dict[str, Any]) -> None:
        settings = {"network": resolved["task"]["prior"], "num_classes": config.task.num_classes}
        by_name = {**checkpoint.weights, **prefixed(PRIOR_PART, part_of(state, "prior"))}
        info = {**checkpoint.info, PRIOR_PART: {**summary, **_versions()}}
        save_images_checkpoint(weights, by_name, {**checkpoint.config, PRIOR_PART: settings}, info)

    data = ImageDataModule(config.data, model.config.shape, config.task.num_classes)
    fit(task, data, folder, config.run, config.task.optimizer, write)
    return weights


def load_model(checkpoint: CheckpointFile, path: Path) -> ImageModel:
    """The denoiser, and the encoder if it has codes, of a file.

    Raises:
        CheckpointError: the file holds none, or one that does not fit its configuration.
    """
    try:
        model = ImageModel(ImageModelConfig.model_validate(checkpoint.config.get(MODEL_PART)))
    except ValidationError as error:
        raise CheckpointError(f"{path}: its configuration is of another version; train it again") from error
    return _load(model, checkpoint.part(MODEL_PART), path)


def load_prior(checkpoint: CheckpointFile, model: ImageModel, path: Path) -> ImagePriorNetwork | None:
    """The prior of the codes of a file; None if it has none.

    Raises:
        CheckpointError: it does not fit its configuration.
    """
    if PRIOR_PART not in checkpoint.config or model.layout is None:
        return None
    settings = checkpoint.config[PRIOR_PART]
    config = ImagePriorConfig.model_validate(settings["network"])
    network = ImagePriorNetwork(config, model.layout, settings["num_classes"], model.config.space.num_patches)
    return _load(network, checkpoint.part(PRIOR_PART), path)


def _load(module: ModuleT, weights: dict[str, Tensor], path: Path) -> ModuleT:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its weights do not fit its configuration; fetch or write it again") from error
    return module.eval()


def _log_size(module: nn.Module, folder: Path) -> None:
    logger.info("%.3f M parameters, run folder %s", sum(p.numel() for p in module.parameters()) / 1e6, folder)


def _versions() -> dict[str, str]:
    return {"discodock": version("discodock"), "torch": torch.__version__}
