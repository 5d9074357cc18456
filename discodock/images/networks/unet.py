"""A convolutional denoiser with skip connections between equal resolutions; groups of codes enter at resolutions.

Source: Ronneberger et al. 2015, arXiv 1505.04597; residual blocks, scales and shifts, and attention at low resolution
as in ADM (Dhariwal, Nichol 2021, arXiv 2105.05233), which EDM trains on ImageNet-64; codes by cross-attention as in
DisCo-Diff, arXiv 2407.03300.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from discodock.errors import ConfigError
from discodock.images.networks.conditioning import Condition, Conditioning, ConditionSpace, ImageShape
from discodock.images.networks.layers import Attention, zero_init
from discodock.images.networks.transformer import ConditionedBlock
from discodock.settings import Settings

Resampling = Literal["down", "up"]


class BottleneckConfig(Settings):
    """A vision transformer in the place of all blocks at the lowest resolution."""

    depth: int = Field(36, ge=1, description="transformer blocks")
    code_every: int = Field(3, ge=1, description="every so many blocks one reads the codes")


class UNetConfig(Settings):
    """Size of the U-Net; resolutions are heights of feature maps in pixels, each half of the one before."""

    kind: Literal["unet"] = "unet"
    patch_size: int = Field(1, ge=1, description="blocks of so many pixels squared become channels first; 1: pixels")
    channels: int = Field(32, ge=4, description="features at full resolution")
    channel_mult: tuple[int, ...] = Field((1, 2, 2), min_length=1, description="multiples of them, by resolution")
    num_blocks: int = Field(2, ge=1, description="residual blocks per resolution on the way down; one more going up")
    num_middle: int = Field(1, ge=1, description="residual blocks between both ways; the first alone has attention")
    resampling: Literal["plain", "residual"] = Field(
        "plain", description="way from one resolution to the next: pooling and repeating alone, or residual blocks"
    )
    bottleneck: BottleneckConfig | None = Field(
        None, description="transformer at the lowest resolution, of its width; none: residual blocks as elsewhere"
    )
    attention_resolutions: tuple[int, ...] = Field((), description="resolutions with self-attention")
    code_resolutions: tuple[tuple[int, ...], ...] | None = Field(
        None, description="resolutions that read each group of codes; none: all read all"
    )
    code_branches: Literal["all", "up"] = Field(
        "all", description="up: codes are read on the way up alone, so that coarse groups are read before fine ones"
    )
    head_channels: int = Field(32, ge=1, description="features of each head of attention (fewer if there are fewer)")
    embedding_multiple: int = Field(4, ge=1, description="width of the noise embedding, in multiples of `channels`")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout inside residual blocks")

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
    """Two convolutions, scaled and shifted in between by the condition, then what attention adds.

    Args:
        channels_in: features that come in.
        channels: features that go out.
        embedding: width of the condition.
        config: size of heads, dropout.
        attends: whether pixels attend to each other.
        groups: numbers of the groups of codes that are read.
        resampling: change of height and width before the first convolution: halved, doubled, or none.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        embedding: int,
        config: UNetConfig,
        *,
        attends: bool = False,
        groups: tuple[int, ...] = (),
        resampling: Resampling | None = None,
    ) -> None:
        super().__init__()
        self.resampling = resampling
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
        """Features (B, channels_in, H, W) -> (B, channels, H', W')."""
        h = F.silu(self.norm_in(x))
        if self.resampling is not None:
            x, h = resampled(x, self.resampling), resampled(h, self.resampling)
        h = self.conv_in(h)
        scale, shift = self.scale_shift(condition.vector)[:, :, None, None].chunk(2, dim=1)
        h = F.silu(torch.addcmul(shift, self.norm_out(h), scale + 1))
        h = self.skip(x) + self.conv_out(self.dropout(h))
        if self.self_attention is not None:
            h = h + self.self_attention(h, None)
        if self.code_attention is not None:
            h = h + self.code_attention(h, condition.of_groups(self.groups))
        return h


class PlainResampling(nn.Module):
    """From one resolution to the next without weights; called as a `ResidualBlock` is."""

    def __init__(self, resampling: Resampling) -> None:
        super().__init__()
        self.resampling = resampling

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Features (B, channels, H, W) -> (B, channels, H', W')."""
        return resampled(x, self.resampling)


def resampled(x: Tensor, resampling: Resampling) -> Tensor:
    """Features (B, C, H, W) at half the height and width by means of four pixels, or at twice by repeating them."""
    return F.avg_pool2d(x, 2) if resampling == "down" else F.interpolate(x, scale_factor=2, mode="nearest")


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


class TransformerBottleneck(nn.Module):
    """A vision transformer on all pixels of the lowest resolution, added to them.

    Source: the U-ViT of "simple diffusion" (Hoogeboom et al. 2023, arXiv 2301.11093), between the convolutions of EDM
    as in DisCo-Diff, arXiv 2407.03300, appendix D.1; codes are read by every few blocks.
    """

    def __init__(self, config: UNetConfig, num_pixels: int, embedding: int, groups: tuple[int, ...]) -> None:
        super().__init__()
        assert config.bottleneck is not None
        *outer, channels = (config.channels * multiple for multiple in config.channel_mult)
        width = outer[-1]
        every = config.bottleneck.code_every
        self.norm_in, self.into = GroupNorm(width), nn.Linear(width, channels)
        self.position = nn.Parameter(0.02 * torch.randn(num_pixels, channels))
        self.blocks = nn.ModuleList(
            ConditionedBlock(
                channels,
                max(1, channels // config.head_channels),
                embedding,
                groups if number % every == every - 1 else (),
            )
            for number in range(config.bottleneck.depth)
        )
        self.out = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Features (B, width, H, W) -> the same shape."""
        tokens = self.into(self.norm_in(x).flatten(2).transpose(1, 2)) + self.position
        for block in self.blocks:
            tokens = block(tokens, condition)
        return x + self.out(tokens).transpose(1, 2).unflatten(2, x.shape[2:])


class Level(nn.Module):
    """One resolution of one way: how it is entered from the one before, and its blocks."""

    def __init__(self, entry: nn.Module | None, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.entry, self.blocks = entry, nn.ModuleList(blocks)


class UNet(nn.Module):
    """See the module's first line."""

    def __init__(self, config: UNetConfig, shape: ImageShape, space: ConditionSpace) -> None:
        super().__init__()
        resolutions = config.resolutions(shape.size)
        _check_code_resolutions(config, space, resolutions)
        if config.bottleneck is not None and len(resolutions) < 2:
            raise ConfigError("a bottleneck takes the place of the lowest of at least two resolutions: channel_mult")
        embedding = config.embedding_multiple * config.channels
        self.conditioning = Conditioning(space, embedding)
        self.patch_size = config.patch_size
        builder = _Builder(config, space, embedding, resolutions)
        self.first = nn.Conv2d(shape.channels * config.patch_size**2, builder.widths[0], 3, padding=1)
        self.down = nn.ModuleList(builder.encoder_levels())
        self.middle = nn.ModuleList(builder.middle())
        self.up = nn.ModuleList(builder.decoder_levels())
        self.norm = GroupNorm(builder.widths[0])
        self.last = zero_init(nn.Conv2d(builder.widths[0], shape.channels * config.patch_size**2, 3, padding=1))

    def forward(self, x: Tensor, c_noise: Tensor, labels: Tensor | None, codes: Sequence[Tensor] | None) -> Tensor:
        """Network output F; see `DenoisingNetwork`."""
        condition = self.conditioning(c_noise, labels, codes)
        h = self.first(F.pixel_unshuffle(x, self.patch_size).contiguous(memory_format=torch.channels_last))
        skips = [h]
        for level in cast("list[Level]", self.down):
            if level.entry is not None:
                h = level.entry(h, condition)
                skips += [h] if len(level.blocks) else []
            for block in level.blocks:
                h = block(h, condition)
                skips.append(h)
        for block in self.middle:
            h = block(h, condition)
        for level in cast("list[Level]", self.up):
            if level.entry is not None:
                h = level.entry(h, condition)
            for block in level.blocks:
                h = block(torch.cat([h, skips.pop()], dim=1), condition)
        return F.pixel_shuffle(self.last(F.silu(self.norm(h))), self.patch_size)


class _Builder:
    """Makes the blocks of a U-Net, and keeps account of widths and skip connections.

    Its methods are to be called once each in the order of the data: encoder, middle, decoder. What the encoder pushes
    on `skips` the decoder pops, just as `UNet.forward` does with the features themselves.

    Attributes:
        widths: channels of each level, the finest first.
        skips: channels of the skip connections that are not read yet.
        width: channels of the features where the next block is added.
    """

    def __init__(self, config: UNetConfig, space: ConditionSpace, embedding: int, resolutions: tuple[int, ...]) -> None:
        self.config, self.space, self.embedding, self.resolutions = config, space, embedding, resolutions
        self.widths = [config.channels * multiple for multiple in config.channel_mult]
        if config.bottleneck is not None:
            self.widths[-1] = self.widths[-2]  # outside the transformer, which widens them for itself
        self.skips = [self.widths[0]]
        self.width = self.widths[0]

    def encoder_levels(self) -> Iterator[Level]:
        """From fine to coarse; each level but the first begins by halving the resolution."""
        for number, channels in enumerate(self.widths):
            entry = None if number == 0 else self._resampling("down")
            num_blocks = self._num_blocks(number)
            # without blocks (a bottleneck's level) there is nothing in the decoder to read a skip
            self.skips += [self.width] if entry is not None and num_blocks else []
            blocks = []
            for _ in range(num_blocks):
                blocks.append(self._block(self.width, channels, number, "down"))
                self.width = channels
                self.skips.append(channels)
            yield Level(entry, blocks)

    def middle(self) -> Iterator[nn.Module]:
        """At the coarsest resolution: the transformer, or blocks, the first with attention and codes."""
        last = len(self.resolutions) - 1
        groups = self._groups(last, "middle")
        if self.config.bottleneck is not None:
            yield TransformerBottleneck(self.config, self.resolutions[last] ** 2, self.embedding, groups)
            return
        yield self._block(self.width, self.width, last, "middle")
        for _ in range(self.config.num_middle - 1):
            yield ResidualBlock(self.width, self.width, self.embedding, self.config)

    def decoder_levels(self) -> Iterator[Level]:
        """From coarse to fine; each level but the first begins by doubling the resolution."""
        for number, channels in reversed(list(enumerate(self.widths))):
            entry = None if number == len(self.widths) - 1 else self._resampling("up")
            num_blocks = self._num_blocks(number)
            blocks = []
            # one more than in the encoder, whose entry (or the first convolution) left a skip, too
            for _ in range(num_blocks + 1 if num_blocks else 0):
                blocks.append(self._block(self.width + self.skips.pop(), channels, number, "up"))
                self.width = channels
            yield Level(entry, blocks)

    def _num_blocks(self, level: int) -> int:
        is_bottleneck = self.config.bottleneck is not None and level == len(self.widths) - 1
        return 0 if is_bottleneck else self.config.num_blocks

    def _resampling(self, resampling: Resampling) -> nn.Module:
        if self.config.resampling == "plain":
            return PlainResampling(resampling)
        return ResidualBlock(self.width, self.width, self.embedding, self.config, resampling=resampling)

    def _block(self, channels_in: int, channels: int, level: int, branch: str) -> ResidualBlock:
        attends = self.resolutions[level] in self.config.attention_resolutions
        groups = self._groups(level, branch)
        return ResidualBlock(channels_in, channels, self.embedding, self.config, attends=attends, groups=groups)

    def _groups(self, level: int, branch: str) -> tuple[int, ...]:
        """Numbers of the groups of codes that are read at a place."""
        places, numbers = self.config.code_resolutions, range(len(self.space.groups))
        if self.config.code_branches == "up" and branch != "up":
            return ()
        if places is None or not self.space.groups:
            return tuple(numbers)
        return tuple(number for number in numbers if self.resolutions[level] in places[number])


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


def _check_code_resolutions(config: UNetConfig, space: ConditionSpace, resolutions: tuple[int, ...]) -> None:
    places = config.code_resolutions
    if places is None or not space.groups:
        return
    if len(places) != len(space.groups):
        raise ConfigError(f"code_resolutions has {len(places)} entries for {len(space.groups)} groups of codes")
    if config.bottleneck is not None and config.code_branches == "up":
        resolutions = resolutions[:-1]
    wrong = [resolution for each in places for resolution in each if resolution not in resolutions]
    if wrong or not all(places):
        named = f"{wrong[0]} is not one" if wrong else "a group is read nowhere"
        raise ConfigError(f"code_resolutions: {named}; the resolutions that read codes here are {list(resolutions)}")
