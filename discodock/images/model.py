"""The image model of stage one: a denoiser, and with codes the encoder that infers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from discodock.images.edm import Denoiser, EDMConfig
from discodock.images.networks.conditioning import CodeGroup, CodeReaderConfig, ConditionSpace, ImageShape, code_masks
from discodock.images.networks.encoder import ImageEncoder, ImageEncoderConfig
from discodock.images.networks.registry import AnyNetworkConfig, make_network
from discodock.images.networks.unet import UNetConfig
from discodock.latents.categorical import NULL_CODE
from discodock.latents.dropout import CodeDropout
from discodock.latents.guidance import guided
from discodock.latents.posterior import CodePosterior
from discodock.latents.registry import CodeLayout
from discodock.latents.relaxation import TemperatureSchedule
from discodock.settings import Settings


class ImageCodesConfig(Settings):
    """The discrete codes of images, their encoder, and how both are trained."""

    groups: tuple[CodeGroup, ...] = Field((CodeGroup(),), min_length=1, description="codes, from coarse to fine")
    encoder: ImageEncoderConfig = Field(default_factory=ImageEncoderConfig, description="network sizes")
    reader: CodeReaderConfig | None = Field(
        None, description="transformer over the codes before the denoiser reads them; none: an embedding alone"
    )
    dropout: CodeDropout = Field(default_factory=CodeDropout, description="probabilities of hiding codes")
    temperature: TemperatureSchedule = Field(
        default_factory=TemperatureSchedule, description="temperature of the Gumbel-softmax's gradient"
    )
    learning_rate_factor: float = Field(0.1, gt=0, description="the encoder's learning rate over the denoiser's")


class ImageModelConfig(Settings):
    """Images, denoiser, encoder, and the conditions of the denoiser."""

    shape: ImageShape = Field(default_factory=ImageShape, description="shape of the images")
    num_classes: int = Field(0, ge=0, description="number of classes that the denoiser is conditioned on; 0: none")
    edm: EDMConfig = Field(default_factory=EDMConfig, description="noise levels")
    network: AnyNetworkConfig = Field(default_factory=UNetConfig, description="kind and size of the denoiser")
    codes: ImageCodesConfig | None = Field(None, description="discrete codes, learned jointly; none: no codes")

    @model_validator(mode="after")
    def _more_than_one_class(self) -> Self:
        if self.num_classes == 1:
            raise ValueError("num_classes 1 tells nothing; set it to 0, or to the number of classes")
        return self

    @property
    def space(self) -> ConditionSpace:
        """Classes and codes that the denoiser can be conditioned on."""
        if self.codes is None:
            return ConditionSpace(self.num_classes, ())
        num_patches = (self.shape.size // self.codes.encoder.patch_size) ** 2
        return ConditionSpace(self.num_classes, self.codes.groups, num_patches, self.codes.reader)


class Guidance(Settings):
    """Weights beyond what was trained, of classes and of codes; 0 is the model as it is, -1 ignores them."""

    classes: float = Field(0.0, ge=-1, description="weight of D(label, codes) - D(no label, codes)")
    codes: float = Field(0.0, ge=-1, description="weight of D(label, codes) - D(label, no codes)")


class ImageModel(nn.Module):
    """A denoiser D(x; sigma, label, codes) and, with codes, their encoder."""

    def __init__(self, config: ImageModelConfig) -> None:
        super().__init__()
        self.config = config
        self.denoiser = Denoiser(make_network(config.network, config.shape, config.space), config.edm.sigma_data)
        self.layout = config.space.layout
        self.encoder: ImageEncoder | None = None
        if config.codes is not None:
            self.encoder = ImageEncoder(config.codes.encoder, config.shape, self._own_layout())

    def code_posterior(self, images: Tensor) -> CodePosterior:
        """The encoder's distribution of the codes of clean images (B, C, H, W) in [-1, 1].

        Raises:
            ValueError: the model has no codes.
        """
        if self.encoder is None:
            raise ValueError("this model has no codes")
        return CodePosterior(self.encoder(images), self.code_masks(images.device))

    def code_masks(self, device: torch.device) -> tuple[Tensor, ...]:
        """The entries of every code, all true, shape (N_i,)."""
        return code_masks(self._own_layout(), self.config.space.num_patches, device)

    def guided(
        self,
        x: Tensor,
        sigma: Tensor,
        labels: Tensor | None,
        codes: Sequence[Tensor] | None,
        guidance: Guidance,
    ) -> Tensor:
        """D + w_class (D - D(no label)) + w_codes (D - D(no codes)); branches of weight zero are not computed.

        Source: Ho, Salimans 2022, arXiv 2207.12598, once for each condition.
        """
        conditioned = self.denoiser(x, sigma, labels, codes)
        by_class = by_codes = conditioned
        if labels is not None:
            no_labels = torch.full_like(labels, NULL_CODE)
            by_class = guided(lambda: conditioned, lambda: self.denoiser(x, sigma, no_labels, codes), guidance.classes)
        if codes is not None:
            by_codes = guided(lambda: conditioned, lambda: self.denoiser(x, sigma, labels, None), guidance.codes)
        return by_class + by_codes - conditioned

    def _own_layout(self) -> CodeLayout:
        if self.layout is None:
            raise ValueError("this model has no codes")
        return self.layout


def to_unit_range(images: Tensor) -> Tensor:
    """Pixels 0 ... 255 (uint8) -> [-1, 1] (float32)."""
    return images.float() / 127.5 - 1


def to_pixels(images: Tensor) -> Tensor:
    """[-1, 1], clipped -> nearest of 0 ... 255 (uint8)."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
