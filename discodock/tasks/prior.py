"""Stage 2: learn the prior of the pose codes from a frozen encoder."""

from __future__ import annotations

from typing import Any, Self

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor

from discodock.data.batch import ComplexBatch, repeat_complexes
from discodock.diffusion.process import PoseProcess
from discodock.latents.code_sampling import CodeSampling
from discodock.latents.posterior import CodeDraw
from discodock.latents.prior import CodePrior, random_positions
from discodock.latents.registry import CodeLayout
from discodock.models.all_atom.code_prior import CodePriorConfig
from discodock.models.registry import AnyCodePriorConfig, make_code_prior
from discodock.settings import Settings
from discodock.tasks.code_baseline import CategoryBaseline
from discodock.tasks.codes import encode_unbound
from discodock.tasks.redocking import RedockingConfig, redock
from discodock.tasks.score import FIRST_VALIDATION_DRAW, ScoreTask, ScoreTaskConfig
from discodock.training.optim import OptimizerConfig, learning_rate_factor


class PriorTaskConfig(Settings):
    """The pose-code prior and how it is trained."""

    prior: AnyCodePriorConfig = Field(
        default_factory=CodePriorConfig, description="kind, that of the score model, and network sizes"
    )
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig, description="optimiser and schedule")
    draws_per_complex: int = Field(4, gt=0, description="draws of codes that share one receptor embedding in a step")
    from_score_model: bool = Field(
        True, description="start from what the score model has: encoders, or all but its heads; false: afresh"
    )
    frozen_steps: int = Field(0, ge=0, description="first steps, in which what the score model has stays as it is")
    encoder_learning_rate_factor: float = Field(
        0.3, ge=0, description="learning rate of what came from the score model over the rest's; 0: frozen"
    )
    sampling: CodeSampling = Field(
        default_factory=CodeSampling, description="settings of drawing codes at prediction, written along"
    )
    redocking: RedockingConfig = Field(
        default_factory=lambda: RedockingConfig(num_samples=0), description="sampled poses in validation"
    )
    seed: int = Field(0, description="seed of weights, draws and dropout, with step and process number")


class PriorTask(pl.LightningModule):
    """Cross-entropy of the prior against the encoder's soft distribution, one random code of every draw in a step.

    Source: DisCo-Diff, arXiv 2407.03300, stage 2.
    """

    def __init__(self, config: PriorTaskConfig, stage_one: ScoreTask, max_steps: int) -> None:
        super().__init__()
        self.config, self.max_steps = config, max_steps
        self.stage_one = stage_one.requires_grad_(False).eval()
        self.layout = layout_of(stage_one.config)
        self.prior = make_code_prior(config.prior, self.layout, stage_one.config.model)
        if config.encoder_learning_rate_factor == 0:
            for parameter in self.prior.split_parameters()[0]:
                parameter.requires_grad_(False)
        self.baseline = CategoryBaseline(self.layout)

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, but stage one stays in evaluation mode, without dropout and batch statistics."""
        super().train(mode)
        self.stage_one.eval()
        return self

    def training_step(self, batch: ComplexBatch, batch_idx: int) -> Tensor:
        """Estimated cross-entropy of all codes together, nats."""
        generator = self.stage_one.generator(self.global_step)
        pose_complex = repeat_complexes(batch, self.config.draws_per_complex)
        drawn = self.draw(batch, pose_complex, generator)
        positions = random_positions(len(pose_complex), self.layout.num_codes, generator).to(self.device)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(generator.initial_seed())  # of dropout, so that a resumed run repeats the whole one
            prior = self.prior_of(batch, encode_unbound(self.prior, batch), pose_complex, generator)
            each = prior.cross_entropy_at(drawn.codes, drawn.posterior.probs, positions)
        self.baseline.count(batch, pose_complex, drawn.posterior.probs, prior.masks)
        loss = self.layout.num_codes * each.mean()
        self.log("train/nats", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: ComplexBatch, batch_idx: int) -> None:
        """Cross-entropy of each code in nats, next to what is possible and what is trivial; now and then, redocking.

        `entropy` is the encoder's own, which no prior can beat; `uniform` and `marginal` know nothing of this complex.
        """
        num_complexes = batch.ligand_pos.shape[0]
        generator = self.stage_one.generator(FIRST_VALIDATION_DRAW + batch_idx)
        pose_complex = repeat_complexes(batch, self.config.draws_per_complex)
        drawn = self.draw(batch, pose_complex, generator)
        context = encode_unbound(self.prior, batch)
        prior = self.prior_of(batch, context, pose_complex, generator)
        probs = drawn.posterior.probs
        uniform = [mask.expand(each.shape).sum(-1).log() for mask, each in zip(prior.masks, probs, strict=True)]
        figures = {
            "nats": prior.cross_entropy(drawn.codes, probs),
            "entropy": drawn.posterior.entropy,
            "uniform": torch.stack(uniform, dim=1),
            "marginal": self.baseline.cross_entropy(batch, pose_complex, probs, prior.masks),
        }
        for name, values in figures.items():
            self.log(f"val/{name}", values.sum(dim=1).mean(), batch_size=num_complexes)
            for index, value in enumerate(values.mean(dim=0)):
                self.log(f"val_each/{name}_{index}", value, batch_size=num_complexes)
        if self.config.redocking.num_samples > 0 and not self.trainer.sanity_checking:
            self._log_redocking(batch, batch_idx, context)

    def configure_optimizers(self) -> Any:
        """AdamW with the trapezoidal schedule; what the score model has is slower, and frozen at first if so wished."""
        config = self.config.optimizer
        encoders, rest = self.prior.split_parameters()
        factor = self.config.encoder_learning_rate_factor
        groups: list[dict[str, Any]] = [{"params": rest}, {"params": encoders, "lr": factor * config.learning_rate}]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
        factors = [
            lambda step: learning_rate_factor(step, self.max_steps, config),
            lambda step: learning_rate_factor(step, self.max_steps, config) * (step >= self.config.frozen_steps),
        ]
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def prior_of(
        self, batch: ComplexBatch, context: Any, pose_complex: Tensor, generator: torch.Generator
    ) -> CodePrior:
        """The prior of draws that each have a conformer of random orientation and torsions."""
        conformer = unbound_conformers(self.stage_one.process, batch, pose_complex, generator)
        return self.prior.prior(context, pose_complex, conformer)

    @torch.no_grad()
    def draw(self, batch: ComplexBatch, pose_complex: Tensor, generator: torch.Generator) -> CodeDraw:
        """Codes from the frozen encoder."""
        return self.stage_one.draw_codes(batch, pose_complex, generator)

    def _log_redocking(self, batch: ComplexBatch, batch_idx: int, context: Any) -> None:
        """Success without codes, with codes of the prior, and with codes read off the answer, from the same noise."""
        config, task = self.config.redocking, self.stage_one
        pose_complex = repeat_complexes(batch, config.num_samples)
        generator = task.generator(FIRST_VALIDATION_DRAW + batch_idx)
        prior = self.prior_of(batch, context, pose_complex, generator)
        sample = prior.sample(len(pose_complex), generator, self.config.sampling)
        oracle = self.draw(batch, pose_complex, generator).weights
        codes_by_name = {"val": None, "val_prior": self.layout.one_hot(sample.codes, prior.masks), "val_oracle": oracle}
        for name, codes in codes_by_name.items():
            rmsd = redock(task.model, task.process, batch, config, seed=batch_idx, codes=codes)
            self.log(f"{name}/sample_lt2", (rmsd < 2).float().mean(), batch_size=len(rmsd))
            self.log(f"{name}/oracle_lt2", (rmsd < 2).any(dim=1).float().mean(), batch_size=len(rmsd))


def unbound_conformers(
    process: PoseProcess, batch: ComplexBatch, pose_complex: Tensor, generator: torch.Generator
) -> Tensor:
    """A conformer of each draw, without the torsions and orientation of the bound pose that it was matched to.

    Args:
        process: process that draws them afresh, as at t = 1.
        batch: the complexes.
        pose_complex: the complex of each draw, int64, shape (P,).
        generator: source of all random numbers.

    Returns:
        Å, shape (P, L, 3).
    """
    num_draws, num_conformers = len(pose_complex), batch.conformer_pos.shape[1]
    chosen = torch.randint(num_conformers, (num_draws,), generator=generator).to(pose_complex.device)
    matched, center = batch.conformer_pos[pose_complex, chosen], batch.ligand_pos.new_zeros(num_draws, 3)
    return process.prior_sample(matched, batch.ligand.topology.select(pose_complex), center, generator)


def layout_of(config: ScoreTaskConfig) -> CodeLayout:
    """The layout of a task that has codes."""
    assert config.codes is not None
    return config.codes.layout
