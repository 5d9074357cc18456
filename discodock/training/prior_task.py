"""Stage two, whatever has codes: learn their prior from a frozen encoder."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from discodock.latents.posterior import CodeDraw
from discodock.latents.prior import CodePrior
from discodock.noise import Purpose
from discodock.training.task import FrozenStageOne


class CodePriorTask(FrozenStageOne):
    """Cross-entropy of a prior against the encoder's distribution of codes.

    Source: DisCo-Diff, arXiv 2407.03300, stage 2.
    """

    @abstractmethod
    def draw(self, batch: Any, generator: torch.Generator) -> CodeDraw:
        """Codes that the frozen encoder draws for the samples of a batch, without a gradient."""

    @abstractmethod
    def training_nats(self, batch: Any, drawn: CodeDraw, generator: torch.Generator) -> Tensor:
        """Estimate of the mean cross-entropy of all codes of a sample together, nats, a scalar with a gradient."""

    @abstractmethod
    def prior_of(self, batch: Any, generator: torch.Generator) -> CodePrior:
        """The prior of the samples of a batch, as in prediction."""

    def yardsticks(self, batch: Any, drawn: CodeDraw, prior: CodePrior) -> dict[str, Tensor]:
        """Further cross-entropies to compare with, by name, nats, shape (samples, num_codes) each."""
        return {}

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Cross-entropy of all codes together, nats."""
        generator = self.generator(Purpose.TRAINING, self.global_step)
        loss = self.training_nats(batch, self.draw(batch, generator), generator)
        self.log("train/nats", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Cross-entropy of each code in nats, next to what is possible and what is trivial.

        `entropy` is the encoder's own, which no prior can beat; `uniform` knows nothing.
        """
        generator = self.generator(Purpose.VALIDATION, batch_idx)
        drawn = self.draw(batch, generator)
        prior = self.prior_of(batch, generator)
        probs = drawn.posterior.probs
        uniform = [mask.expand(each.shape).sum(-1).log() for mask, each in zip(prior.masks, probs, strict=True)]
        figures = {
            "nats": prior.cross_entropy(drawn.codes, probs),
            "entropy": drawn.posterior.entropy,
            "uniform": torch.stack(uniform, dim=1),
            **self.yardsticks(batch, drawn, prior),
        }
        for name, values in figures.items():
            self.log(f"val/{name}", values.sum(dim=1).mean(), batch_size=len(values))
            for index, value in enumerate(values.mean(dim=0)):
                self.log(f"val_each/{name}_{index}", value, batch_size=len(values))
