"""Weights as safetensors with a readable configuration in the header; nothing is executed on loading."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from discodock.errors import CheckpointError
from discodock.files import write_atomically
from discodock.input_files import InputKind, open_regular, parse_json

logger = logging.getLogger(__name__)

CHECKPOINT: Final = InputKind("checkpoint", "give the path of a .safetensors file", CheckpointError)

PLAUSIBLE: Final = 128
"""Sizes of networks that are not doubted, whatever the weights are."""

FORMER_WEIGHT_NAMES: Final = ((re.compile(r"(\.heads\.\d+\.)first_look$"), r"\1distance_bias"),)
"""Names of parameters in files of earlier versions, as patterns, and what they are called now."""


@dataclass(frozen=True)
class CheckpointFile:
    """Weights and what they need to be understood.

    Attributes:
        weights: weights by part and parameter name, such as `model.readout.fields.weight`.
        config: settings of every part, as plain data.
        info: origin of the weights: step, code version, data, figures.
        sha256: SHA-256 of the file.
    """

    weights: dict[str, Tensor]
    config: dict[str, Any]
    info: dict[str, Any]
    sha256: str

    def part(self, name: str) -> dict[str, Tensor]:
        """Weights of one part by parameter name; empty if the file lacks it."""
        return part_of(self.weights, name)


def part_of(weights: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Weights of one part or module by their names in it."""
    return {k.removeprefix(f"{name}."): value for k, value in weights.items() if k.startswith(f"{name}.")}


def prefixed(name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of one part as they are named in a file."""
    return {f"{name}.{key}": value for key, value in weights.items()}


def start_from(module: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Load weights of an earlier network; parameters that it did not have keep their initial values, and are logged.

    Args:
        module: module to be trained on.
        weights: weights by parameter name.
        source: description of the weights, for messages.

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
        logger.info("%s: not in it, initialised afresh: %s", source, ", ".join(new))


def write_checkpoint_file(
    path: Path, weights: dict[str, Tensor], config: dict[str, Any], info: dict[str, Any], metadata: dict[str, str]
) -> None:
    """Write weights with their configuration, in one go.

    Args:
        path: the file.
        weights: weights by name.
        config: settings of every part, as plain data.
        info: origin of the weights, as plain data.
        metadata: further entries of the header; `format` names the kind of file.

    Raises:
        CheckpointError: the file cannot be written; what was there is still there.
    """
    header = {**metadata, "config": json.dumps(config), "info": json.dumps(info)}
    stored = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    try:
        write_atomically(path, save(stored, header))  # not save_file, whose files nobody else may read
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be written ({error}); make room, or choose another folder") from error


def read_checkpoint_file(path: Path, expected: dict[str, tuple[str, str]]) -> CheckpointFile:
    """Read a file written by `write_checkpoint_file`.

    Args:
        path: the file.
        expected: entries of the header with their expected values, each with the message about files that have another
            one; `{}` in that stands for the value found.

    Raises:
        CheckpointError: missing, damaged, or not the expected kind of file.
    """
    with open_regular(path, CHECKPOINT) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        with safe_open(path, framework="pt") as tensors:
            metadata = tensors.metadata() or {}
            weights = {_name_now(name): tensors.get_tensor(name) for name in tensors.keys()}
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error}); fetch or write it again") from error
    for entry, (value, complaint) in expected.items():
        if metadata.get(entry) != value:
            raise CheckpointError(f"{path}: {complaint.format(metadata.get(entry))}")
    try:
        config, info = dict(parse_json(metadata["config"])), dict(parse_json(metadata["info"]))
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: its configuration is damaged; fetch or write the checkpoint again") from error
    if (size := _implausible_size(config, weights)) is not None:
        raise CheckpointError(f"{path}: its configuration is damaged: {size} does not fit its weights; fetch it again")
    return CheckpointFile(weights, config, info, digest)


def _implausible_size(config: dict[str, Any], weights: dict[str, Tensor]) -> str | None:
    """A number of channels or layers far beyond any in the weights, which would take all memory; None if all are fine.

    Args:
        config: settings of all parts, as plain data.
        weights: weights by name.
    """
    largest = max([PLAUSIBLE, len(weights), *(max(each.shape, default=0) for each in weights.values())])
    pending = [config]
    while pending:
        for key, value in pending.pop().items():
            if isinstance(value, dict):
                pending.append(value)
            elif isinstance(value, int) and key.startswith("num_") and value > largest:
                return f"{key} {value}"
    return None


def _name_now(name: str) -> str:
    for earlier, now in FORMER_WEIGHT_NAMES:
        name = earlier.sub(now, name)
    return name
