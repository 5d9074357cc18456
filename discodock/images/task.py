"""Stage one of images: learn to denoise, with codes learned end to end."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from discodock.images.data import ImageBatch
from discodock.images.edm import denoising_losses
from discodock.images.model import ImageModel, ImageModelConfig, to_unit_range
from discodock.latents.categorical import NULL_CODE
from discodock.latents.dropout import drop_weights
from discodock.latents.posterior import CodePosterior
from discodock.noise import Purpose
from discodock.training.optim import ParameterGroup
from discodock.training.task import Task, TaskConfig

VALIDATION_SIGMAS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)


class ImageTaskConfig(TaskConfig):
    """The model and how it is trained."""

    model: ImageModelConfig = Field(
        default_factory=ImageModelConfig, description="settings of the model that is learned"
    )
    class_dropout: float = Field(0.1, ge=0, le=1, description="probability of denoising an image without its class")


class ImageTask(Task):
    """EDM's denoising loss; codes are drawn by the encoder from the clean image, in the same step."""

    def __init__(self, config: ImageTaskConfig, max_steps: int) -> None:
        super().__init__(config, max_steps)
        self.config = config
        self.model = ImageModel(config.model)

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """Mean loss of one noise level and draw of codes per image."""
        generator = self.generator(Purpose.TRAINING, self.global_step)
        clean = to_unit_range(batch.images)
        sigma = self.config.model.edm.draw_sigmas(len(clean), generator).to(self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        labels = drop_labels(batch.labels, self.config.class_dropout, generator)
        with self.seeded(generator):
            codes = self._training_codes(clean, generator)
            losses = denoising_losses(self.model.denoiser, clean, sigma, noise, labels, codes)
            loss = (losses * self.config.model.edm.monotonic_factor(sigma)).mean()
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: ImageBatch, batch_idx: int) -> None:
        """Loss by noise level, without codes (`val`) and with the encoder's (`val_oracle`), and what the codes tell."""
        generator = self.generator(Purpose.VALIDATION, batch_idx)
        clean = to_unit_range(batch.images)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        codes_by_name: dict[str, tuple[Tensor, ...] | None] = {"val": None}
        if self.model.encoder is not None:
            posterior = self.model.code_posterior(clean)
            codes_by_name["val_oracle"] = posterior.draw(generator).weights
            self._log_codes(posterior, len(clean))
        for level in VALIDATION_SIGMAS:
            sigma = torch.full((len(clean),), level, device=self.device)
            for name, codes in codes_by_name.items():
                loss = denoising_losses(self.model.denoiser, clean, sigma, noise, batch.labels, codes).mean()
                self.log(f"{name}/loss", loss, batch_size=len(clean))
                self.log(f"{name}_bins/sigma_{level}", loss, batch_size=len(clean))

    def parameter_groups(self) -> list[ParameterGroup]:
        """The denoiser, and the encoder at a rate of its own."""
        groups, codes = [ParameterGroup(list(self.model.denoiser.parameters()))], self.config.model.codes
        if self.model.encoder is not None and codes is not None:
            groups.append(ParameterGroup(list(self.model.encoder.parameters()), codes.learning_rate_factor))
        return groups

    def _training_codes(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, ...] | None:
        """Codes of each image, some of them dropped; None for a model without."""
        config = self.config.model.codes
        if config is None:
            return None
        temperature = config.temperature.temperature(self.global_step)
        weights = self.model.code_posterior(clean).draw(generator, temperature).weights
        return drop_weights(weights, config.dropout.draw(len(clean), len(weights), generator, self.device))

    def _log_codes(self, posterior: CodePosterior, batch_size: int) -> None:
        """Bits per code that tell of the image, and perplexity that is left given the image."""
        entropy = posterior.entropy
        for number, nats in enumerate(posterior.information):
            self.log(f"val_codes/nats_{number}", nats, batch_size=batch_size)
            self.log(f"val_codes/perplexity_{number}", entropy[:, number].exp().mean(), batch_size=batch_size)


def drop_labels(labels: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Classes (B,), replaced by `NULL_CODE` with a probability."""
    dropped = torch.rand(len(labels), generator=generator).to(labels.device) < rate
    return torch.where(dropped, NULL_CODE, labels)
