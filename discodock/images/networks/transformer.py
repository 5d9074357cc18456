"""A transformer denoiser on patches, with skip connections from early to late blocks.

Source: DiT (Peebles, Xie 2023, arXiv 2212.09748) for blocks whose scales and gates depend on the condition and begin as
zero, U-ViT (Bao et al. 2023, arXiv 2209.12152) for the long skips; codes by cross-attention as in DisCo-Diff.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.errors import ConfigError
from discodock.images.networks.conditioning import Condition, Conditioning, ConditionSpace, ImageShape
from discodock.images.networks.layers import Attention, Patches, TransformerSize, mlp, zero_init


class TransformerConfig(TransformerSize):
    """Size of the transformer; groups of codes are read by equal shares of the blocks, the first group first."""

    kind: Literal["transformer"] = "transformer"
    patch_size: int = Field(4, ge=1, description="height and width of a patch, pixels")
    channels: int = Field(128, ge=8, description="features of each token")
    depth: int = Field(6, ge=1, description="number of blocks")
    num_heads: int = Field(4, ge=1, description="heads of attention; divides `channels`")


class ConditionedBlock(nn.Module):
    """A transformer block whose normalised tokens are scaled, shifted and gated by the condition; it may read codes.

    Args:
        channels: features of each token.
        num_heads: heads of attention.
        embedding: width of the condition.
        groups: numbers of the groups of codes that it reads.
        has_skip: whether it takes the tokens of an earlier block as well.
    """

    def __init__(
        self, channels: int, num_heads: int, embedding: int, groups: tuple[int, ...], *, has_skip: bool = False
    ) -> None:
        super().__init__()
        self.groups = groups
        self.merge = nn.Linear(2 * channels, channels) if has_skip else None
        self.norms = nn.ModuleList(nn.LayerNorm(channels, elementwise_affine=False) for _ in range(2))
        self.modulation = zero_init(nn.Linear(embedding, 6 * channels))
        self.attention = Attention(channels, num_heads)
        self.mlp = mlp(channels)
        self.code_norm = nn.LayerNorm(channels) if groups else None
        self.code_attention = Attention(channels, num_heads, embedding) if groups else None

    def forward(self, tokens: Tensor, condition: Condition, skip: Tensor | None = None) -> Tensor:
        """Tokens (B, N, channels) and those of an earlier block -> (B, N, channels)."""
        if self.merge is not None and skip is not None:
            tokens = self.merge(torch.cat([tokens, skip], dim=-1))
        pieces = self.modulation(condition.vector)[:, None].chunk(6, dim=-1)
        scale, shift, gate = pieces[:3]
        tokens = tokens + gate * self.attention(self.norms[0](tokens) * (1 + scale) + shift)
        if self.code_attention is not None and self.code_norm is not None:
            tokens = tokens + self.code_attention(self.code_norm(tokens), condition.of_groups(self.groups))
        scale, shift, gate = pieces[3:]
        return tokens + gate * self.mlp(self.norms[1](tokens) * (1 + scale) + shift)


class Transformer(nn.Module):
    """See the module's first line."""

    def __init__(self, config: TransformerConfig, shape: ImageShape, space: ConditionSpace) -> None:
        super().__init__()
        if shape.size % config.patch_size:
            raise ConfigError(f"patches of {config.patch_size} pixels do not tile images of {shape.size}")
        if config.depth < len(space.groups):
            raise ConfigError(f"{config.depth} blocks cannot read {len(space.groups)} groups of codes in turn")
        channels, num_groups = config.channels, len(space.groups)
        self.conditioning = Conditioning(space, channels)
        self.patches = Patches(shape.size, shape.channels, config.patch_size, channels)
        self.num_early = config.depth // 2
        self.blocks = nn.ModuleList(
            ConditionedBlock(
                channels,
                config.num_heads,
                channels,
                (number * num_groups // config.depth,) if num_groups else (),
                has_skip=number >= config.depth - self.num_early,
            )
            for number in range(config.depth)
        )
        self.norm = nn.LayerNorm(channels)
        self.last = zero_init(nn.Linear(channels, shape.channels * config.patch_size**2))

    def forward(self, x: Tensor, c_noise: Tensor, labels: Tensor | None, codes: Sequence[Tensor] | None) -> Tensor:
        """Network output F; see `DenoisingNetwork`."""
        condition = self.conditioning(c_noise, labels, codes)
        tokens = self.patches(x)
        early: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            is_late = number >= len(self.blocks) - self.num_early
            tokens = block(tokens, condition, early.pop() if is_late else None)
            if number < self.num_early:
                early.append(tokens)
        return self.patches.assemble(self.last(self.norm(tokens)))
