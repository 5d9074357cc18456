"""The encoder of images: a vision transformer with one read-out token per code.

Source: Dosovitskiy et al. 2021, arXiv 2010.11929; read-out tokens as in DisCo-Diff, arXiv 2407.03300.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.errors import ConfigError
from discodock.images.networks.conditioning import ImageShape
from discodock.images.networks.layers import (
    NormalizedLinear,
    NormalizedPointer,
    Patches,
    TransformerBlock,
    TransformerSize,
)
from discodock.latents.heads import CodeHeads
from discodock.latents.registry import CodeLayout


class ImageEncoderConfig(TransformerSize):
    """Size of the encoder."""

    renamed = {"logit_spread": "logit_std"}

    patch_size: int = Field(4, ge=1, description="height and width of a patch, pixels")
    channels: int = Field(64, ge=4, description="features of each token")
    depth: int = Field(3, ge=1, description="transformer blocks")
    num_heads: int = Field(4, ge=1, description="heads of attention; divides `channels`")
    logit_std: float = Field(
        3.0, gt=0, description="standard deviation of each logit over images; 1.28 is that of the Gumbel noise"
    )


class ImageEncoder(nn.Module):
    """Clean images -> logits of every code, q(z_i given y), independent of each other given the image.

    Codebook codes are a linear map of their read-out token; pointers compare theirs with the tokens of the patches.

    Each logit keeps its mean of 0 and its standard deviation over images throughout training: without that the denoiser
    learns to ignore codes that tell nothing yet, and then they never will.
    """

    def __init__(self, config: ImageEncoderConfig, shape: ImageShape, layout: CodeLayout) -> None:
        super().__init__()
        if shape.size % config.patch_size:
            raise ConfigError(f"encoder patches of {config.patch_size} pixels do not tile images of {shape.size}")
        self.config, self.layout = config, layout
        self.patches = Patches(shape.size, shape.channels, config.patch_size, config.channels)
        self.readout = nn.Parameter(0.02 * torch.randn(layout.num_codes, config.channels))
        self.blocks = nn.ModuleList(TransformerBlock(config.channels, config.num_heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.channels)
        num_patches = self.patches.per_side**2
        self.heads = CodeHeads(
            layout,
            lambda _: NormalizedPointer(config.channels, num_patches, config.logit_std),
            lambda num_entries: NormalizedLinear(config.channels, num_entries, config.logit_std),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, C, H, W) in [-1, 1] -> logits (B, K_i) of every code, float32."""
        tokens = self.patches(images)
        tokens = torch.cat([self.readout.expand(len(images), -1, -1).to(tokens), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        read, patches = tokens.split([self.layout.num_codes, tokens.shape[1] - self.layout.num_codes], dim=1)
        return self.heads(lambda code: read[:, code], lambda head, _, code: head(read[:, code], patches))
