"""Stage 1: learn the score of noisy poses, many noise draws to one receptor embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from discodock.data.batch import ComplexBatch, repeat_complexes
from discodock.diffusion.process import NoisyPose, PoseProcess, PoseProcessConfig
from discodock.geometry.topology import LigandTopology
from discodock.latents.dropout import drop_weights
from discodock.latents.posterior import CodeDraw, CodePosterior
from discodock.models.all_atom.score_model import ScoreModelConfig
from discodock.models.registry import AnyContext, AnyScoreModelConfig, make_code_encoder, make_score_model
from discodock.noise import Purpose
from discodock.tasks.codes import CodesConfig, kl_divergence
from discodock.tasks.redocking import RedockingConfig, redock
from discodock.training.optim import ParameterGroup
from discodock.training.task import Task, TaskConfig

COMPONENTS = ("tr", "rot", "tor")
NUM_TIME_BINS = 5


class ScoreTaskConfig(TaskConfig):
    """The score model, its diffusion process, and how they are trained."""

    model: AnyScoreModelConfig = Field(default_factory=ScoreModelConfig, description="kind and network sizes")
    codes: CodesConfig | None = Field(None, description="discrete codes, learned jointly; none: no codes")
    process: PoseProcessConfig = Field(default_factory=PoseProcessConfig, description="noise and loss weights")
    redocking: RedockingConfig = Field(default_factory=RedockingConfig, description="sampled poses in validation")
    poses_per_complex: int = Field(8, gt=0, description="noise draws that share one receptor embedding in a step")
    time_alpha: float = Field(1.5, gt=0, description="t ~ Beta(alpha, 1); above 1 favours high noise")
    independent_times: float = Field(
        0.0, ge=0, le=1, description="fraction of the poses whose components have times of their own (component_times)"
    )

    @model_validator(mode="after")
    def _times_fit_the_model(self) -> Self:
        has_times = isinstance(self.model, ScoreModelConfig) and self.model.component_times
        if self.independent_times > 0 and not has_times:
            raise ValueError("independent_times needs a model with component_times")
        return self

    @model_validator(mode="after")
    def _cutoff_follows_the_noise(self) -> Self:
        known = self.model.translation_sigmas
        if known not in (None, (self.process.tr.sigma_min, self.process.tr.sigma_max)):
            raise ValueError(f"tr_sigma_min and tr_sigma_max of the model, {known}, are not those of process.tr")
        return self


@dataclass(frozen=True)
class NoisyBatch:
    """Noised poses of a batch of complexes.

    Attributes:
        complexes: the batch.
        pose_complex: the complex of each pose, int64, shape (P,).
        t: times of the poses, shape (P,), or (P, 3) by component.
        topology: rotatable bonds and padding of each pose.
        noisy: positions and the kernel's score.
    """

    complexes: ComplexBatch
    pose_complex: Tensor
    t: Tensor
    topology: LigandTopology
    noisy: NoisyPose


class ScoreTask(Task):
    """Denoising score matching on the pose manifold (DiffDock, arXiv 2210.01776, section 4), with codes end to end."""

    def __init__(self, config: ScoreTaskConfig, max_steps: int) -> None:
        super().__init__(config, max_steps)
        self.config = config
        codes = config.codes
        self.model = make_score_model(config.model, None if codes is None else codes.layout)
        self.code_encoder = None if codes is None else make_code_encoder(codes.encoder, codes.layout)
        self.code_prior = None if codes is None else codes.joint_prior(config.model)
        if self.code_encoder is not None and self.has_frozen_encoder:
            self.code_encoder.requires_grad_(False).eval()
        self.process = PoseProcess(config.process)

    def train(self, mode: bool = True) -> Self:
        """As `nn.Module.train`, but a frozen encoder stays in evaluation mode, without dropout and batch statistics."""
        super().train(mode)
        if self.code_encoder is not None and self.has_frozen_encoder:
            self.code_encoder.eval()
        return self

    @property
    def has_frozen_encoder(self) -> bool:
        """Whether there is a code encoder that is left alone."""
        return self.config.codes is not None and self.config.codes.learning_rate_factor == 0

    def training_step(self, batch: ComplexBatch, batch_idx: int) -> Tensor:
        """Mean loss of `poses_per_complex` fresh noise draws of each complex, each with codes of its own."""
        generator = self.generator(Purpose.TRAINING, self.global_step)
        num_poses = batch.ligand_pos.shape[0] * self.config.poses_per_complex
        t = component_times(num_poses, self.config, generator).to(self.device)
        poses = self.perturb(batch, t, generator)
        with self.seeded(generator):
            drawn = self._training_codes(batch, poses, generator)
            context = self.model.encode(batch.receptor, batch.ligand)
            losses = self.losses(context, poses, self._keep_some(drawn, generator))
            kl = self._weighted_kl(batch, poses, drawn, generator)
        loss = torch.stack([losses[name] for name in COMPONENTS])
        process = self.config.process
        weights = loss.new_tensor([process.tr_weight, process.rot_weight, process.tor_weight])
        total = (weights * loss).sum()
        self.log_dict({f"train/{name}": value for name, value in zip(COMPONENTS, loss.detach(), strict=True)})
        self.log("train/loss", total.detach(), prog_bar=True)
        return total + kl

    def validation_step(self, batch: ComplexBatch, batch_idx: int) -> None:
        """Losses per component and fifth of the time axis, and redocking success; with codes also `val_oracle`.

        `val` is without codes; `val_oracle` has the same noise, and the codes that the encoder reads off the answer.
        """
        num_complexes = batch.ligand_pos.shape[0]
        generator = self.generator(Purpose.VALIDATION, batch_idx)
        code_generator = self.generator(Purpose.VALIDATION_CODES, batch_idx)
        context = self.model.encode(batch.receptor, batch.ligand)
        for time_bin in range(NUM_TIME_BINS):
            t = (time_bin + torch.rand(2 * num_complexes, generator=generator)) / NUM_TIME_BINS
            poses = self.perturb(batch, t.to(self.device), generator)
            self._log_losses("val", self.losses(context, poses), time_bin, num_complexes)
            if self.code_encoder is not None:
                drawn = self.draw_codes(batch, poses.pose_complex, code_generator)
                self._log_losses("val_oracle", self.losses(context, poses, drawn.weights), time_bin, num_complexes)
                self._log_codes(drawn.posterior, num_complexes)
                if self.code_prior is not None:
                    kl = kl_divergence(self.code_prior, batch, poses.pose_complex, drawn, code_generator)
                    self.log("val_codes/kl", kl, batch_size=num_complexes)
        if not self.trainer.sanity_checking and self.config.redocking.num_samples > 0:
            self._log_redocking("val", batch, batch_idx, None)
            if self.code_encoder is not None:
                pose_complex = repeat_complexes(batch, self.config.redocking.num_samples)
                drawn = self.draw_codes(batch, pose_complex, code_generator)
                self._log_redocking("val_oracle", batch, batch_idx, drawn.weights)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The score model, the encoder at a rate of its own, and the prior beside it."""
        groups = [ParameterGroup(list(self.model.parameters()))]
        if self.config.codes is not None and not self.has_frozen_encoder:
            assert self.code_encoder is not None
            groups.append(ParameterGroup(list(self.code_encoder.parameters()), self.config.codes.learning_rate_factor))
        if self.code_prior is not None:
            groups.append(ParameterGroup(list(self.code_prior.parameters())))
        return groups

    def perturb(self, batch: ComplexBatch, t: Tensor, generator: torch.Generator) -> NoisyBatch:
        """Noise len(t) poses, spread evenly over the batch's complexes."""
        num_complexes, num_conformers = batch.conformer_pos.shape[:2]
        pose_complex = repeat_complexes(batch, len(t) // num_complexes)
        conformer = torch.randint(num_conformers, (len(t),), generator=generator).to(self.device)
        topology = batch.ligand.topology.select(pose_complex)
        clean = batch.conformer_pos[pose_complex, conformer]
        noisy = self.process.perturb(clean, topology, t, generator)
        return NoisyBatch(batch, pose_complex, t, topology, noisy)

    def draw_codes(
        self, batch: ComplexBatch, pose_complex: Tensor, generator: torch.Generator, temperature: float = 1.0
    ) -> CodeDraw:
        """Encode the bound complexes once, and draw codes for each pose."""
        assert self.code_encoder is not None
        bound = self.code_encoder(batch.receptor, batch.ligand, batch.ligand_pos)
        return self.code_encoder.draw(bound, pose_complex, generator, temperature)

    def losses(
        self, context: AnyContext, poses: NoisyBatch, codes: tuple[Tensor, ...] | None = None
    ) -> dict[str, Tensor]:
        """Mean losses of noisy poses."""
        output = self.model(context, poses.noisy.pos, poses.pose_complex, poses.t, codes)
        losses = self.process.losses(output, poses.noisy.score, poses.topology, poses.t)
        tor = losses.tor.sum() / losses.has_tor.sum().clamp(min=1)
        return {"tr": losses.tr.mean(), "rot": losses.rot.mean(), "tor": tor}

    def _training_codes(self, batch: ComplexBatch, poses: NoisyBatch, generator: torch.Generator) -> CodeDraw | None:
        """Codes of each pose; None for a network without."""
        if self.config.codes is None:
            return None
        temperature = self.config.codes.temperature.temperature(self.global_step)
        return self.draw_codes(batch, poses.pose_complex, generator, temperature)

    def _keep_some(self, drawn: CodeDraw | None, generator: torch.Generator) -> tuple[Tensor, ...] | None:
        """Weights of the codes of each pose, some of them dropped; None for a network without."""
        if self.config.codes is None or drawn is None:
            return None
        num_poses, num_codes = len(drawn.weights[0]), len(drawn.weights)
        kept = self.config.codes.dropout.draw(num_poses, num_codes, generator, self.device)
        return drop_weights(drawn.weights, kept)

    def _weighted_kl(
        self, batch: ComplexBatch, poses: NoisyBatch, drawn: CodeDraw | None, generator: torch.Generator
    ) -> Tensor | float:
        """What the codes cost; 0 for a network without, or without a prior beside it."""
        if self.config.codes is None or drawn is None or self.code_prior is None:
            return 0.0
        kl = kl_divergence(self.code_prior, batch, poses.pose_complex, drawn, generator)
        self.log("train/kl", kl.detach())
        return self.config.codes.kl_weight * kl

    def _log_losses(self, prefix: str, losses: dict[str, Tensor], time_bin: int, batch_size: int) -> None:
        for name in COMPONENTS:
            self.log(f"{prefix}_bins/{name}_{time_bin}", losses[name], batch_size=batch_size)
            self.log(f"{prefix}/{name}", losses[name], batch_size=batch_size)

    def _log_codes(self, posterior: CodePosterior, batch_size: int) -> None:
        """Perplexity of the encoder's distribution of each code, and how many entries there are to choose from.

        Of codes with entries of their own also `nats`, what they tell of the complex; nodes differ between complexes.
        """
        assert self.code_encoder is not None
        entropy = posterior.entropy
        for index, (space, probs) in enumerate(zip(self.code_encoder.layout.spaces, posterior.probs, strict=True)):
            if space.num_entries is not None:
                self.log(f"val_codes/nats_{index}", posterior.information[index], batch_size=batch_size)
            self.log(f"val_codes/perplexity_{index}", entropy[:, index].exp().mean(), batch_size=batch_size)
            self.log(f"val_codes/entries_{index}", (probs > 0).sum(-1).float().mean(), batch_size=batch_size)

    def _log_redocking(
        self, prefix: str, batch: ComplexBatch, batch_idx: int, codes: tuple[Tensor, ...] | None
    ) -> None:
        """Success of sampled poses (B, num_samples), over samples and of the best sample."""
        rmsd = redock(self.model, self.process, batch, self.config.redocking, seed=batch_idx, codes=codes)
        self.log(f"{prefix}/sample_lt2", (rmsd < 2).float().mean(), batch_size=len(rmsd), prog_bar=True)
        self.log(f"{prefix}/oracle_lt2", (rmsd < 2).any(dim=1).float().mean(), batch_size=len(rmsd), prog_bar=True)
        self.log(f"{prefix}/sample_rmsd", rmsd.mean(), batch_size=len(rmsd))


def component_times(num: int, config: ScoreTaskConfig, generator: torch.Generator) -> Tensor:
    """Times of poses in training, shape (num,), or (num, 3) by component if some of them are independent."""
    shared = sample_times(num, config.time_alpha, generator)
    if config.independent_times == 0:
        return shared
    own = [sample_times(num, config.time_alpha, generator) for _ in COMPONENTS[1:]]
    is_own = torch.rand(num, generator=generator) < config.independent_times
    return torch.stack([shared, *(torch.where(is_own, each, shared) for each in own)], dim=-1)


def sample_times(num: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Beta(alpha, 1) times in random order, one from each of `num` equal parts of the distribution, shape (num,)."""
    uniform = (torch.randperm(num, generator=generator) + torch.rand(num, generator=generator)) / num
    return uniform ** (1 / alpha)
