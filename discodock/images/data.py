"""Images from an npz file or a folder, and endless batches of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from discodock.errors import InputError
from discodock.images.networks.conditioning import ImageShape
from discodock.images.png import read_image
from discodock.input_files import InputKind, read_npz
from discodock.latents.categorical import NULL_CODE
from discodock.settings import Seed, Settings

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class ImageBatch(NamedTuple):
    """Images, uint8, shape (B, C, H, W), and their classes, `NULL_CODE` where there is none, int64, shape (B,)."""

    images: Tensor
    labels: Tensor


class ImageDataConfig(Settings):
    """Where the images are and how batches are drawn."""

    train: Path = Field(
        Path("mnist_train.npz"), description="npz file with `images` (and `labels`), or folder of images"
    )
    batch_size: int = Field(128, gt=0, description="images per step and process")
    num_val: int = Field(512, ge=0, description="images kept from training for validation, the same in every run")
    flip: bool = Field(False, description="mirror half of the training images left to right")
    num_workers: int = Field(0, ge=0, description="loader processes; 0 loads in the training process")
    seed: Seed = Field(0, description="seed of the order and of flips")


class ImageSource(ABC):
    """Images by number, all of one shape."""

    labels: np.ndarray
    """Class of each, -1 where there is none, int64."""
    class_names: tuple[str, ...]
    """By class."""

    @abstractmethod
    def image(self, idx: int) -> np.ndarray:
        """One image, uint8, shape (C, H, W)."""

    def __len__(self) -> int:
        """Number of images."""
        return len(self.labels)

    def batch(self, idx: Sequence[int]) -> ImageBatch:
        """Some of the images, in this order."""
        images = np.stack([self.image(int(i)) for i in idx])
        return ImageBatch(torch.from_numpy(images), torch.from_numpy(self.labels[np.asarray(idx)]))


NPZ_OF_IMAGES: Final = InputKind("npz of images", "give a file written by numpy.savez", max_bytes=2**36)


class ArrayImages(ImageSource):
    """Images of an npz file, in memory: `images` (n, H, W) or (n, H, W, C), uint8; `labels` (n,) if there are any."""

    def __init__(self, path: Path, shape: ImageShape) -> None:
        arrays = read_npz(path, NPZ_OF_IMAGES)
        if "images" not in arrays:
            raise InputError(f"{path}: has no array `images`; found: {', '.join(arrays) or 'nothing'}")
        images = arrays["images"]
        images = images[..., None] if images.ndim == 3 else images
        wanted = (shape.size, shape.size, shape.channels)
        if images.dtype != np.uint8 or images.shape[1:] != wanted:
            raise InputError(
                f"{path}: images are {images.dtype} of shape {images.shape[1:]}, the model takes uint8 {wanted};"
                " set task.model.shape"
            )
        self.images = images.transpose(0, 3, 1, 2)
        self.labels = arrays.get("labels", np.full(len(images), NULL_CODE)).astype(np.int64)
        if self.labels.shape != (len(images),):
            raise InputError(f"{path}: {len(images)} images, but labels of shape {self.labels.shape}")
        self.class_names = tuple(str(number) for number in range(int(self.labels.max(initial=-1)) + 1))

    def image(self, idx: int) -> np.ndarray:
        """See `ImageSource.image`."""
        return self.images[idx]

    def batch(self, idx: Sequence[int]) -> ImageBatch:
        """See `ImageSource.batch`."""
        rows = np.asarray(idx)
        return ImageBatch(torch.from_numpy(self.images[rows]), torch.from_numpy(self.labels[rows]))


class FolderImages(ImageSource):
    """Image files under a folder, read when they are needed, cropped to squares and resized.

    The first folder below the root is the class, in alphabetical order; files right in the root have no class.
    """

    def __init__(self, root: Path, shape: ImageShape) -> None:
        self.shape = shape
        self.paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not self.paths:
            raise InputError(f"{root}: holds no images; it takes {', '.join(SUFFIXES)}, in any sub-folders")
        names = [path.relative_to(root).parts[0] if path.parent != root else None for path in self.paths]
        self.class_names = tuple(sorted({name for name in names if name is not None}))
        number_by_name = {name: number for number, name in enumerate(self.class_names)}
        self.labels = np.array([NULL_CODE if n is None else number_by_name[n] for n in names], dtype=np.int64)

    def image(self, idx: int) -> np.ndarray:
        """See `ImageSource.image`."""
        return read_image(self.paths[idx], self.shape.size, self.shape.channels)


def open_images(path: Path, shape: ImageShape) -> ImageSource:
    """The images at a path: a folder, or an npz file.

    Raises:
        InputError: there is nothing, or nothing that fits the shape.
    """
    if path.is_dir():
        return FolderImages(path, shape)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; give an npz file or a folder of images")
    return ArrayImages(path, shape)


class ImageDataset(Dataset[ImageBatch]):
    """Chosen images of a source; a key is a number among them, or (number, whether to mirror it)."""

    def __init__(self, source: ImageSource, idx: np.ndarray) -> None:
        self.source, self.idx = source, idx

    def __len__(self) -> int:
        """Number of images."""
        return len(self.idx)

    def __getitem__(self, key: int | tuple[int, bool]) -> ImageBatch:
        """One image, as a batch of its own."""
        number, flips = key if isinstance(key, tuple) else (key, False)
        batch = self.source.batch([int(self.idx[number])])
        return ImageBatch(batch.images.flip(-1), batch.labels) if flips else batch


class EpochSampler(Sampler[tuple[int, bool]]):
    """Every image once an epoch in random order, the processes taking turns; what fills no batch of all is left out.

    Where it begins is asked of `count_taken`, the images that this process has used so far, so that a resumed run
    continues the same sequence in the middle of an epoch too.
    """

    def __init__(
        self,
        num_images: int,
        *,
        batch_size: int,
        flip: bool,
        seed: int,
        rank: int = 0,
        num_processes: int = 1,
        count_taken: Callable[[], int] = lambda: 0,
    ) -> None:
        self.num_images, self.batch_size, self.flip, self.seed = num_images, batch_size, flip, seed
        self.rank, self.num_processes, self.count_taken = rank, num_processes, count_taken

    def __len__(self) -> int:
        """Images of an epoch for this process, in whole batches."""
        return self.num_images // (self.num_processes * self.batch_size) * self.batch_size

    def __iter__(self) -> Iterator[tuple[int, bool]]:
        """The rest of the current epoch."""
        epoch, skip = divmod(self.count_taken(), len(self))
        generator = np.random.default_rng([self.seed, epoch])
        order = generator.permutation(self.num_images)
        flips = generator.random(self.num_images) < (0.5 if self.flip else 0.0)
        mine = slice(self.rank, len(self) * self.num_processes, self.num_processes)
        pairs = zip(order[mine].tolist(), flips[mine].tolist(), strict=True)
        return iter(list(pairs)[skip:])


class ImageDataModule(pl.LightningDataModule):
    """Batches for training, and a fixed part of the images for validation."""

    def __init__(self, config: ImageDataConfig, shape: ImageShape, num_classes: int) -> None:
        super().__init__()
        self.config, self.shape, self.num_classes = config, shape, num_classes

    def setup(self, stage: str | None = None) -> None:
        """Open the images and choose those for validation.

        Raises:
            InputError: there are too few of them, or more classes than the model knows.
        """
        source = open_images(self.config.train, self.shape)
        check_classes(source, self.num_classes, self.config.train)
        order = np.random.default_rng(0).permutation(len(source))
        if len(order) < self.config.num_val + self.config.batch_size * (self.trainer.world_size if self.trainer else 1):
            raise InputError(
                f"{self.config.train}: {len(order)} images are fewer than data.num_val + data.batch_size; lower them"
            )
        self.train_set = ImageDataset(source, order[self.config.num_val :])
        self.val_set = ImageDataset(source, order[: self.config.num_val])

    def train_dataloader(self) -> DataLoader[ImageBatch]:
        """Epochs of all training images, shared out among the processes."""
        config, trainer = self.config, self.trainer
        sampler = EpochSampler(
            len(self.train_set),
            batch_size=config.batch_size,
            flip=config.flip,
            seed=config.seed,
            rank=trainer.global_rank if trainer else 0,
            num_processes=trainer.world_size if trainer else 1,
            count_taken=lambda: trainer.global_step * config.batch_size if trainer else 0,
        )
        return self._loader(self.train_set, sampler)

    def val_dataloader(self) -> DataLoader[ImageBatch]:
        """The validation images, in order."""
        return self._loader(self.val_set, None)

    def _loader(self, dataset: ImageDataset, sampler: EpochSampler | None) -> DataLoader[ImageBatch]:
        return DataLoader(
            dataset,
            batch_size=self.config.batch_size,
            sampler=sampler,
            collate_fn=join_batches,
            drop_last=sampler is not None,
            num_workers=self.config.num_workers,
            persistent_workers=self.config.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )


def join_batches(batches: Sequence[ImageBatch]) -> ImageBatch:
    """One batch of several."""
    return ImageBatch(torch.cat([each.images for each in batches]), torch.cat([each.labels for each in batches]))


def check_classes(source: ImageSource, num_classes: int, path: Path) -> None:
    """Refuse images that do not have the classes that a model is told.

    Raises:
        InputError: a label is missing or too high.
    """
    if num_classes and (source.labels.min() < 0 or source.labels.max() >= num_classes):
        found = f"labels {source.labels.min()} ... {source.labels.max()}"
        raise InputError(f"{path}: {found}, but the model is told one of {num_classes} classes; set num_classes")
