"""The mean of the weights of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from discodock.errors import CheckpointError
from discodock.models.checkpoint import load_checkpoint, save_checkpoint


def average_checkpoints(paths: Sequence[Path], out: Path) -> None:
    """The mean of the weights of runs that began with the same weights, often better than each of them.

    Source: Wortsman et al. 2022, "Model soups", arXiv 2203.05482.

    Args:
        paths: files of the same networks.
        out: the file to write, with the configuration of the first.

    Raises:
        CheckpointError: a file cannot be read, or holds other networks than the first.
    """
    first, *others = [load_checkpoint(path) for path in paths]
    shapes = {name: value.shape for name, value in first.weights.items()}
    for path, other in zip(paths[1:], others, strict=True):
        if {name: value.shape for name, value in other.weights.items()} != shapes:
            raise CheckpointError(f"{path}: holds other networks than {paths[0]}; average runs with the same settings")
    mean = {
        name: torch.stack([value.double(), *(other.weights[name].double() for other in others)]).mean(dim=0).to(value)
        for name, value in first.weights.items()
    }
    info = {str(path): found.info for path, found in zip(paths, (first, *others), strict=True)}
    save_checkpoint(out, mean, first.config, {"mean_of": info})
