"""The confidence stage: its settings, what it starts from, what its file of weights holds, and its calibration."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pydantic import Field
from torch import Tensor

from discodock.checkpoint_file import part_of
from discodock.data.poses import PoseDataConfig, PoseDataModule, whole_set
from discodock.errors import CheckpointError, PreparedDataError
from discodock.models.checkpoint import CONFIDENCE_PART, SCORE_PART, load_checkpoint, prefixed, save_checkpoint
from discodock.models.confidence.model import ConfidenceModel, read_confidence_config
from discodock.tasks.confidence import ConfidenceTask, ConfidenceTaskConfig, calibrate
from discodock.training.stage import StageConfig, run_stage

logger = logging.getLogger(__name__)

CONFIDENCE_WEIGHTS = "confidence.safetensors"


class ConfidenceStageConfig(StageConfig):
    """Everything that `discodock train confidence` needs; one YAML file."""

    data: PoseDataConfig = Field(default_factory=PoseDataConfig, description="docked complexes and batches")
    task: ConfidenceTaskConfig = Field(default_factory=ConfidenceTaskConfig, description="model, loss, optimiser")
    start_from: Path | None = Field(
        None, description="weights of a score model to start from, or of a confidence model to go on from; none: random"
    )


def train_confidence(config: ConfidenceStageConfig, folder: Path) -> Path:
    """Train the confidence model in `folder`, or go on where a killed run stopped; then calibrate it on val.

    Returns:
        The file of the averaged weights, `folder/confidence.safetensors`; not calibrated before training has ended.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        PreparedDataError, CheckpointError: the data or the weights to start from cannot be used.
    """
    weights = folder / CONFIDENCE_WEIGHTS

    def make_task() -> ConfidenceTask:
        task = ConfidenceTask(config.task, config.run.max_steps)
        if config.start_from is not None:
            start_confidence(task.model, config.start_from)
        if config.run.compile:
            task.model.compile_layers()
        return task

    def pack(task: ConfidenceTask, state: dict[str, Tensor], info: dict[str, Any]) -> None:
        blocks = {CONFIDENCE_PART: config.task.model.model_dump(mode="json")}
        info = {**info, "data": str(config.data.root)}
        save_checkpoint(weights, prefixed(CONFIDENCE_PART, part_of(state, "model")), blocks, info)

    task = run_stage(config, folder, make_task, lambda task: PoseDataModule(config.data), pack)
    if task.global_rank == 0:
        calibrate_file(weights, config.data)
    return weights


def start_confidence(model: ConfidenceModel, path: Path) -> None:
    """Begin with the weights of a file: of a confidence model if there is one in it, else of its score model.

    Raises:
        CheckpointError: the file cannot be read, or its networks have other sizes.
    """
    checkpoint = load_checkpoint(path)
    known = checkpoint.part(CONFIDENCE_PART) or model.from_score_model(checkpoint.part(SCORE_PART))
    own = model.state_dict()
    known = {name: value for name, value in known.items() if not name.startswith("ranking.")}  # fitted afresh
    if any(value.shape != own[name].shape for name, value in known.items() if name.startswith("pose_head.")):
        # Only this head, the last layers, depends on what is pooled; it begins afresh on the trained trunk.
        known = {name: value for name, value in known.items() if not name.startswith(("attention.", "pose_head."))}
    encoders = [name for name in own if name.startswith(("receptor_encoder.", "layers.0."))]
    if not all(name in known for name in encoders):
        raise CheckpointError(
            f"{path}: its score model does not fit; set the sizes of task.model as in its score model"
        )
    try:
        model.load_state_dict(known, strict=False)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: its confidence model does not fit; set the sizes of task.model as in it"
        ) from error


def calibrate_file(path: Path, data: PoseDataConfig) -> dict[str, float]:
    """Calibrate a confidence model on all validation complexes, and write it back.

    Args:
        path: file of the stage.
        data: settings of the data: the docked complexes.

    Returns:
        Figures of `tasks.confidence.calibrate`, which go into the file too.

    Raises:
        CheckpointError: the file cannot be read.
        PreparedDataError: there are no validation complexes, or all of their poses are near-native, or none.
    """
    checkpoint = load_checkpoint(path)
    config = read_confidence_config(checkpoint.config[CONFIDENCE_PART])
    task = ConfidenceTask(ConfidenceTaskConfig(model=config), 1)
    task.model.load_state_dict(checkpoint.part(CONFIDENCE_PART))
    val_root = data.val_root or data.root
    val = whole_set(val_root, "val")
    if len(val) == 0:
        raise PreparedDataError(f"{val_root}: no complex of the val split to calibrate on; set data.val_root")
    try:
        figures = calibrate(task.model, whole_set(data.root, "train"), val)
    except ValueError as error:
        raise PreparedDataError(f"{val_root}: {error}; collect more complexes") from None
    logger.info("calibrated: %s", ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    info = {**checkpoint.info, "calibration": figures}
    save_checkpoint(path, prefixed(CONFIDENCE_PART, task.model.state_dict()), checkpoint.config, info)
    return figures
