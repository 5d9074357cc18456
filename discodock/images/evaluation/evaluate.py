"""Evaluation of an image model: distances of generated from real images, curvature of the ODE, use of the codes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from discodock.errors import InputError
from discodock.files import write_json
from discodock.images.data import open_images
from discodock.images.evaluation.features import FEATURES, Features
from discodock.images.evaluation.metrics import fit_gaussian, frechet_distance, precision_recall
from discodock.images.generate import GenerationConfig, ImageGenerator, spread_labels
from discodock.images.sampler import total_turning
from discodock.latents.diagnostics import (
    NATS_PER_BIT,
    code_usage,
    joint_labels,
    mutual_information,
    shuffled_mutual_information,
)
from discodock.settings import Settings

logger = logging.getLogger(__name__)


class ImageEvaluationConfig(Settings):
    """What is measured, with how much effort."""

    train: Path = Field(description="training images: oracle codes, and the classifier if none is given")
    reference: Path = Field(description="real images to compare with; held-out ones measure generalisation too")
    num_samples: int = Field(2000, ge=10, description="generated images per number of steps, source of codes and seed")
    seeds: int = Field(1, ge=1, description="repetitions, each with other codes and noise")
    steps: tuple[int, ...] = Field((2, 3, 5, 9, 18), min_length=1, description="noise levels of the sampler")
    features: Literal["classifier", "inception"] = Field(
        "classifier", description="key of FEATURES: what images are compared by"
    )
    classifier: Path = Field(Path("classifier.safetensors"), description="file of the classifier; made if not there")
    sources: tuple[Literal["none", "oracle", "prior"], ...] = Field(
        ("none", "oracle", "prior"), min_length=1, description="sources of codes; those that a model lacks are left out"
    )
    curvature_samples: int = Field(200, ge=0, description="paths whose turning is measured; 0: none")
    curvature_steps: int = Field(64, ge=3, description="noise levels of those paths")
    generation: GenerationConfig = Field(default_factory=GenerationConfig, description="sampler and guidance")


@dataclass(frozen=True)
class RealImages:
    """Features and Gaussian of the reference, and the training images.

    Attributes:
        train: training images in a fixed random order, as many as are generated.
        train_labels: classes of the training images.
        reference_features: features of reference images in a fixed random order, shape (n, F).
        features: the extractor.
    """

    train: Tensor
    train_labels: Tensor
    reference_features: Tensor
    features: Features


def evaluate_images(generator: ImageGenerator, config: ImageEvaluationConfig, folder: Path) -> dict[str, Any]:
    """Measure a model and write `metrics.json`.

    Returns:
        What is written: `frechet` with one entry per source of codes (`none`, `oracle`, `prior`) and number of
        evaluations, `floor` (distance of real training images from the reference), `curvature` and `codes`.

    Raises:
        InputError, ConfigError, CheckpointError: images, extractor or classifier cannot be used.
    """
    real = load_real(generator, config)
    sources = {k: draw for k, draw in code_sources(generator, real).items() if k in config.sources}
    floor = compare(real.features(real.train), real.reference_features)
    results: dict[str, Any] = {
        "n": config.num_samples,
        "seeds": config.seeds,
        "features": config.features,
        "floor": floor,
        "parameters": parameter_counts(generator),
        "frechet": [],
    }
    for steps in config.steps:
        for name, draw in sources.items():
            row = measure_steps(generator, config, real, draw, steps)
            results["frechet"].append({"codes": name, **row})
            logger.info("%s codes, %d evaluations: Fréchet distance %.3f", name, row["evaluations"], row["distance"])
            write_json(folder / "metrics.json", results)
    if config.curvature_samples:
        results["curvature"] = {name: curvature(generator, config, real, draw) for name, draw in sources.items()}
    if generator.model.layout is not None:
        results["codes"] = describe_codes(generator, config, real)
    write_json(folder / "metrics.json", results)
    return results


Draw = Callable[[GenerationConfig], Tensor | None]
"""Codes of `num_samples` images, or None for none."""


def load_real(generator: ImageGenerator, config: ImageEvaluationConfig) -> RealImages:
    """Open the real images and the extractor.

    Raises:
        InputError: there are fewer images than are to be generated.
    """
    shape = generator.model.config.shape
    train, reference = open_images(config.train, shape), open_images(config.reference, shape)
    if len(train) < config.num_samples:
        raise InputError(f"{config.train}: {len(train)} images are fewer than --samples {config.num_samples}")
    features = FEATURES[config.features](config.classifier, train, shape)
    order = np.random.default_rng(1).permutation(len(train))[: config.num_samples]
    batch = train.batch(order.tolist())
    real = features(reference.batch(range(len(reference))).images)
    shuffled = torch.randperm(len(real), generator=torch.Generator().manual_seed(1))  # folders are sorted by class
    return RealImages(batch.images, batch.labels, real[shuffled.to(real.device)], features)


def code_sources(generator: ImageGenerator, real: RealImages) -> dict[str, Draw]:
    """Where codes come from: nowhere; read off training images; drawn from the prior."""
    sources: dict[str, Draw] = {"none": lambda config: None}
    if generator.model.layout is not None:
        sources["oracle"] = lambda config: generator.encode(real.train, config)
    if generator.prior is not None:
        labels = _labels(generator, real)
        sources["prior"] = lambda config: generator.draw_prior_codes(labels, config)
    return sources


def measure_steps(
    generator: ImageGenerator, config: ImageEvaluationConfig, real: RealImages, draw: Draw, steps: int
) -> dict[str, Any]:
    """Distance, precision and recall at one number of steps; means over seeds, and the distance of each seed."""
    sampler = config.generation.sampler.model_copy(update={"steps": steps})
    rows = []
    for seed in range(config.seeds):
        settings = config.generation.model_copy(
            update={"sampler": sampler, "seed": config.generation.seed + 1000 * seed}
        )
        images = generator.denoise(_labels(generator, real), draw(settings), settings)
        rows.append(compare(real.features(images), real.reference_features))
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return {
        "steps": steps,
        "evaluations": sampler.evaluations,
        **means,
        "distances": [row["distance"] for row in rows],
    }


def compare(features: Tensor, reference: Tensor) -> dict[str, float]:
    """Fréchet distance from all of the reference; precision and recall against as many of it as there are images.

    Args:
        features: features of images, shape (n, F).
        reference: features of real images in random order, shape (m, F).
    """
    distance = frechet_distance(fit_gaussian(features), fit_gaussian(reference))
    both = precision_recall(reference[: len(features)], features)
    return {"distance": distance, "precision": both.precision, "recall": both.recall}


def curvature(
    generator: ImageGenerator, config: ImageEvaluationConfig, real: RealImages, draw: Draw
) -> dict[str, float]:
    """Turning of the paths of the ODE in fine Heun steps, rad: mean, standard error over paths."""
    sampler = config.generation.sampler.model_copy(update={"steps": config.curvature_steps, "solver": "heun"})
    settings = config.generation.model_copy(update={"sampler": sampler})
    codes, num = draw(settings), config.curvature_samples
    states: list[list[Tensor]] = []

    def keep(step: int, state: Tensor) -> None:
        states.append([]) if step == 0 else None  # a new batch starts
        states[-1].append(state)

    generator.denoise(_labels(generator, real)[:num], None if codes is None else codes[:num], settings, keep)
    turning = torch.cat([total_turning(torch.stack(path)) for path in states])
    return {"mean": float(turning.mean()), "standard_error": float(turning.std() / len(turning) ** 0.5), "n": num}


def describe_codes(generator: ImageGenerator, config: ImageEvaluationConfig, real: RealImages) -> dict[str, Any]:
    """Usage of every code over training images, what it tells of the class, bits, and what all cost, prior's nats.

    What shuffled codes would tell is the bias of the estimate.
    """
    codes = generator.encode(real.train, config.generation)
    labels, space = real.train_labels, generator.model.config.space
    sizes = [len(mask) for mask in generator.model.code_masks(codes.device)]
    usage = [code_usage(column, size) for column, size in zip(codes.unbind(1), sizes, strict=True)]
    class_entropy = mutual_information(labels, labels)
    shuffles = torch.Generator().manual_seed(0)
    bias = [shuffled_mutual_information(column, labels, shuffles).mean() for column in codes.unbind(1)]
    result = {
        "used": [each.used for each in usage],
        "perplexity": [each.perplexity for each in usage],
        "class_entropy_bits": class_entropy / NATS_PER_BIT,
        "class_information_bits": [mutual_information(column, labels) / NATS_PER_BIT for column in codes.unbind(1)],
        "class_information_shuffled_bits": [float(each) / NATS_PER_BIT for each in bias],
        "distinct_combinations": [int(joint_labels(codes[:, part]).max()) + 1 for part in space.group_slices],
        "n": len(codes),
    }
    if generator.prior is not None:
        log_prob = generator.prior_log_prob(codes, _labels(generator, real), config.generation)
        result["prior_nats"] = -float(log_prob.mean())
    return result


def parameter_counts(generator: ImageGenerator) -> dict[str, int]:
    """Numbers of parameters by part."""
    parts = {"denoiser": generator.model.denoiser, "encoder": generator.model.encoder, "prior": generator.prior}
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items() if part is not None}


def _labels(generator: ImageGenerator, real: RealImages) -> Tensor:
    """Classes to generate: those of the training images whose codes the oracle takes, if the model knows classes."""
    if generator.num_classes:
        return real.train_labels
    return spread_labels(len(real.train), 0)
