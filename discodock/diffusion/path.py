"""Paths of the three pose components from noise to data, each with a time of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from discodock.diffusion.schedule import NoiseSchedule
from discodock.settings import Settings


class ComponentPath(Settings):
    """Diffusion time of one component as a function of the sampler's clock t: start * t ** exponent."""

    start: float = Field(1.0, gt=0, le=1, description="diffusion time at the start of sampling; 1 is pure noise")
    exponent: float = Field(1.0, gt=0, description="power of the clock; above 1 the component is denoised earlier")

    def time(self, t: Tensor) -> Tensor:
        """Diffusion times at clock readings `t` in [0, 1], in the shape of `t`."""
        return self.start * t.pow(self.exponent)


class PosePath(Settings):
    """Diffusion times of translation, rotation and torsions along a sampler's walk; all share one time by default.

    A network that was trained with independent times of the components can be walked along any path of them.

    Source: Bao et al. 2023, arXiv 2303.06555, who give each modality of an image-text pair a time of its own.
    """

    tr: ComponentPath = Field(default_factory=ComponentPath, description="path of the translation")
    rot: ComponentPath = Field(default_factory=ComponentPath, description="path of the rotation")
    tor: ComponentPath = Field(
        default_factory=ComponentPath,
        description="path of the torsions; with a start below 1 they begin near those of the conformer",
    )

    def times(self, t: Tensor) -> Tensor:
        """Diffusion times of the components at clock readings (P,), shape (P, 3)."""
        return torch.stack([self.tr.time(t), self.rot.time(t), self.tor.time(t)], dim=-1)


@dataclass(frozen=True)
class PathSchedule:
    """Noise schedule of a component along its path: what a solver sees of it over the clock.

    Attributes:
        schedule: noise levels over diffusion time.
        path: diffusion time over the clock.
    """

    schedule: NoiseSchedule
    path: ComponentPath

    def sigma(self, t: Tensor) -> Tensor:
        """Noise levels at clock readings `t`; Å or rad."""
        return self.schedule.sigma(self.path.time(t))

    def g2(self, t: Tensor) -> Tensor:
        """Squared diffusion coefficient d sigma^2 / dt with respect to the clock, by the chain rule."""
        path = self.path
        return self.schedule.g2(path.time(t)) * path.start * path.exponent * t.pow(path.exponent - 1)
