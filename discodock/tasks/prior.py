"""Stage 2: learn the prior of the pose codes from a frozen encoder."""

from __future__ import annotations

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
from discodock.noise import Purpose
from discodock.tasks.code_baseline import CategoryBaseline
from discodock.tasks.codes import encode_unbound
from discodock.tasks.redocking import RedockingConfig, redock
from discodock.tasks.score import ScoreTask, ScoreTaskConfig
from discodock.training.optim import ParameterGroup
from discodock.training.prior_task import CodePriorTask
from discodock.training.task import TaskConfig


class PriorTaskConfig(TaskConfig):
    """The pose-code prior and how it is trained."""

    prior: AnyCodePriorConfig = Field(
        default_factory=CodePriorConfig, description="kind, that of the score model, and network sizes"
    )
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


class PriorTask(CodePriorTask):
    """Cross-entropy of the prior against the encoder's soft distribution, one random code of every draw in a step."""

    stage_one: ScoreTask

    def __init__(self, config: PriorTaskConfig, stage_one: ScoreTask, max_steps: int) -> None:
        super().__init__(config, stage_one, max_steps)
        self.config = config
        self.layout = layout_of(stage_one.config)
        self.prior = make_code_prior(config.prior, self.layout, stage_one.config.model)
        if config.encoder_learning_rate_factor == 0:
            for parameter in self.prior.split_parameters()[0]:
                parameter.requires_grad_(False)
        self.baseline = CategoryBaseline(self.layout)

    @torch.no_grad()
    def draw(self, batch: ComplexBatch, generator: torch.Generator) -> CodeDraw:
        """`draws_per_complex` draws of codes for each complex."""
        return self.stage_one.draw_codes(batch, self._pose_complex(batch), generator)

    def training_nats(self, batch: ComplexBatch, drawn: CodeDraw, generator: torch.Generator) -> Tensor:
        """From one random code of every draw; DisCo-Diff's way of training."""
        probs, num_codes = drawn.posterior.probs, self.layout.num_codes
        positions = random_positions(len(drawn.codes), num_codes, generator).to(self.device)
        with self.seeded(generator):
            prior = self.prior_of(batch, generator)
            nats = num_codes * prior.cross_entropy_at(drawn.codes, probs, positions).mean()
        self.baseline.count(batch, self._pose_complex(batch), probs, prior.masks)
        return nats

    def prior_of(self, batch: ComplexBatch, generator: torch.Generator) -> CodePrior:
        """The prior of draws that each have a conformer of random orientation and torsions."""
        return self._prior(batch, self._pose_complex(batch), generator)

    def yardsticks(self, batch: ComplexBatch, drawn: CodeDraw, prior: CodePrior) -> dict[str, Tensor]:
        """`marginal`, of how often codes choose each category of node, whatever the complex."""
        probs = drawn.posterior.probs
        return {"marginal": self.baseline.cross_entropy(batch, self._pose_complex(batch), probs, prior.masks)}

    def validation_step(self, batch: ComplexBatch, batch_idx: int) -> None:
        """Cross-entropies, and redocking."""
        super().validation_step(batch, batch_idx)
        if self.config.redocking.num_samples > 0 and not self.trainer.sanity_checking:
            self._log_redocking(batch, batch_idx)

    def parameter_groups(self) -> list[ParameterGroup]:
        """What the score model has is slower than the rest, and frozen at first if so wished."""
        encoders, rest = self.prior.split_parameters()
        config = self.config
        return [
            ParameterGroup(rest),
            ParameterGroup(encoders, config.encoder_learning_rate_factor, config.frozen_steps),
        ]

    def _pose_complex(self, batch: ComplexBatch) -> Tensor:
        return repeat_complexes(batch, self.config.draws_per_complex)

    def _prior(self, batch: ComplexBatch, pose_complex: Tensor, generator: torch.Generator) -> CodePrior:
        context = encode_unbound(self.prior, batch)
        conformer = unbound_conformers(self.stage_one.process, batch, pose_complex, generator)
        return self.prior.prior(context, pose_complex, conformer)

    def _log_redocking(self, batch: ComplexBatch, batch_idx: int) -> None:
        """Success without codes, with codes of the prior, and with codes read off the answer, from the same noise."""
        config, task = self.config.redocking, self.stage_one
        pose_complex = repeat_complexes(batch, config.num_samples)
        generator = self.generator(Purpose.VALIDATION, batch_idx)
        prior = self._prior(batch, pose_complex, generator)
        sample = prior.sample(len(pose_complex), generator, self.config.sampling)
        oracle = task.draw_codes(batch, pose_complex, generator).weights
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
