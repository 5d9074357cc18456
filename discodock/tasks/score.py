"""Stage 1: learn the score of noised poses, many noise draws to one receptor embedding."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pydantic import Field
from torch import Tensor

from discodock.data.batch import ComplexBatch
from discodock.diffusion.noise import GeneratorNoise
from discodock.diffusion.process import PoseProcess, PoseProcessConfig
from discodock.models.score_model import ScoreModel, ScoreModelConfig
from discodock.settings import Settings
from discodock.tasks.redocking import RedockingConfig, encode, redock
from discodock.training.optim import OptimizerConfig, learning_rate_factor

COMPONENTS = ("tr", "rot", "tor")
NUM_TIME_BINS = 5


class ScoreTaskConfig(Settings):
    """The score model, its diffusion process, and how they are trained."""

    model: ScoreModelConfig = Field(default_factory=ScoreModelConfig, description="network sizes")
    process: PoseProcessConfig = Field(default_factory=PoseProcessConfig, description="noise and loss weights")
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig, description="optimiser and schedule")
    redocking: RedockingConfig = Field(default_factory=RedockingConfig, description="sampled poses in validation")
    poses_per_complex: int = Field(8, gt=0, description="noise draws that share one receptor embedding in a step")
    time_alpha: float = Field(1.5, gt=0, description="t ~ Beta(alpha, 1); above 1 favours high noise")
    seed: int = Field(0, description="of the noise, with step and process number")


class ScoreTask(pl.LightningModule):
    """Denoising score matching on the pose manifold (DiffDock, arXiv 2210.01776, section 4)."""

    def __init__(self, config: ScoreTaskConfig, max_steps: int) -> None:
        super().__init__()
        self.config, self.max_steps = config, max_steps
        self.model = ScoreModel(config.model)
        self.process = PoseProcess(config.process)

    def training_step(self, batch: ComplexBatch, batch_idx: int) -> Tensor:
        """Mean loss of `poses_per_complex` fresh noise draws of each complex."""
        generator = self._generator(self.global_step)
        num_poses = batch.ligand_pos.shape[0] * self.config.poses_per_complex
        t = sample_times(num_poses, self.config.time_alpha, generator).to(self.device)
        losses = self.losses(batch, t, generator)
        loss = torch.stack([losses[name] for name in COMPONENTS])
        weights = loss.new_tensor([getattr(self.config.process, f"{name}_weight") for name in COMPONENTS])
        total = (weights * loss).sum()
        self.log_dict({f"train/{name}": value for name, value in zip(COMPONENTS, loss.detach(), strict=True)})
        self.log("train/loss", total.detach(), prog_bar=True)
        return total

    def validation_step(self, batch: ComplexBatch, batch_idx: int) -> None:
        """Losses per component and fifth of the time axis; now and then, redocking success."""
        num_complexes = batch.ligand_pos.shape[0]
        generator = self._generator(-1 - batch_idx)
        for time_bin in range(NUM_TIME_BINS):
            t = (time_bin + torch.rand(2 * num_complexes, generator=generator)) / NUM_TIME_BINS
            losses = self.losses(batch, t.to(self.device), generator)
            for name in COMPONENTS:
                self.log(f"val_bins/{name}_{time_bin}", losses[name], batch_size=num_complexes)
                self.log(f"val/{name}", losses[name], batch_size=num_complexes)
        if not self.trainer.sanity_checking and self.config.redocking.num_samples > 0:
            rmsd = redock(self.model, self.process, batch, self.config.redocking, seed=batch_idx)  # (B, num_samples)
            self.log("val/sample_lt2", (rmsd < 2).float().mean(), batch_size=num_complexes, prog_bar=True)
            self.log("val/oracle_lt2", (rmsd < 2).any(dim=1).float().mean(), batch_size=num_complexes, prog_bar=True)
            self.log("val/sample_rmsd", rmsd.mean(), batch_size=num_complexes)

    def configure_optimizers(self) -> Any:
        """AdamW with the trapezoidal schedule."""
        config = self.config.optimizer
        optimizer = torch.optim.AdamW(self.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(step, self.max_steps, config)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def losses(self, batch: ComplexBatch, t: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Mean losses of len(t) noised poses, spread evenly over the batch's complexes."""
        num_complexes, num_conformers = batch.conformer_pos.shape[:2]
        pose_complex = torch.arange(num_complexes, device=self.device).repeat_interleave(len(t) // num_complexes)
        conformer = torch.randint(num_conformers, (len(t),), generator=generator).to(self.device)
        clean = batch.conformer_pos[pose_complex, conformer]
        topology = batch.topology.select(pose_complex)
        noised = self.process.perturb(clean, topology, t, GeneratorNoise(generator))
        output = self.model(encode(self.model, batch), noised.pos, pose_complex, t)
        losses = self.process.losses(output, noised.score, topology, t)
        tor = losses.tor.sum() / losses.has_tor.sum().clamp(min=1)
        return {"tr": losses.tr.mean(), "rot": losses.rot.mean(), "tor": tor}

    def _generator(self, draw: int) -> torch.Generator:
        """A CPU stream of its own for each step and process, so that a resumed run repeats the uninterrupted one."""
        seed = hash((self.config.seed, draw, self.global_rank)) % (1 << 63)
        return torch.Generator().manual_seed(seed)


def sample_times(num: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Beta(alpha, 1) times in random order, one from each of `num` equal parts of the distribution, shape (num,)."""
    uniform = (torch.randperm(num, generator=generator) + torch.rand(num, generator=generator)) / num
    return uniform ** (1 / alpha)
