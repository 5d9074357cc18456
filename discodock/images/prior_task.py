"""Stage two of images: learn the prior of the codes from the frozen encoder."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from discodock.images.data import ImageBatch
from discodock.images.model import ImageModel, to_unit_range
from discodock.images.networks.prior import ImagePriorConfig, ImagePriorNetwork
from discodock.images.task import drop_labels
from discodock.latents.posterior import CodeDraw
from discodock.latents.prior import CodePrior
from discodock.training.optim import ParameterGroup
from discodock.training.prior_task import CodePriorTask
from discodock.training.task import TaskConfig


class ImagePriorTaskConfig(TaskConfig):
    """The prior and how it is trained."""

    prior: ImagePriorConfig = Field(default_factory=ImagePriorConfig, description="network sizes")
    num_classes: int = Field(0, ge=0, description="number of classes that the prior is conditioned on; 0: none")
    class_dropout: float = Field(0.1, ge=0, le=1, description="probability of predicting codes without the class")


class ImagePriorTask(CodePriorTask):
    """Cross-entropy of all codes against the encoder's soft distribution; causal, so all in one call."""

    stage_one: ImageModel

    def __init__(self, config: ImagePriorTaskConfig, stage_one: ImageModel, max_steps: int) -> None:
        super().__init__(config, stage_one, max_steps)
        self.config = config
        assert stage_one.layout is not None
        num_patches = stage_one.config.space.num_patches
        self.prior = ImagePriorNetwork(config.prior, stage_one.layout, config.num_classes, num_patches)

    @torch.no_grad()
    def draw(self, batch: ImageBatch, generator: torch.Generator) -> CodeDraw:
        """One draw of codes for each image."""
        return self.stage_one.code_posterior(to_unit_range(batch.images)).draw(generator)

    def training_nats(self, batch: ImageBatch, drawn: CodeDraw, generator: torch.Generator) -> Tensor:
        """Of all codes; some images are without their class."""
        labels = drop_labels(batch.labels, self.config.class_dropout, generator)
        with self.seeded(generator):
            prior = self.prior.prior(labels)
            return prior.cross_entropy(drawn.codes, drawn.posterior.probs).sum(dim=1).mean()

    def prior_of(self, batch: ImageBatch, generator: torch.Generator) -> CodePrior:
        """The prior of images of these classes."""
        return self.prior.prior(batch.labels)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The prior alone."""
        return [ParameterGroup(list(self.prior.parameters()))]
