"""From a checkpoint to files: grids of samples, traversals of codes, metrics."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from discodock.errors import ConfigError
from discodock.images.data import open_images
from discodock.images.evaluation.evaluate import ImageEvaluationConfig, evaluate_images
from discodock.images.generate import GenerationConfig, load_generator, spread_labels
from discodock.images.png import write_grid

GRID_SIZE = 800  # pixels; small images are magnified up to this height or width


def write_samples(
    checkpoint: Path,
    num: int,
    columns: int,
    config: GenerationConfig,
    out: Path,
    *,
    device: str = "auto",
    label: int | None = None,
) -> Path:
    """Draw images and write `samples.png`, a grid, and `samples.npz`, as training and evaluation read them.

    Returns:
        The grid.

    Raises:
        CheckpointError, ConfigError: the checkpoint or a setting cannot be used.
    """
    generator = load_generator(checkpoint, pick_device(device))
    labels = spread_labels(num, generator.num_classes, label)
    images = generator.generate(labels, config)
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "samples.npz", images=images.permute(0, 2, 3, 1).numpy(), labels=labels.numpy())
    path = out / "samples.png"
    write_grid(images, columns, path, scale=_magnification(images.shape[-1] * columns))
    return path


def write_traversal(
    checkpoint: Path,
    images: Path | None,
    group: int,
    size: tuple[int, int],
    config: GenerationConfig,
    out: Path,
    *,
    device: str = "auto",
    resample: bool = False,
) -> Path:
    """Write `traversal_group<N>.png`: rows share the codes of one group, columns differ in all others.

    Args:
        checkpoint: checkpoint of a model with codes.
        images: images whose codes are taken.
        group: group of codes that is kept along a row.
        size: number of rows and of columns.
        config: sampler and seed.
        out: folder to write to.
        device: auto, cpu, cuda …
        resample: the other codes are drawn from the prior, given those that are kept; false: taken from other images.

    Raises:
        CheckpointError, ConfigError, InputError: something cannot be used.
    """
    if images is None:
        raise ConfigError("--group needs --images, an npz file or folder of images whose codes are taken")
    generator = load_generator(checkpoint, pick_device(device))
    source = open_images(images, generator.model.config.shape)
    rows, columns = size
    order = np.random.default_rng(config.seed).permutation(len(source))[: max(rows, columns)]
    pixels = source.batch(order.tolist()).images
    grid = generator.traversal(pixels, group, columns, config, resample=resample)[:rows]
    path = out / f"traversal_group{group}.png"
    write_grid(grid.flatten(0, 1), columns, path, scale=_magnification(grid.shape[-1] * columns))
    return path


def evaluate_checkpoint(checkpoint: Path, values: dict[str, Any], out: Path, *, device: str = "auto") -> dict[str, Any]:
    """Measure a model; see `evaluate_images`.

    Raises:
        CheckpointError, ConfigError, InputError: something cannot be used.
    """
    config = ImageEvaluationConfig.checked(values)
    return evaluate_images(load_generator(checkpoint, pick_device(device)), config, out)


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU if there is one.

    Raises:
        ConfigError: there is no such device.
    """
    if name == "auto":
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {name}: not available here; give auto or cpu") from error
    return device


def _magnification(pixels: int) -> int:
    """How wide a pixel may be, at most 3, for a grid of so many pixels."""
    return max(1, min(3, math.floor(GRID_SIZE / pixels)))
