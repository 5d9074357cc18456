"""Images as files: reading any format Pillow knows, and writing grids as PNG. Pillow comes with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from torch import Tensor

from discodock.errors import InputError
from discodock.files import replacing
from discodock.input_files import InputKind, open_regular

IMAGE: Final = InputKind("image", "mend or remove it")


def read_image(path: Path, size: int, channels: int) -> np.ndarray:
    """The central square of an image, resized; uint8, shape (channels, size, size).

    Raises:
        InputError: the file is no image.
    """
    from PIL import Image

    try:
        with open_regular(path, IMAGE) as content, Image.open(content) as file:
            image = file.convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image ({error}); mend or remove it") from error
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    resized = image.resize((size, size), Image.Resampling.BOX if side >= 2 * size else Image.Resampling.BICUBIC, box)
    return np.asarray(resized, dtype=np.uint8).reshape(size, size, -1).transpose(2, 0, 1)


def write_grid(images: Tensor, columns: int, path: Path, *, scale: int = 1, gap: int = 2) -> None:
    """Write images (n, C, H, W), uint8, in rows of `columns`, `gap` white pixels apart, each pixel `scale` wide."""
    from PIL import Image

    num, channels, height, width = images.shape
    rows = -(-num // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), 255, dtype=np.uint8)
    for number, image in enumerate(images.cpu().numpy()):
        top, left = (number // columns) * (height + gap), (number % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    canvas = canvas.repeat(scale, axis=0).repeat(scale, axis=1)
    picture = Image.fromarray(canvas[..., 0] if channels == 1 else canvas)
    with replacing(path) as draft:
        picture.save(draft, format="PNG", optimize=True)
