"""Weights as safetensors with a readable configuration in the header; nothing is executed on loading."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from discodock import schema
from discodock.errors import CheckpointError

logger = logging.getLogger(__name__)

SCORE_PART = "model"
CODES_PART = "codes"
PRIOR_PART = "prior"
SITE_PART = "site"
CONFIDENCE_PART = "confidence"
"""Parts of a checkpoint: score model, code encoder, prior, site and confidence model, each with a block in `config`."""

SAMPLING_BLOCK = "sampling"
"""Block of `Checkpoint.config`: how codes are drawn from the prior, unless a user wants it otherwise."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights and what they need to be understood.

    Attributes:
        weights: by part and parameter name, such as `model.readout.fields.weight`.
        config: settings of every part, and of the `process`, as plain data.
        info: how the weights came to be: step, code version, data, figures.
        sha256: of the file.
    """

    weights: dict[str, Tensor]
    config: dict[str, Any]
    info: dict[str, Any]
    sha256: str

    def part(self, name: str) -> dict[str, Tensor]:
        """Weights of one part by parameter name; empty if the file lacks it. Old files hold a bare score model."""
        if name == SCORE_PART and not any(key.startswith(f"{SCORE_PART}.") for key in self.weights):
            return self.weights
        return {k.removeprefix(f"{name}."): value for k, value in self.weights.items() if k.startswith(f"{name}.")}


def prefixed(name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of one part as they are named in a checkpoint."""
    return {f"{name}.{key}": value for key, value in weights.items()}


def start_from(module: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Load weights of an earlier network; parameters that it did not have keep their initial values, and are logged.

    Args:
        module: to be trained on.
        weights: by parameter name.
        source: what the weights are, for messages.

    Raises:
        CheckpointError: a weight is unknown to the module or has another shape, or none is there at all.
    """
    own = module.state_dict()
    wrong = [k for k, value in weights.items() if k not in own or own[k].shape != value.shape]
    if wrong or not weights:
        problem = f"{wrong[0]} does not fit" if wrong else "it has no such weights"
        raise CheckpointError(f"{source}: cannot start from it, {problem}; give the sizes of its configuration")
    module.load_state_dict(weights, strict=False)
    new = sorted({".".join(key.split(".")[:4]) for key in own if key not in weights})
    if new:
        logger.info("%s: not in it, begun afresh: %s", source, ", ".join(new))


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


def pack_checkpoints(paths: Sequence[Path], out: Path) -> None:
    """Put the parts of several files into one, such as a score model with codes and a site model trained beside it.

    Args:
        paths: files written by the stages of training; of a part that several of them hold, the first file's is taken.
        out: the file to write.

    Raises:
        CheckpointError: a file cannot be read.
    """
    weights: dict[str, Tensor] = {}
    config: dict[str, Any] = {}
    info: dict[str, Any] = {}
    for path in paths:
        found = load_checkpoint(path)
        for part in [name for name in found.config if name not in config]:
            config[part] = found.config[part]
            weights |= prefixed(part, found.part(part))
        info[path.name] = found.info
    save_checkpoint(out, weights, config, info)
