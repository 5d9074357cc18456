"""The prior of image codes: a causal transformer, told the class if there are classes.

Source: DisCo-Diff, arXiv 2407.03300, stage two.
"""

from __future__ import annotations

from functools import partial

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.images.networks.conditioning import ClassEmbedding, CodeTokens, code_masks
from discodock.images.networks.layers import TransformerBlock, TransformerSize
from discodock.latents.heads import CodeHeads
from discodock.latents.prior import CodePrior
from discodock.latents.registry import CodeLayout


class ImagePriorConfig(TransformerSize):
    """Size of the prior."""

    channels: int = Field(128, ge=4, description="features of each token")
    depth: int = Field(4, ge=1, description="transformer blocks")
    num_heads: int = Field(4, ge=1, description="heads of attention; divides `channels`")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout of what each block adds")


class ImagePriorNetwork(nn.Module):
    """Token i embeds code i - 1, the first the class (or is a constant); output i gives the logits of code i."""

    def __init__(self, config: ImagePriorConfig, layout: CodeLayout, num_classes: int, num_patches: int = 0) -> None:
        super().__init__()
        self.layout, self.num_classes, self.num_patches = layout, num_classes, num_patches
        self.start = nn.Parameter(0.02 * torch.randn(config.channels))
        self.label = ClassEmbedding(num_classes, config.channels) if num_classes else None
        self.codes = CodeTokens(layout, config.channels, num_patches)
        self.position = nn.Parameter(0.02 * torch.randn(layout.num_codes, config.channels))
        self.blocks = nn.ModuleList(
            TransformerBlock(config.channels, config.num_heads, config.dropout) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.channels)
        linear = partial(nn.Linear, config.channels)
        self.heads = CodeHeads(layout, lambda _: linear(num_patches), linear)

    def forward(self, codes: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Logits (B, K_i) of every code i given codes < i.

        Args:
            codes: hard codes, null where unknown, int64, shape (B, num_codes).
            labels: classes, `NULL_CODE` for none, int64, shape (B,); not read if the prior knows no classes.
        """
        masks = code_masks(self.layout, self.num_patches, codes.device)
        known = self.codes.tokens(self.layout.one_hot(codes, masks))  # (B, num_codes, channels)
        first = self.start.expand(len(codes), -1)
        if self.label is not None:
            first = first + self.label(labels)
        tokens = torch.cat([first[:, None], known[:, :-1]], dim=1) + self.position
        for block in self.blocks:
            tokens = block(tokens, causal=True)
        tokens = self.norm(tokens)
        logits = self.heads(lambda code: tokens[:, code], lambda head, _, code: head(tokens[:, code]))
        return tuple(each.float() for each in logits)

    def prior(self, labels: Tensor) -> CodePrior:
        """The distribution of the codes of images with these classes (B,)."""
        masks = code_masks(self.layout, self.num_patches, labels.device)
        return CodePrior(self.layout, lambda codes: self(codes, labels), masks, codes_per_call=self.layout.num_codes)
