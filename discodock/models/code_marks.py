"""Marks: learned features of all nodes that say which of them a pointer code chose, or that there is no code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from discodock.latents.registry import CodeLayout, CodesEmbedding
from discodock.latents.space import CodeEmbedding, CodeSpace, absence

MARK: Final = "mark"
NULL_MARK: Final = "null_mark"
"""Parameters of the embedding of a code that chooses among nodes: its mark, and that of samples without the code."""


class MarkedCodesEmbedding(CodesEmbedding):
    """One vector per code as of `CodesEmbedding`, and learned marks at the nodes that codes choose."""

    def __init__(self, layout: CodeLayout, channels: int) -> None:
        super().__init__(layout, channels, _marked_embedding)
        self.channels = channels
        self.node_sets = tuple(space.node_set for space in layout.spaces)

    def marks(self, weights: Sequence[Tensor], name: str, mask: Tensor) -> Tensor:
        """Features for the nodes of one set, summed over the codes that choose among them.

        A code puts its mark times its weight at every node, or `null_mark` at every real node of a sample without it.

        Args:
            weights: weights of every code, shape (B, N_i).
            name: name of the set of nodes.
            mask: real nodes of the set, bool, shape (B, N).

        Returns:
            Shape (B, N, channels); zero in the padding, and everywhere if no code chooses among the set.
        """
        marks = mask.new_zeros(*mask.shape, self.channels, dtype=next(self.parameters()).dtype)
        for index, each in enumerate(weights):
            if self.node_sets[index] == name:
                mark, null_mark = self.mark_parameters(index)
                without = absence(each)[:, None] * mask
                marks = marks + (each[:, :, None].to(mark) * mark + without[:, :, None].to(mark) * null_mark)
        return marks

    def mark_parameters(self, index: int) -> tuple[nn.Parameter, nn.Parameter]:
        """The mark and the null mark of a code that chooses among nodes, each of shape (channels,)."""
        return self.get_parameter(f"codes.{index}.{MARK}"), self.get_parameter(f"codes.{index}.{NULL_MARK}")


def _marked_embedding(space: CodeSpace, channels: int) -> CodeEmbedding:
    """The embedding of a code; if it chooses among nodes, with its marks as further parameters."""
    embedding = space.make_embedding(channels)
    if space.node_set is not None:
        for name in (MARK, NULL_MARK):
            embedding.register_parameter(name, nn.Parameter(torch.randn(channels)))
    return embedding
