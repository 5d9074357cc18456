"""Weights as safetensors with a readable configuration in the header; nothing is executed on loading."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from discodock import schema
from discodock.errors import CheckpointError


@dataclass(frozen=True)
class Checkpoint:
    """Weights and what they need to be understood.

    Attributes:
        weights: by parameter name.
        config: `model` and `process` settings, as plain data.
        info: how the weights came to be: step, code version, data, figures.
        sha256: of the file.
    """

    weights: dict[str, Tensor]
    config: dict[str, Any]
    info: dict[str, Any]
    sha256: str


def save_checkpoint(path: Path, weights: dict[str, Tensor], config: dict[str, Any], info: dict[str, Any]) -> None:
    """Write weights with their configuration, under a temporary name first."""
    metadata = {
        "format": "discodock",
        "schema_version": str(schema.SCHEMA_VERSION),
        "config": json.dumps(config),
        "info": json.dumps(info),
    }
    temporary = path.with_name(path.name + ".tmp")
    save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, temporary, metadata)
    temporary.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a file written by `save_checkpoint`.

    Raises:
        CheckpointError: missing, damaged, not a discodock checkpoint, or of another schema version.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give the path of a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error}); fetch or write it again") from error
    if metadata.get("format") != "discodock":
        raise CheckpointError(f"{path}: not a discodock checkpoint; give a file written by `discodock train`")
    if metadata.get("schema_version") != str(schema.SCHEMA_VERSION):
        raise CheckpointError(
            f"{path}: written for data schema {metadata.get('schema_version')}, this version reads"
            f" {schema.SCHEMA_VERSION}; use the discodock version that wrote it, or train again"
        )
    try:
        config, info = json.loads(metadata["config"]), json.loads(metadata["info"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: its configuration is damaged; fetch or write the checkpoint again") from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Checkpoint(weights, config, info, digest)
