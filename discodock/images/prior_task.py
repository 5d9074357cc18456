"""Stage two of images: learn the prior of the codes from the frozen encoder."""

from __future__ import annotations

from typing import Any, Self

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor

from discodock.images.data import ImageBatch
from discodock.images.model import ImageModel, to_unit_range
from discodock.images.prior import ImagePriorConfig, ImagePriorNetwork
from discodock.images.task import FIRST_VALIDATION_DRAW, drop_labels, optimizer_with_schedule, step_generator
from discodock.latents.posterior import CodeDraw
from discodock.settings import Settings
from discodock.training.optim import OptimizerConfig


class ImagePriorTaskConfig(Settings):
    """The prior and how it is trained."""

    prior: ImagePriorConfig = Field(default_factory=ImagePriorConfig, description="network sizes")
    num_classes: int = Field(0, ge=0, description="number of classes that the prior is conditioned on; 0: none")
    class_dropout: float = Field(0.1, ge=0, le=1, description="probability of predicting codes without the class")
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig, description="optimiser and schedule")
    seed: int = Field(0, description="seed of weights, draws and dropout, with step and process number")


class ImagePriorTask(pl.LightningModule):
    """Cross-entropy of all codes against the encoder's soft distribution; causal, so all in one call."""

    def __init__(self, config: ImagePriorTaskConfig, stage_one: ImageModel, max_steps: int) -> None:
        super().__init__()
        self.config, self.max_steps = config, max_steps
        self.stage_one = stage_one.requires_grad_(False)
        assert stage_one.layout is not None
        self.layout = stage_one.layout
        num_patches = stage_one.config.space.num_patches
        self.prior = ImagePriorNetwork(config.prior, self.layout, config.num_classes, num_patches)

    def train(self, mode: bool = True) -> Self:
        """As of modules; stage one always stays as it was trained."""
        super().train(mode)
        self.stage_one.eval()
        return self

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """Mean cross-entropy of all codes together, nats."""
        generator = step_generator(self.config.seed, self.global_step, self.global_rank)
        drawn = self.encode(batch.images, generator)
        labels = drop_labels(batch.labels, self.config.class_dropout, generator)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(generator.initial_seed())  # of dropout, so that a resumed run repeats the whole one
            loss = self.prior.prior(labels).cross_entropy(drawn.codes, drawn.posterior.probs).sum(dim=1).mean()
        self.log("train/nats", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: ImageBatch, batch_idx: int) -> None:
        """Cross-entropy in nats; `entropy` is the encoder's own, which no prior can beat, `uniform` knows nothing."""
        generator = step_generator(self.config.seed, FIRST_VALIDATION_DRAW + batch_idx, self.global_rank)
        drawn = self.encode(batch.images, generator)
        probs = drawn.posterior.probs
        nats = self.prior.prior(batch.labels).cross_entropy(drawn.codes, probs)
        size = len(batch.images)
        self.log("val/nats", nats.sum(dim=1).mean(), batch_size=size)
        self.log("val/entropy", drawn.posterior.entropy.sum(dim=1).mean(), batch_size=size)
        self.log("val/uniform", sum(float(torch.tensor(each.shape[1]).log()) for each in probs), batch_size=size)

    @torch.no_grad()
    def encode(self, images: Tensor, generator: torch.Generator) -> CodeDraw:
        """Codes of images (B, C, H, W), uint8, drawn by the frozen encoder."""
        return self.stage_one.code_posterior(to_unit_range(images)).draw(generator)

    def configure_optimizers(self) -> Any:
        """AdamW with the trapezoidal schedule."""
        groups = [{"params": list(self.prior.parameters())}]
        return optimizer_with_schedule(groups, self.config.optimizer, self.max_steps)
