"""The diffusion of images: noise, preconditioning and loss of EDM.

Source: Karras, Aittala, Aila, Laine 2022, "Elucidating the design space of diffusion-based generative models",
arXiv 2206.00364; symbols are spelled as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from discodock.diffusion.schedule import NoiseSchedule
from discodock.settings import Settings


class EDMConfig(Settings):
    """Noise levels in training and sampling, for data scaled to [-1, 1]; the defaults are those of the paper."""

    sigma_data: float = Field(0.5, gt=0, description="standard deviation of the data")
    P_mean: float = Field(-1.2, description="mean of ln sigma in training")
    P_std: float = Field(1.2, gt=0, description="standard deviation of ln sigma in training")
    sigma_min: float = Field(0.002, gt=0, description="lowest noise level of sampling; below it, one denoising step")
    sigma_max: float = Field(80.0, gt=0, description="noise level at which sampling starts")
    is_monotonic: bool = Field(
        False, description="hold the weight of the loss at its peak for all higher noise levels, as VDM++ does"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_max <= self.sigma_min:
            raise ValueError(f"sigma_max {self.sigma_max} must be above sigma_min {self.sigma_min}")
        return self

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise levels of sampling as a schedule that solvers walk."""
        return NoiseSchedule(sigma_min=self.sigma_min, sigma_max=self.sigma_max)

    def draw_sigmas(self, num: int, generator: torch.Generator) -> Tensor:
        """Noise levels of training, ln sigma ~ N(P_mean, P_std^2), shape (num,). Source: table 1."""
        normal = torch.randn(num, generator=generator, device=generator.device)
        return (self.P_mean + self.P_std * normal).exp()

    def monotonic_factor(self, sigma: Tensor) -> Tensor:
        """By what the loss at each of `sigma` is multiplied: 1 up to the peak of its weight, peak / weight above.

        The weight is that of the error of the noise per unit of ln sigma, which the density of training's noise levels
        has a part in: w(sigma) = N(ln sigma; P_mean, P_std^2) (sigma^2 + sigma_data^2). All ones unless `is_monotonic`.

        Source: "EDM-monotonic" of Kingma, Gao 2023, arXiv 2303.00848, section 5.
        """
        if not self.is_monotonic:
            return torch.ones_like(sigma)
        grid = torch.linspace(-10.0, 10.0, 2001, dtype=torch.float64, device=sigma.device)
        peak = grid[self._log_weight(grid).argmax()]
        log_sigma = sigma.double().log()
        gain = self._log_weight(peak) - self._log_weight(torch.maximum(log_sigma, peak))
        return gain.exp().to(sigma)

    def _log_weight(self, log_sigma: Tensor) -> Tensor:
        density = -0.5 * ((log_sigma - self.P_mean) / self.P_std).square()
        return density + ((2 * log_sigma).exp() + self.sigma_data**2).log()


@dataclass(frozen=True)
class Preconditioning:
    """The four functions of sigma that scale what a network sees and returns, each of the shape of sigma."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def preconditioning(sigma: Tensor, sigma_data: float) -> Preconditioning:
    """Scales that give the network inputs and targets of unit variance. Source: table 1, derived in appendix B.6."""
    total = sigma.square() + sigma_data**2
    return Preconditioning(
        c_skip=sigma_data**2 / total,
        c_out=sigma * sigma_data / total.sqrt(),
        c_in=total.rsqrt(),
        c_noise=sigma.log() / 4,
    )


def loss_weight(sigma: Tensor, sigma_data: float) -> Tensor:
    """Weight lambda = 1 / c_out^2 = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 of the loss. Source: table 1."""
    return (sigma.square() + sigma_data**2) / (sigma * sigma_data).square()


class DenoisingNetwork(Protocol):
    """What is inside the preconditioning: F(c_in x; c_noise, labels, codes), of the shape of x."""

    def __call__(self, x: Tensor, c_noise: Tensor, labels: Tensor | None, codes: Sequence[Tensor] | None) -> Tensor:
        """See `Denoiser.forward`."""
        ...


class Denoiser(nn.Module):
    """D(x; sigma) = c_skip x + c_out F(c_in x; c_noise), the expected clean image of a noisy one."""

    def __init__(self, network: nn.Module, sigma_data: float) -> None:
        super().__init__()
        self.network, self.sigma_data = network, sigma_data

    def forward(
        self, x: Tensor, sigma: Tensor, labels: Tensor | None = None, codes: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Denoise.

        Args:
            x: noisy images or points, shape (B, ...).
            sigma: noise level of each, shape (B,).
            labels: class of each, `NULL_CODE` where none is told, int64, shape (B,); None tells none.
            codes: weights (B, K_i) of every code, rows of zeros where none is told; None tells none.

        Returns:
            Shape of x, float32.

        Source: Eq. 7.
        """
        scales = preconditioning(sigma.to(x), self.sigma_data)
        raw = self.network(_per_sample(scales.c_in, x) * x, scales.c_noise, labels, codes)
        return _per_sample(scales.c_skip, x) * x + _per_sample(scales.c_out, x) * raw.to(x)


def denoising_losses(
    denoiser: Denoiser,
    clean: Tensor,
    sigma: Tensor,
    noise: Tensor,
    labels: Tensor | None = None,
    codes: Sequence[Tensor] | None = None,
) -> Tensor:
    """lambda(sigma) |D(y + n; sigma) - y|^2 per number of y, with n = sigma * noise; shape (B,).

    One would be the loss of a network that predicts zero, on data of the variance sigma_data^2. Source: Eq. 2 and 8.
    """
    denoised = denoiser(clean + _per_sample(sigma, clean) * noise, sigma, labels, codes)
    error = (denoised - clean).square().flatten(1).mean(dim=1)
    return loss_weight(sigma, denoiser.sigma_data) * error


def _per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Values (B,) as (B, 1, ...), to be multiplied with `like` of shape (B, ...)."""
    return values.view(-1, *[1] * (like.ndim - 1))
