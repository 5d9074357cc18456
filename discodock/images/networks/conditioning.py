"""What a denoiser is told besides the noisy image: noise level, class, and groups of codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from discodock.images.networks.layers import NoiseEmbedding, TransformerBlock, TransformerSize
from discodock.latents.categorical import NULL_CODE, one_hot
from discodock.latents.codebook import Codebook, CodebookEmbedding
from discodock.latents.registry import CODE_SPACES, CodeLayout, CodesEmbedding, read_code_space
from discodock.latents.space import CodeSpace
from discodock.settings import Settings

PATCHES: Final = "patches"
"""Set of nodes: the patches of the encoder's grid, row by row; the same in all images."""


class CodeGroup(Settings):
    """Codes that the denoiser reads at the same places, as tokens of cross-attention."""

    kind: str = Field("codebook", description="kind of the codes: a codebook, or a pointer at the encoder's patches")
    num_codes: int = Field(10, ge=1, description="number of codes")
    codebook_size: int = Field(100, ge=2, description="entries of each code; pointers have one per patch")

    @model_validator(mode="after")
    def _known_kind(self) -> Self:
        _ = self.space
        return self

    @property
    def space(self) -> CodeSpace:
        """What each of the codes is; a kind gets those of the settings that it has."""
        own = CODE_SPACES[self.kind].model_fields if self.kind in CODE_SPACES else {}
        settings = {"nodes": PATCHES, "codebook_size": self.codebook_size}
        return read_code_space({"kind": self.kind} | {name: settings[name] for name in settings if name in own})


class ImageShape(Settings):
    """Size of the images, which must be square."""

    size: int = Field(28, ge=4, description="height and width, pixels")
    channels: int = Field(1, ge=1, description="1 grey, 3 colour")


class CodeReaderConfig(TransformerSize):
    """A transformer over the tokens of all codes, before the denoiser reads them by cross-attention."""

    channels: int = Field(192, ge=4, description="features of each token")
    depth: int = Field(6, ge=1, description="transformer blocks")
    num_heads: int = Field(6, ge=1, description="heads of attention; divides `channels`")


@dataclass(frozen=True)
class ConditionSpace:
    """What there is to be told.

    Attributes:
        num_classes: 0 if images have no classes.
        groups: groups of codes, first drawn first, read from coarse to fine.
        num_patches: number of patches of the encoder's grid; 0 if there is none to point into.
        reader: layers between the codes and the denoiser; None for an embedding alone.
    """

    num_classes: int
    groups: tuple[CodeGroup, ...]
    num_patches: int = 0
    reader: CodeReaderConfig | None = None

    @property
    def layout(self) -> CodeLayout | None:
        """All codes of all groups, in order; None without codes."""
        return code_layout(self.groups) if self.groups else None

    @property
    def group_slices(self) -> tuple[slice, ...]:
        """Which codes each group has."""
        ends = torch.tensor([group.num_codes for group in self.groups]).cumsum(0).tolist()
        return tuple(slice(end - group.num_codes, end) for end, group in zip(ends, self.groups, strict=True))


def code_layout(groups: Sequence[CodeGroup]) -> CodeLayout:
    """The codes of all groups, in order."""
    return CodeLayout(spaces=tuple(group.space for group in groups for _ in range(group.num_codes)))


def code_masks(layout: CodeLayout, num_patches: int, device: torch.device) -> tuple[Tensor, ...]:
    """The entries of every code, all true, shape (N_i,); see `CodeLayout.masks`.

    Raises:
        ValueError: a code points at a patch, and there are none.
    """
    return layout.masks({PATCHES: torch.ones(num_patches, dtype=torch.bool)} if num_patches else {}, device)


def code_sizes(layout: CodeLayout, num_patches: int = 0) -> tuple[int, ...]:
    """Number of entries of every code."""
    return tuple(len(mask) for mask in code_masks(layout, num_patches, torch.device("cpu")))


class CodeTokens(CodesEmbedding):
    """A token for every code; pointers have that of their patch, a learned vector for every place of the grid."""

    def __init__(self, layout: CodeLayout, channels: int, num_patches: int) -> None:
        super().__init__(layout, channels)
        has_pointers = any(space.node_set is not None for space in layout.spaces)
        self.patches = nn.Parameter(torch.randn(num_patches, channels)) if has_pointers else None

    def tokens(self, weights: Sequence[Tensor]) -> Tensor:
        """Weights (B, N_i) of every code -> (B, num_codes, channels)."""
        if self.patches is None:
            return self(weights, {})
        return self(weights, {PATCHES: self.patches.expand(len(weights[0]), -1, -1)})


class CodeReader(nn.Module):
    """Tokens of the codes that have read each other.

    Source: DisCo-Diff, arXiv 2407.03300, appendix D.1.
    """

    def __init__(self, config: CodeReaderConfig, layout: CodeLayout, channels: int, num_patches: int) -> None:
        super().__init__()
        self.codes = CodeTokens(layout, config.channels, num_patches)
        self.position = nn.Parameter(0.02 * torch.randn(layout.num_codes, config.channels))
        self.blocks = nn.ModuleList(TransformerBlock(config.channels, config.num_heads) for _ in range(config.depth))
        self.out = nn.Sequential(nn.LayerNorm(config.channels), nn.Linear(config.channels, channels))

    def tokens(self, weights: Sequence[Tensor]) -> Tensor:
        """Weights (B, N_i) of every code -> (B, num_codes, channels)."""
        tokens = self.codes.tokens(weights) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        return self.out(tokens)


class ClassEmbedding(nn.Module):
    """A vector for every class and a learned one for none: a class is a code that is given instead of inferred."""

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.code = CodebookEmbedding(Codebook(codebook_size=num_classes), channels)

    def forward(self, labels: Tensor) -> Tensor:
        """Classes (B,), `NULL_CODE` for none -> (B, channels)."""
        return self.code(one_hot(labels, self.num_classes, torch.float32), {})


@dataclass(frozen=True)
class Condition:
    """What a network is told, ready to be used.

    Attributes:
        vector: noise level and class, shape (B, channels).
        tokens: the codes of each group, shape (B, number of codes, channels).
    """

    vector: Tensor
    tokens: tuple[Tensor, ...]

    def of_groups(self, groups: Sequence[int]) -> Tensor:
        """The codes of some groups, end to end, shape (B, number of codes, channels)."""
        return torch.cat([self.tokens[group] for group in groups], dim=1)


class Conditioning(nn.Module):
    """Embeds noise level, class and codes; every denoiser has one of its own."""

    def __init__(self, space: ConditionSpace, channels: int) -> None:
        super().__init__()
        self.space = space
        self.noise = NoiseEmbedding(channels)
        self.label = ClassEmbedding(space.num_classes, channels) if space.num_classes else None
        self.layout = space.layout
        self.codes: CodeTokens | CodeReader | None = None
        if self.layout is not None and space.reader is not None:
            self.codes = CodeReader(space.reader, self.layout, channels, space.num_patches)
        elif self.layout is not None:
            self.codes = CodeTokens(self.layout, channels, space.num_patches)

    def forward(self, c_noise: Tensor, labels: Tensor | None, codes: Sequence[Tensor] | None) -> Condition:
        """Embed; see `Denoiser.forward` for the arguments.

        Raises:
            ValueError: there are as many weights as the network has codes, no more and no fewer, or None.
        """
        vector = self.noise(c_noise)
        if self.label is not None:
            labels = torch.full_like(c_noise, NULL_CODE, dtype=torch.int64) if labels is None else labels
            vector = vector + self.label(labels)
        return Condition(torch.nn.functional.silu(vector), self._tokens(c_noise, codes))

    def _tokens(self, c_noise: Tensor, codes: Sequence[Tensor] | None) -> tuple[Tensor, ...]:
        if self.codes is None or self.layout is None:
            if codes:
                raise ValueError(f"{len(codes)} codes for a network that was made without")
            return ()
        if codes is None:
            sizes = code_sizes(self.layout, self.space.num_patches)
            codes = [c_noise.new_zeros(len(c_noise), size) for size in sizes]
        tokens = self.codes.tokens(codes)
        return tuple(tokens[:, part] for part in self.space.group_slices)
