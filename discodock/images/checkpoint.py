"""Files with the weights of image models, part by part."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from torch import Tensor

from discodock.checkpoint_file import CheckpointFile, read_checkpoint_file, write_checkpoint_file

FORMAT: Final = "discodock-images"
MODEL_PART: Final = "model"
PRIOR_PART: Final = "prior"
CLASSIFIER_PART: Final = "classifier"
"""Parts of a file, each with a block in its `config`."""


def save_images_checkpoint(
    path: Path, weights: dict[str, Tensor], config: dict[str, Any], info: dict[str, Any]
) -> None:
    """Write a file, in one go."""
    write_checkpoint_file(path, weights, config, info, {"format": FORMAT})


def load_images_checkpoint(path: Path) -> CheckpointFile:
    """Read a file written by `save_images_checkpoint`.

    Raises:
        CheckpointError: missing, damaged, or not weights of an image model.
    """
    complaint = "holds no image model; give a file written by `discodock images train`"
    return read_checkpoint_file(path, {"format": (FORMAT, complaint)})
