"""Marks: learned features of all nodes that say which of them a pointer code chose, or that there is no code."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from discodock.latents.pointer import Pointer, PointerEmbedding
from discodock.latents.registry import CodeLayout, CodesEmbedding
from discodock.latents.space import absence


class MarkedPointerEmbedding(PointerEmbedding):
    """The features of the node pointed at; and a learned mark at that node, among the features of all nodes."""

    def __init__(self, space: Pointer, channels: int) -> None:
        super().__init__(space, channels)
        self.mark = nn.Parameter(torch.randn(channels))
        self.null_mark = nn.Parameter(torch.randn(channels))

    def marks(self, weights: Tensor, mask: Tensor) -> Tensor:
        """Features of every node that say whether it is the one pointed at.

        Args:
            weights: shape (B, N).
            mask: real nodes, bool, shape (B, N).

        Returns:
            `mark` times its weight at every node; `null_mark` at every real node of a sample without this code;
            zero in the padding. Shape (B, N, channels).
        """
        without = absence(weights)[:, None] * mask
        return weights[:, :, None].to(self.mark) * self.mark + without[:, :, None].to(self.mark) * self.null_mark


class MarkedCodesEmbedding(CodesEmbedding):
    """One vector per code as of `CodesEmbedding`, and marks at the nodes that pointers choose."""

    kinds = CodesEmbedding.kinds | {"pointer": MarkedPointerEmbedding}

    def __init__(self, layout: CodeLayout, channels: int) -> None:
        super().__init__(layout, channels)
        self.channels = channels

    def marks(self, weights: Sequence[Tensor], name: str, mask: Tensor) -> Tensor:
        """Features for the nodes of one set, summed over the codes that point into it.

        Args:
            weights: of every code, shape (B, N_i).
            name: of the set of nodes.
            mask: its real nodes, bool, shape (B, N).

        Returns:
            Shape (B, N, channels); zero in the padding, and everywhere if no code points into the set.
        """
        marks = mask.new_zeros(*mask.shape, self.channels, dtype=next(self.parameters()).dtype)
        for code, each in zip(self.codes, weights, strict=True):
            if isinstance(code, MarkedPointerEmbedding) and code.nodes == name:
                marks = marks + code.marks(each, mask)
        return marks
