"""Layers that the image networks share: noise embedding, attention, transformer blocks."""

from __future__ import annotations

import math
from typing import Self, TypeVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from discodock.latents.categorical import at_least_float32
from discodock.settings import Settings

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class TransformerSize(Settings):
    """Size of a transformer; those that have one give defaults."""

    channels: int = Field(ge=4, description="features of each token")
    depth: int = Field(ge=1, description="transformer blocks")
    num_heads: int = Field(ge=1, description="heads of attention; divides `channels`")

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.channels % self.num_heads:
            raise ValueError(f"channels {self.channels} is not divisible by num_heads {self.num_heads}")
        return self


def zero_init(module: ModuleT) -> ModuleT:
    """Set all parameters of a module to zero, so that a residual branch starts as the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class NormalizedLinear(nn.Module):
    """A linear layer whose outputs have mean 0 and a given standard deviation over each batch; later, over past ones.

    Source: batch normalisation (Ioffe, Szegedy 2015, arXiv 1502.03167) of what is made discrete, which keeps all
    entries in use (Łańcucki et al. 2020, arXiv 2005.08520).
    """

    def __init__(self, channels_in: int, channels: int, std: float) -> None:
        super().__init__()
        self.std = std
        self.linear = nn.Linear(channels_in, channels, bias=False)
        self.norm = nn.BatchNorm1d(channels, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels_in) -> (B, channels), at least float32.

        Raises:
            ValueError: there is a single sample, in training.
        """
        return self.std * self.norm(at_least_float32(self.linear(x)))


class NormalizedPointer(nn.Module):
    """Scaled dot products of a read-out token with patch tokens, normalised as in `NormalizedLinear`.

    Each patch has a mean and deviation of its own: one for all would let a code point at the same patch in all images.
    """

    def __init__(self, channels: int, num_patches: int, std: float) -> None:
        super().__init__()
        self.std = std
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.norm = nn.BatchNorm1d(num_patches, affine=False)

    def forward(self, read: Tensor, patches: Tensor) -> Tensor:
        """Read-out tokens (B, channels) and patches (B, N, channels) -> logits (B, N), at least float32.

        Raises:
            ValueError: there is a single sample, in training.
        """
        products = torch.einsum("bc,bnc->bn", self.query(read), self.key(patches)) / read.shape[-1] ** 0.5
        return self.std * self.norm(at_least_float32(products))


def sinusoids(values: Tensor, channels: int, longest: float = 100.0) -> Tensor:
    """Cosines and sines of `values`, shape (B,), with frequencies 1 ... `longest` in equal ratios; (B, channels).

    The frequencies suit c_noise = ln(sigma) / 4, which spans about [-1.6, 1.1].
    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.5, with its frequencies turned upside down.
    """
    exponents = torch.linspace(0, math.log(longest), channels // 2, device=values.device, dtype=torch.float32)
    angles = values.float()[:, None] * exponents.exp()
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class NoiseEmbedding(nn.Module):
    """A vector that tells the noise level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.mlp = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, channels))

    def forward(self, c_noise: Tensor) -> Tensor:
        """Noise levels c_noise (B,) -> (B, channels)."""
        return self.mlp(sinusoids(c_noise, self.channels))


class Attention(nn.Module):
    """Multi-head attention of tokens (B, N, channels) to themselves, or to others (B, M, context_channels)."""

    def __init__(self, channels: int, num_heads: int, context_channels: int | None = None) -> None:
        super().__init__()
        context_channels = channels if context_channels is None else context_channels
        self.num_heads = num_heads
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(context_channels, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor, context: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """What the tokens read, shape (B, N, channels); causal: token i reads tokens <= i alone."""
        query = self._heads(self.query(tokens))
        key, value = map(self._heads, self.key_value(tokens if context is None else context).chunk(2, dim=-1))
        return self.out(_attend(query, key, value, causal=causal).transpose(1, 2).flatten(2))

    def _heads(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, num_heads, N, channels / num_heads)


def _attend(query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Tensor:
    """Attention of each head; on CPUs in float32, because its gradient in bfloat16 is slow there."""
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        query, key, value = map(at_least_float32, (query, key, value))
        return F.scaled_dot_product_attention(query, key, value, is_causal=causal)


class TransformerBlock(nn.Module):
    """Self-attention and a two-layer network, each normalised first and added to the tokens.

    Source: Vaswani et al. 2017, arXiv 1706.03762, with the normalisation first as in arXiv 2010.11929.
    """

    def __init__(self, channels: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = Attention(channels, num_heads)
        self.mlp = mlp(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, *, causal: bool = False) -> Tensor:
        """Tokens (B, N, channels) -> the same shape."""
        tokens = tokens + self.dropout(self.attention(self.norm_attention(tokens), causal=causal))
        return tokens + self.dropout(self.mlp(self.norm_mlp(tokens)))


def mlp(channels: int) -> nn.Sequential:
    """The two-layer network of transformers, four times as wide inside."""
    return nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))


class Patches(nn.Module):
    """Square patches of images as tokens, with a learned vector for every position.

    Source: Dosovitskiy et al. 2021, arXiv 2010.11929.
    """

    def __init__(self, image_size: int, image_channels: int, patch_size: int, channels: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.per_side = image_size // patch_size
        self.embed = nn.Linear(image_channels * patch_size**2, channels)
        self.position = nn.Parameter(0.02 * torch.randn(self.per_side**2, channels))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) -> (B, number of patches, channels)."""
        return self.embed(F.unfold(images, self.patch_size, stride=self.patch_size).transpose(1, 2)) + self.position

    def assemble(self, tokens: Tensor) -> Tensor:
        """Pixels of every patch (B, number of patches, C patch_size^2) -> images (B, C, H, W)."""
        size = self.per_side * self.patch_size
        return F.fold(tokens.transpose(1, 2), size, self.patch_size, stride=self.patch_size)
