"""Files with the weights of docking networks, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from discodock import schema
from discodock.checkpoint_file import CheckpointFile, prefixed, read_checkpoint_file, start_from, write_checkpoint_file

__all__ = ["Checkpoint", "load_checkpoint", "pack_checkpoints", "prefixed", "save_checkpoint", "start_from"]

SCORE_PART = "model"
CODES_PART = "codes"
PRIOR_PART = "prior"
SITE_PART = "site"
CONFIDENCE_PART = "confidence"
"""Parts of a checkpoint: score model, code encoder, prior, site and confidence model, each with a block in `config`."""

SAMPLING_BLOCK = "sampling"
"""Block of `Checkpoint.config`: how codes are drawn from the prior, unless a user wants it otherwise."""


@dataclass(frozen=True)
class Checkpoint(CheckpointFile):
    """Weights of docking networks; `config` has a block for every part, and one for the `process`."""

    def part(self, name: str) -> dict[str, Tensor]:
        """Weights of one part by parameter name; empty if the file lacks it. Old files hold a bare score model."""
        if name == SCORE_PART and not any(key.startswith(f"{SCORE_PART}.") for key in self.weights):
            return self.weights
        return super().part(name)


def save_checkpoint(path: Path, weights: dict[str, Tensor], config: dict[str, Any], info: dict[str, Any]) -> None:
    """Write weights with their configuration, in one go."""
    metadata = {"format": "discodock", "schema_version": str(schema.SCHEMA_VERSION)}
    write_checkpoint_file(path, weights, config, info, metadata)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a file written by `save_checkpoint`.

    Raises:
        CheckpointError: missing, damaged, not a discodock checkpoint, or of another schema version.
    """
    version = str(schema.SCHEMA_VERSION)
    expected = {
        "format": ("discodock", "not a discodock checkpoint; give a file written by `discodock train`"),
        "schema_version": (
            version,
            f"written for data schema {{}}, this version reads {version}; use the discodock version that wrote it, or"
            " train again",
        ),
    }
    return Checkpoint(**vars(read_checkpoint_file(path, expected)))


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
