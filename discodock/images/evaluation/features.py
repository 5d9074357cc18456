"""What images are compared by: features of Inception, or of a small classifier trained on the images themselves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from discodock.checkpoint_file import prefixed
from discodock.errors import CheckpointError, ConfigError, InputError
from discodock.images.checkpoint import (
    CLASSIFIER_PART,
    load_images_checkpoint,
    save_images_checkpoint,
)
from discodock.images.data import ImageSource
from discodock.images.model import to_unit_range
from discodock.images.networks.conditioning import ImageShape

logger = logging.getLogger(__name__)

Features = Callable[[Tensor], Tensor]
"""Images (n, C, H, W), uint8 -> features (n, F)."""

CLASSIFIER_CHANNELS: Final = 16
CLASSIFIER_FEATURES: Final = 64


class Classifier(nn.Module):
    """A small convolutional network; its last hidden layer gives 64 features."""

    def __init__(self, shape: ImageShape, num_classes: int) -> None:
        super().__init__()
        widths = [shape.channels, CLASSIFIER_CHANNELS, 2 * CLASSIFIER_CHANNELS, 4 * CLASSIFIER_CHANNELS]
        layers: list[nn.Module] = []
        for width_in, width_out in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(width_in, width_out, 3, stride=2, padding=1), nn.BatchNorm2d(width_out), nn.ReLU()]
        side = -(-shape.size // 8)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * side**2, CLASSIFIER_FEATURES))
        self.head = nn.Linear(CLASSIFIER_FEATURES, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Pixels (n, C, H, W), uint8 -> (n, 64)."""
        return self.body(to_unit_range(images))

    def forward(self, images: Tensor) -> Tensor:
        """Pixels (n, C, H, W), uint8 -> logits of the classes."""
        return self.head(F.relu(self.features(images)))


def train_classifier(
    source: ImageSource, shape: ImageShape, *, steps: int = 1500, batch_size: int = 128, seed: int = 0
) -> Classifier:
    """Learn the classes of a set of images.

    Raises:
        InputError: the images have no classes.
    """
    num_classes = int(source.labels.max(initial=-1)) + 1
    if num_classes < 2 or source.labels.min() < 0:
        raise InputError("a classifier needs images with classes; give labels, or --features inception")
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        classifier = Classifier(shape, num_classes)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        batch = source.batch(torch.randint(len(source), (batch_size,), generator=generator).tolist())
        loss = F.cross_entropy(classifier(batch.images), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    logger.info("classifier: %d steps of %d images, last loss %.3f", steps, batch_size, float(loss.detach()))
    return classifier.eval().requires_grad_(False)


@torch.no_grad()
def accuracy(classifier: Classifier, source: ImageSource, num: int = 2000) -> float:
    """Fraction of the first `num` images whose class is found."""
    batch = source.batch(range(min(num, len(source))))
    return float((classifier(batch.images).argmax(dim=1) == batch.labels).double().mean())


def save_classifier(path: Path, classifier: Classifier, shape: ImageShape, info: dict[str, object]) -> None:
    """Write a classifier to a file."""
    config = {CLASSIFIER_PART: {"shape": shape.model_dump(), "num_classes": classifier.head.out_features}}
    weights = prefixed(CLASSIFIER_PART, dict(classifier.state_dict()))
    save_images_checkpoint(path, weights, config, dict(info))


def load_classifier(path: Path, shape: ImageShape) -> Classifier:
    """Read a classifier.

    Raises:
        CheckpointError: the file holds none, or one for images of another shape.
    """
    checkpoint = load_images_checkpoint(path)
    settings = checkpoint.config.get(CLASSIFIER_PART)
    if settings is None or settings["shape"] != shape.model_dump():
        raise CheckpointError(f"{path}: holds no classifier of images of this shape; delete it to train one")
    classifier = Classifier(shape, settings["num_classes"])
    classifier.load_state_dict(checkpoint.part(CLASSIFIER_PART))
    return classifier.eval().requires_grad_(False)


def classifier_features(path: Path, source: ImageSource, shape: ImageShape) -> Features:
    """Features of the classifier in a file; if there is no such file, one is trained on the images and written."""
    if not path.is_file():
        logger.info("%s: no such file, so a classifier is trained on the training images", path)
        save_classifier(path, train_classifier(source, shape), shape, {"num_images": len(source)})
    return _in_batches(load_classifier(path, shape).features)


def inception_features(path: Path, source: ImageSource, shape: ImageShape) -> Features:
    """The 2,048 features of Inception v3 that published Fréchet distances are measured with.

    Raises:
        ConfigError: its package or its weights are not there, and cannot be fetched.
    """
    try:
        from torchmetrics.image.fid import NoTrainInceptionV3

        network = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:150]
        raise ConfigError(
            f"Inception cannot be loaded ({reason}): pip install 'discodock[images]' with access to its weights,"
            " or use --features classifier"
        ) from error
    return _in_batches(lambda images: network(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images))


def _in_batches(features: Features, batch_size: int = 500) -> Features:
    @torch.no_grad()
    def run(images: Tensor) -> Tensor:
        return torch.cat([features(part).flatten(1) for part in images.split(batch_size)])

    return run


FEATURES: Final[dict[str, Callable[[Path, ImageSource, ImageShape], Features]]] = {
    "classifier": classifier_features,
    "inception": inception_features,
}
"""Extractors by name, made from (file of the classifier, training images, shape of images)."""
