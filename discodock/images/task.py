"""Stage one of images: learn to denoise, with codes learned end to end."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor

from discodock.images.data import ImageBatch
from discodock.images.edm import denoising_losses
from discodock.images.model import ImageModel, ImageModelConfig, to_unit_range
from discodock.latents.categorical import NULL_CODE
from discodock.latents.dropout import drop_weights
from discodock.latents.posterior import CodePosterior
from discodock.settings import Settings
from discodock.training.optim import OptimizerConfig, learning_rate_factor

FIRST_VALIDATION_DRAW = 1 << 40  # beyond all steps
VALIDATION_SIGMAS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)


class ImageTaskConfig(Settings):
    """The model and how it is trained."""

    model: ImageModelConfig = Field(
        default_factory=ImageModelConfig, description="settings of the model that is learned"
    )
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig, description="optimiser and schedule")
    class_dropout: float = Field(0.1, ge=0, le=1, description="probability of denoising an image without its class")
    seed: int = Field(0, description="seed of weights, noise and dropout, with step and process number")


class ImageTask(pl.LightningModule):
    """EDM's denoising loss; codes are drawn by the encoder from the clean image, in the same step."""

    def __init__(self, config: ImageTaskConfig, max_steps: int) -> None:
        super().__init__()
        self.config, self.max_steps = config, max_steps
        self.model = ImageModel(config.model)

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """Mean loss of one noise level and draw of codes per image."""
        generator = step_generator(self.config.seed, self.global_step, self.global_rank)
        clean = to_unit_range(batch.images)
        sigma = self.config.model.edm.draw_sigmas(len(clean), generator).to(self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        labels = drop_labels(batch.labels, self.config.class_dropout, generator)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(generator.initial_seed())  # of dropout, so that a resumed run repeats the whole one
            codes = self._training_codes(clean, generator)
            losses = denoising_losses(self.model.denoiser, clean, sigma, noise, labels, codes)
            loss = (losses * self.config.model.edm.monotonic_factor(sigma)).mean()
        self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: ImageBatch, batch_idx: int) -> None:
        """Loss by noise level, without codes (`val`) and with the encoder's (`val_oracle`), and what the codes tell."""
        generator = step_generator(self.config.seed, FIRST_VALIDATION_DRAW + batch_idx, self.global_rank)
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

    def configure_optimizers(self) -> Any:
        """AdamW with the trapezoidal schedule."""
        config, codes = self.config.optimizer, self.config.model.codes
        groups: list[dict[str, Any]] = [{"params": list(self.model.denoiser.parameters())}]
        if self.model.encoder is not None and codes is not None:
            rate = config.learning_rate * codes.learning_rate_factor
            groups.append({"params": list(self.model.encoder.parameters()), "lr": rate})
        return optimizer_with_schedule(groups, config, self.max_steps)

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


def step_generator(seed: int, draw: int, rank: int) -> torch.Generator:
    """A CPU stream of its own for each step and process, so that a resumed run repeats the uninterrupted one."""
    return torch.Generator().manual_seed(hash((seed, draw, rank)) % (1 << 63))


def drop_labels(labels: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Classes (B,), replaced by `NULL_CODE` with a probability."""
    dropped = torch.rand(len(labels), generator=generator).to(labels.device) < rate
    return torch.where(dropped, NULL_CODE, labels)


def optimizer_with_schedule(groups: list[dict[str, Any]], config: OptimizerConfig, max_steps: int) -> Any:
    """AdamW with the trapezoidal schedule, as Lightning takes it."""
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, max_steps, config))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
