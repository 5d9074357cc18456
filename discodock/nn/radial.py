"""Radial bases: a distance as a smooth vector that vanishes at the cutoff."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def smooth_cutoff(distance: Tensor, cutoff: float) -> Tensor:
    """Cosine envelope of Behler and Parrinello (2007): 1 at zero distance, 0 with zero slope at and beyond `cutoff`.

    Args:
        distance: distances, Å, any shape.
        cutoff: distance at which the weight vanishes, Å.
    """
    inside = (distance < cutoff).to(distance.dtype)
    return 0.5 * (torch.cos(math.pi * distance / cutoff) + 1.0) * inside


class GaussianBasis(nn.Module):
    """Gaussians evenly spaced on [0, cutoff], width equal to their spacing (SchNet, arXiv 1706.08566)."""

    centers: Tensor

    def __init__(self, num_basis: int, cutoff: float) -> None:
        super().__init__()
        self.register_buffer("centers", torch.linspace(0.0, cutoff, num_basis), persistent=False)
        self.spacing = cutoff / (num_basis - 1)

    def forward(self, distance: Tensor) -> Tensor:
        """Expand distances (E,) in Å into (E, num_basis)."""
        return torch.exp(-0.5 * ((distance[:, None] - self.centers) / self.spacing).square())


class TimeEmbedding(nn.Module):
    """Fourier features of the diffusion time t in [0, 1], through a small MLP."""

    frequencies: Tensor

    def __init__(self, num_channels: int, num_frequencies: int = 16) -> None:
        super().__init__()
        frequencies = math.pi * torch.arange(1, num_frequencies + 1) / 2
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * num_frequencies, num_channels), nn.SiLU(), nn.Linear(num_channels, num_channels), nn.SiLU()
        )

    def forward(self, t: Tensor) -> Tensor:
        """Embed times (P,) into (P, num_channels)."""
        phase = t[:, None] * self.frequencies
        return self.mlp(torch.cat([phase.cos(), phase.sin()], dim=-1))


class ComponentTimes(nn.Module):
    """One embedding of the times of several components; of equal times it is exactly that of the one time.

    The mean of the components' embeddings, plus what an MLP without biases makes of their deviations from it, zero at
    initialisation: a network that was trained with one time goes on as it was.
    """

    def __init__(self, num_components: int, num_channels: int) -> None:
        super().__init__()
        last = nn.Linear(2 * num_channels, num_channels, bias=False)
        nn.init.zeros_(last.weight)
        self.deviation = nn.Sequential(
            nn.Linear(num_components * num_channels, 2 * num_channels, bias=False), nn.SiLU(), last
        )

    def forward(self, embedded: Tensor) -> Tensor:
        """Join embeddings (P, num_components, num_channels) into (P, num_channels)."""
        mean = embedded.mean(dim=1)
        return mean + self.deviation((embedded - mean[:, None]).flatten(1))
