"""Codebook codes: the choice of one of K learned vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.latents.space import CodeEmbedding, CodeSpace


class Codebook(CodeSpace):
    """A code with a fixed number of entries, the same for every sample.

    Source: the codes of the image models, arXiv 2407.03300.
    """

    kind: Literal["codebook"] = "codebook"
    codebook_size: int = Field(default=64, ge=2, le=65536, description="number of entries")

    @property
    def node_set(self) -> None:
        """None: the entries are the code's own."""
        return None

    @property
    def num_entries(self) -> int:
        """Size of the codebook."""
        return self.codebook_size

    def make_embedding(self, channels: int) -> CodebookEmbedding:
        """One learned vector per entry."""
        return CodebookEmbedding(self, channels)

    def mask(self, node_masks: Mapping[str, Tensor], device: torch.device) -> Tensor:
        """All entries, shape (codebook_size,); see `CodeSpace.mask`."""
        return torch.ones(self.codebook_size, dtype=torch.bool, device=device)


class CodebookEmbedding(CodeEmbedding):
    """One learned vector per entry."""

    def __init__(self, space: Codebook, channels: int) -> None:
        super().__init__(channels)
        self.table = nn.Parameter(torch.randn(space.codebook_size, channels))

    def chosen(self, weights: Tensor, nodes: Mapping[str, Tensor]) -> Tensor:
        """The chosen vector, shape (B, channels)."""
        return weights.to(self.table) @ self.table
