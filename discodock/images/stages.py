"""The stages of image models: their settings, what they start from, and what their files of weights hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self, TypeVar

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
from discodock.images.networks.prior import ImagePriorConfig, ImagePriorNetwork
from discodock.images.prior_task import ImagePriorTask, ImagePriorTaskConfig
from discodock.images.task import ImageTask, ImageTaskConfig
from discodock.training.run import refuse_compile
from discodock.training.stage import StageConfig, run_stage

IMAGE_WEIGHTS = "images.safetensors"
PRIOR_WEIGHTS = "prior.safetensors"

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class ImageStageConfig(StageConfig):
    """Everything that `discodock images train` needs; one YAML file."""

    data: ImageDataConfig = Field(default_factory=ImageDataConfig, description="images and batches")
    task: ImageTaskConfig = Field(default_factory=ImageTaskConfig, description="model, noise, optimiser")
    start_from: Path | None = Field(
        None, description="weights (.safetensors) of a denoiser without codes, or with the same, to start from"
    )

    @model_validator(mode="after")
    def _codes_need_company(self) -> Self:
        if self.task.model.codes is not None and self.data.batch_size < 2:
            raise ValueError("codes are normalised over a batch: data.batch_size must be at least 2")
        return self


class ImagePriorStageConfig(StageConfig):
    """Everything that `discodock images prior` needs; one YAML file."""

    start_from: Path = Field(description="weights (.safetensors) of a model with codes; they are kept")
    data: ImageDataConfig = Field(default_factory=ImageDataConfig, description="images and batches")
    task: ImagePriorTaskConfig = Field(default_factory=ImagePriorTaskConfig, description="network, optimiser")

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
    weights = folder / IMAGE_WEIGHTS

    def make_task() -> ImageTask:
        task = ImageTask(config.task, config.run.max_steps)
        if config.start_from is not None:
            checkpoint = load_images_checkpoint(config.start_from)
            start_from(task.model, checkpoint.part(MODEL_PART), f"{config.start_from}: image model")
        if config.run.compile:
            task.model.denoiser.network.compile()
        return task

    def make_data(task: ImageTask) -> ImageDataModule:
        return ImageDataModule(config.data, config.task.model.shape, config.task.model.num_classes)

    def pack(task: ImageTask, state: dict[str, Tensor], info: dict[str, Any]) -> None:
        blocks = {MODEL_PART: config.task.model.model_dump(mode="json")}
        info = {**info, "data": str(config.data.train)}
        save_images_checkpoint(weights, prefixed(MODEL_PART, part_of(state, "model")), blocks, info)

    run_stage(config, folder, make_task, make_data, pack)
    return weights


def train_image_prior(config: ImagePriorStageConfig, folder: Path) -> Path:
    """Train the prior of the codes of `start_from` in `folder`, or go on where a killed run stopped.

    Returns:
        A file with everything of `start_from`, and the averaged weights of the prior: `folder/prior.safetensors`.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        InputError, CheckpointError: the images, or the weights to start from, cannot be used.
    """
    weights, checkpoint = folder / PRIOR_WEIGHTS, load_images_checkpoint(config.start_from)

    def make_task() -> ImagePriorTask:
        model = load_model(checkpoint, config.start_from)
        if model.encoder is None:
            raise CheckpointError(f"{config.start_from}: a model without codes needs no prior; give one with codes")
        return ImagePriorTask(config.task, model, config.run.max_steps)

    def make_data(task: ImagePriorTask) -> ImageDataModule:
        return ImageDataModule(config.data, task.stage_one.config.shape, config.task.num_classes)

    def pack(task: ImagePriorTask, state: dict[str, Tensor], info: dict[str, Any]) -> None:
        settings = {"network": config.task.prior.model_dump(mode="json"), "num_classes": config.task.num_classes}
        by_name = {**checkpoint.weights, **prefixed(PRIOR_PART, part_of(state, "prior"))}
        blocks = {**checkpoint.config, PRIOR_PART: settings}
        save_images_checkpoint(weights, by_name, blocks, {**checkpoint.info, PRIOR_PART: info})

    run_stage(config, folder, make_task, make_data, pack)
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
