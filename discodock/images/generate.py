"""Sampling from a trained image model: codes from its prior, from images, or none, then denoising."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from discodock.errors import ConfigError
from discodock.images.checkpoint import load_images_checkpoint
from discodock.images.model import Guidance, ImageModel, to_pixels, to_unit_range
from discodock.images.networks.prior import ImagePriorNetwork
from discodock.images.sampler import SamplerConfig, sample
from discodock.images.stages import load_model, load_prior
from discodock.latents.categorical import NULL_CODE, Draws
from discodock.latents.code_sampling import CodeSampling
from discodock.latents.quasi_random import low_discrepancy_uniforms
from discodock.noise import Purpose, StreamNoise
from discodock.settings import Seed, Settings


class GenerationConfig(Settings):
    """How images are generated."""

    renamed = {"spread_codes": "quasi_random"}

    sampler: SamplerConfig = Field(default_factory=SamplerConfig, description="solver and number of steps")
    guidance: Guidance = Field(default_factory=Guidance, description="guidance by classes and codes")
    codes: CodeSampling = Field(default_factory=CodeSampling, description="temperature and top-p of the prior")
    quasi_random: bool = Field(
        False, description="draw codes of the prior from quasi-random numbers: fewer repeats than independent draws"
    )
    batch_size: int = Field(100, gt=0, description="images at a time; has no effect on the images")
    seed: Seed = Field(0, description="seed of codes and noise; every image has streams of its own")


@dataclass(frozen=True)
class ImageGenerator:
    """A trained model with what it needs to generate.

    Attributes:
        model: denoiser and encoder.
        prior: prior of the codes; None if there are no codes, or no prior was trained.
    """

    model: ImageModel
    prior: ImagePriorNetwork | None

    @property
    def num_classes(self) -> int:
        """Classes that the denoiser or the prior is told."""
        return max(self.model.config.num_classes, 0 if self.prior is None else self.prior.num_classes)

    @property
    def device(self) -> torch.device:
        """Where the networks are; images, labels and codes come from and go to the CPU."""
        return next(self.model.parameters()).device

    @torch.no_grad()
    def draw_prior_codes(self, labels: Tensor, config: GenerationConfig, known: Tensor | None = None) -> Tensor:
        """Codes for images of these classes; those of an image depend on the seed and its own number alone.

        Args:
            labels: classes, `NULL_CODE` for none, int64, shape (n,).
            config: settings of drawing codes.
            known: codes that are kept, null where they are to be drawn, int64, shape (n, num_codes); None draws all.

        Returns:
            int64, shape (n, num_codes).

        Raises:
            ConfigError: there is no prior.
        """
        prior = self._own_prior()

        def draw(numbers: Sequence[int]) -> Tensor:
            given = prior.prior(labels[list(numbers)].to(self.device))
            if known is not None:
                given = given.restricted(entries_allowed(known[list(numbers)], given.masks))
            noise: Draws = StreamNoise(config.seed, numbers, Purpose.CODES)
            if config.quasi_random:
                uniforms = low_discrepancy_uniforms(config.seed, numbers, given.layout.num_codes)
                noise = uniforms.float().to(self.device)
            return given.sample(len(numbers), noise, config.codes).codes.cpu()

        return torch.cat(_by_batch(draw, len(labels), config.batch_size))

    @torch.no_grad()
    def prior_log_prob(self, codes: Tensor, labels: Tensor, config: GenerationConfig) -> Tensor:
        """Log-probability of codes (n, num_codes) of images of these classes (n,), nats, shape (n,).

        Raises:
            ConfigError: there is no prior.
        """
        prior = self._own_prior()

        def measure(numbers: Sequence[int]) -> Tensor:
            rows = list(numbers)
            return prior.prior(labels[rows].to(self.device)).log_prob(codes[rows].to(self.device)).cpu()

        return torch.cat(_by_batch(measure, len(codes), config.batch_size))

    @torch.no_grad()
    def encode(self, images: Tensor, config: GenerationConfig) -> Tensor:
        """Codes that the encoder draws from images (n, C, H, W), uint8; int64, shape (n, num_codes).

        Raises:
            ConfigError: the model has no codes.
        """
        if self.model.layout is None:
            raise ConfigError("this model has no codes")

        def draw(numbers: Sequence[int]) -> Tensor:
            posterior = self.model.code_posterior(to_unit_range(images[list(numbers)].to(self.device)))
            return posterior.draw(StreamNoise(config.seed, numbers, Purpose.CODES)).codes.cpu()

        return torch.cat(_by_batch(draw, len(images), config.batch_size))

    @torch.no_grad()
    def denoise(
        self,
        labels: Tensor,
        codes: Tensor | None,
        config: GenerationConfig,
        on_step: Callable[[int, Tensor], None] | None = None,
        noise_numbers: Sequence[int] | None = None,
    ) -> Tensor:
        """Generate one image for each label.

        Args:
            labels: classes, `NULL_CODE` for none, int64, shape (n,).
            codes: hard codes, int64, shape (n, num_codes); None for none.
            config: sampler, guidance, seed.
            on_step: callback for the states of each batch, as `sample` passes them.
            noise_numbers: number of every image, which with the seed decides its noise; none: 0 ... n - 1.

        Returns:
            uint8, shape (n, C, H, W).
        """
        model, shape = self.model, self.model.config.shape
        streams = range(len(labels)) if noise_numbers is None else noise_numbers

        def draw(numbers: Sequence[int]) -> Tensor:
            rows = list(numbers)
            given = labels[rows].to(self.device)
            weights = None
            if codes is not None and model.layout is not None:
                weights = model.layout.one_hot(codes[rows].to(self.device), model.code_masks(self.device))

            def guided(x: Tensor, sigma: Tensor) -> Tensor:
                return model.guided(x, sigma, given, weights, config.guidance)

            noise = StreamNoise(config.seed, [streams[number] for number in numbers], Purpose.IMAGES)
            size = (len(rows), shape.channels, shape.size, shape.size)
            drawn = sample(guided, noise, size, config.sampler, model.config.edm, device=self.device, on_step=on_step)
            return to_pixels(drawn).cpu()

        return torch.cat(_by_batch(draw, len(labels), config.batch_size))

    def generate(self, labels: Tensor, config: GenerationConfig) -> Tensor:
        """Images (n, C, H, W), uint8, of these classes, with codes of the prior if the model has codes."""
        codes = None if self.model.layout is None else self.draw_prior_codes(labels, config)
        return self.denoise(labels, codes, config)

    def traversal(
        self, images: Tensor, group: int, num: int, config: GenerationConfig, *, resample: bool = False
    ) -> Tensor:
        """Images of `traversal_codes`, of no class; each row has one noise.

        Returns:
            uint8, shape (n, num, C, H, W).
        """
        codes = self.traversal_codes(images, group, num, config, resample=resample)
        numbers = [row for row in range(len(codes)) for _ in range(num)]
        nothing = torch.full((len(numbers),), NULL_CODE)
        drawn = self.denoise(nothing, codes.flatten(0, 1), config, noise_numbers=numbers)
        return drawn.unflatten(0, codes.shape[:2])

    def traversal_codes(
        self, images: Tensor, group: int, num: int, config: GenerationConfig, *, resample: bool = False
    ) -> Tensor:
        """Keep the codes of one group of each image, and vary all others.

        Args:
            images: uint8, shape (n, C, H, W).
            group: number of the group that is kept.
            num: variants of each image.
            config: settings of drawing codes.
            resample: the other codes are drawn from the prior, of no class, restricted to the codes that are kept. That
                is the conditional distribution given those of the first group; later ones it does not foresee, as
                `CodePrior.restricted` says. False takes the other codes from the `num` images that follow.

        Returns:
            int64, shape (n, num, num_codes); the first variant has all codes of its own image.

        Raises:
            ConfigError: there is no such group, or no prior to draw from.
        """
        groups = self.model.config.space.group_slices
        if not 0 <= group < len(groups):
            raise ConfigError(f"--group {group}: the model has groups 0 ... {len(groups) - 1}")
        codes, kept = self.encode(images, config), groups[group]
        count = len(codes)
        if not resample:
            donor = (torch.arange(count)[:, None] + torch.arange(num)) % count  # (n, num)
            mixed = codes[donor]
            mixed[:, :, kept] = codes[:, None, kept]
            return mixed
        known = torch.full_like(codes, NULL_CODE)
        known[:, kept] = codes[:, kept]
        nothing = torch.full((count * num,), NULL_CODE)
        drawn = self.draw_prior_codes(nothing, config, known.repeat_interleave(num, dim=0)).unflatten(0, (count, num))
        drawn[:, 0] = codes
        return drawn

    def _own_prior(self) -> ImagePriorNetwork:
        if self.prior is None:
            raise ConfigError("this checkpoint has no prior of the codes; train one with `discodock images prior`")
        return self.prior


def entries_allowed(known: Tensor, masks: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """For every code the entries that agree with what is known (B, num_codes), all for null codes; bool, (B, N_i)."""
    columns = zip(known.unbind(1), masks, strict=True)
    return tuple(
        (column[:, None] == NULL_CODE) | (column[:, None] == torch.arange(mask.shape[-1])) for column, mask in columns
    )


def load_generator(path: Path, device: torch.device) -> ImageGenerator:
    """The model of a file written by `discodock images train` or `prior`.

    Raises:
        CheckpointError: it cannot be used.
    """
    checkpoint = load_images_checkpoint(path)
    model = load_model(checkpoint, path).to(device).requires_grad_(False)
    prior = load_prior(checkpoint, model, path)
    return ImageGenerator(model, prior if prior is None else prior.to(device).requires_grad_(False))


def spread_labels(num: int, num_classes: int, only: int | None = None) -> Tensor:
    """Classes of `num` images: all in turn, or one of them; `NULL_CODE` if there are none.

    Raises:
        ConfigError: there is no such class.
    """
    if only is not None:
        if not 0 <= only < num_classes:
            raise ConfigError(f"--label {only}: the model is told one of {num_classes} classes")
        return torch.full((num,), only)
    if num_classes == 0:
        return torch.full((num,), NULL_CODE)
    return torch.arange(num) % num_classes


def _by_batch(draw: Callable[[Sequence[int]], Tensor], num: int, batch_size: int) -> list[Tensor]:
    return [draw(range(first, min(first + batch_size, num))) for first in range(0, num, batch_size)]
