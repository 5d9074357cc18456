"""Image weights as safetensors with a readable configuration in the header; nothing is executed on loading."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from discodock.errors import CheckpointError

FORMAT: Final = "discodock-images"
MODEL_PART: Final = "model"
PRIOR_PART: Final = "prior"
CLASSIFIER_PART: Final = "classifier"
"""Parts of a file, each with a block in `ImageCheckpoint.config`."""


@dataclass(frozen=True)
class ImageCheckpoint:
    """Weights and what they need to be understood.

    Attributes:
        weights: by part and parameter name, such as `model.encoder.readout`.
        config: settings of every part, as plain data.
        info: how the weights came to be: step, code version, data.
    """

    weights: dict[str, Tensor]
    config: dict[str, Any]
    info: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """Weights of one part by parameter name; empty if the file lacks it."""
        return {k.removeprefix(f"{name}."): value for k, value in self.weights.items() if k.startswith(f"{name}.")}


def prefixed(name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of one part as they are named in a file."""
    return {f"{name}.{key}": value for key, value in weights.items()}


def save_images_checkpoint(path: Path, checkpoint: ImageCheckpoint) -> None:
    """Write a file, under a temporary name first."""
    metadata = {"format": FORMAT, "config": json.dumps(checkpoint.config), "info": json.dumps(checkpoint.info)}
    tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.weights.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(tensors, temporary, metadata)
    temporary.replace(path)


def load_images_checkpoint(path: Path) -> ImageCheckpoint:
    """Read a file written by `save_images_checkpoint`.

    Raises:
        CheckpointError: missing, damaged, or not weights of an image model.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give the path of a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error}); fetch or write it again") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: holds no image model; give a file written by `discodock images train`")
    return ImageCheckpoint(weights, json.loads(metadata["config"]), json.loads(metadata["info"]))
