"""A convolutional denoiser with skip connections between equal resolutions; groups of codes enter at resolutions.

Source: Ronneberger et al. 2015, arXiv 1505.04597; residual blocks, scales and shifts, and attention at low resolution
as in ADM (Dhariwal, Nichol 2021, arXiv 2105.05233), which EDM trains on ImageNet-64; codes by cross-attention as in
DisCo-Diff, arXiv 2407.03300.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from discodock.errors import ConfigError
from discodock.images.conditioning import Condition, Conditioning, ConditionSpace, ImageShape
from discodock.images.layers import Attention, zero_init
from discodock.settings import Settings


class UNetConfig(Settings):
    """Size of the U-Net; resolutions are heights of feature maps in pixels, each half of the one before."""

    kind: Literal["unet"] = "unet"
    patch_size: int = Field(1, ge=1, description="blocks of so many pixels squared become channels first; 1: pixels")
    channels: int = Field(32, ge=4, description="features at full resolution")
    channel_mult: tuple[int, ...] = Field((1, 2, 2), min_length=1, description="multiples of them, by resolution")
    num_blocks: int = Field(2, ge=1, description="residual blocks per resolution on the way down; one more going up")
    attention_resolutions: tuple[int, ...] = Field((), description="resolutions with self-attention")
    code_resolutions: tuple[tuple[int, ...], ...] | None = Field(
        None, description="for every group of codes the resolutions that read it; none: all read all"
    )
    head_channels: int = Field(32, ge=1, description="features of each head of attention (fewer if there are fewer)")
    embedding_multiple: int = Field(4, ge=1, description="width of the noise embedding, in multiples of `channels`")
    dropout: float = Field(0.0, ge=0, lt=1, description="inside residual blocks")

    def resolutions(self, image_size: int) -> tuple[int, ...]:
        """Heights of the feature maps, from full resolution down.

        Raises:
            ConfigError: the image cannot be halved that often.
        """
        factor = self.patch_size * 2 ** (len(self.channel_mult) - 1)
        if image_size % factor:
            raise ConfigError(
                f"this U-Net takes sizes divisible by {factor}, not {image_size}; see patch_size, channel_mult"
            )
        return tuple(image_size // self.patch_size // 2**level for level in range(len(self.channel_mult)))


class ResidualBlock(nn.Module):
    """Two convolutions, scaled and shifted in between by the condition, then what attention adds."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        embedding: int,
        config: UNetConfig,
        *,
        attends: bool,
        groups: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.norm_in = GroupNorm(channels_in)
        self.conv_in = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.scale_shift = nn.Linear(embedding, 2 * channels)
        self.norm_out = GroupNorm(channels)
        self.dropout = nn.Dropout(config.dropout)
        self.conv_out = zero_init(nn.Conv2d(channels, channels, 3, padding=1))
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()
        self.self_attention = SpatialAttention(channels, config.head_channels, None) if attends else None
        self.groups = groups
        self.code_attention = SpatialAttention(channels, config.head_channels, embedding) if groups else None

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Features (B, channels_in, H, W) -> (B, channels, H, W)."""
        h = self.conv_in(F.silu(self.norm_in(x)))
        scale, shift = self.scale_shift(condition.vector)[:, :, None, None].chunk(2, dim=1)
        h = F.silu(torch.addcmul(shift, self.norm_out(h), scale + 1))
        h = self.skip(x) + self.conv_out(self.dropout(h))
        if self.self_attention is not None:
            h = h + self.self_attention(h, None)
        if self.code_attention is not None:
            h = h + self.code_attention(h, torch.cat([condition.tokens[group] for group in self.groups], dim=1))
        return h


class SpatialAttention(nn.Module):
    """Attention of all pixels to each other, or to tokens of codes."""

    def __init__(self, channels: int, head_channels: int, context_channels: int | None) -> None:
        super().__init__()
        self.norm = GroupNorm(channels)
        self.attention = Attention(channels, max(1, channels // head_channels), context_channels)
        if context_channels is None:
            zero_init(self.attention.out)  # codes must count from the start, or they are given up

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Features (B, channels, H, W) and tokens (B, M, context_channels) -> (B, channels, H, W)."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # (B, H W, channels)
        return self.attention(tokens, context).transpose(1, 2).unflatten(2, x.shape[2:])


class UNet(nn.Module):
    """See the module's first line."""

    def __init__(self, config: UNetConfig, shape: ImageShape, space: ConditionSpace) -> None:
        super().__init__()
        resolutions = config.resolutions(shape.size)
        _check_code_resolutions(config, space, resolutions)
        embedding = config.embedding_multiple * config.channels
        widths = [config.channels * multiple for multiple in config.channel_mult]
        self.conditioning = Conditioning(space, embedding)

        def block(channels_in: int, channels: int, resolution: int) -> ResidualBlock:
            attends = resolution in config.attention_resolutions
            groups = _groups_at(resolution, config, space)
            return ResidualBlock(channels_in, channels, embedding, config, attends=attends, groups=groups)

        self.patch_size = config.patch_size
        self.first = nn.Conv2d(shape.channels * config.patch_size**2, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        skips, width = [widths[0]], widths[0]
        for level, (channels, resolution) in enumerate(zip(widths, resolutions, strict=True)):
            blocks = nn.ModuleList()
            for _ in range(config.num_blocks):
                blocks.append(block(width, channels, resolution))
                width = channels
                skips.append(width)
            self.down.append(blocks)
            if level + 1 < len(widths):
                skips.append(width)
        self.middle = block(width, width, resolutions[-1])
        for channels, resolution in zip(reversed(widths), reversed(resolutions), strict=True):
            blocks = nn.ModuleList()
            for _ in range(config.num_blocks + 1):
                blocks.append(block(width + skips.pop(), channels, resolution))
                width = channels
            self.up.append(blocks)
        self.norm = GroupNorm(width)
        self.last = zero_init(nn.Conv2d(width, shape.channels * config.patch_size**2, 3, padding=1))

    def forward(self, x: Tensor, c_noise: Tensor, labels: Tensor | None, codes: Sequence[Tensor] | None) -> Tensor:
        """Network output F; see `DenoisingNetwork`."""
        condition = self.conditioning(c_noise, labels, codes)
        h = self.first(F.pixel_unshuffle(x, self.patch_size).contiguous(memory_format=torch.channels_last))
        skips = [h]
        for level, blocks in enumerate(self.down):
            for each in cast(nn.ModuleList, blocks):
                h = each(h, condition)
                skips.append(h)
            if level + 1 < len(self.down):
                h = F.avg_pool2d(h, 2)
                skips.append(h)
        h = self.middle(h, condition)
        for level, blocks in enumerate(self.up):
            if level > 0:
                h = F.interpolate(h, scale_factor=2, mode="nearest")
            for each in cast(nn.ModuleList, blocks):
                h = each(torch.cat([h, skips.pop()], dim=1), condition)
        return F.pixel_shuffle(self.last(F.silu(self.norm(h))), self.patch_size)


class GroupNorm(nn.GroupNorm):
    """Normalisation over groups of at least four channels, at most 32 groups, in float32.

    Autocast does the same on GPUs; on CPUs it would take a slow path through half precision.
    """

    def __init__(self, channels: int) -> None:
        num_groups = next(n for n in range(min(32, max(1, channels // 4)), 0, -1) if channels % n == 0)
        super().__init__(num_groups, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, channels, H, W) -> the same shape, float32."""
        return super().forward(x.float())


def _groups_at(resolution: int, config: UNetConfig, space: ConditionSpace) -> tuple[int, ...]:
    """Numbers of the groups of codes that are read at a resolution."""
    if config.code_resolutions is None or not space.groups:
        return tuple(range(len(space.groups)))
    return tuple(number for number, places in enumerate(config.code_resolutions) if resolution in places)


def _check_code_resolutions(config: UNetConfig, space: ConditionSpace, resolutions: tuple[int, ...]) -> None:
    places = config.code_resolutions
    if places is None or not space.groups:
        return
    if len(places) != len(space.groups):
        raise ConfigError(f"code_resolutions has {len(places)} entries for {len(space.groups)} groups of codes")
    wrong = [resolution for each in places for resolution in each if resolution not in resolutions]
    if wrong or not all(places):
        named = f"{wrong[0]} is not one" if wrong else "a group is read nowhere"
        raise ConfigError(f"code_resolutions: {named}; the resolutions of this network are {list(resolutions)}")
