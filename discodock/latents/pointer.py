"""Pointer codes: the choice of one node among a variable number of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from discodock.latents.space import CodeEmbedding, CodeSpace


class Pointer(CodeSpace):
    """A code that points at one node of a named set of nodes; the entries are that sample's own nodes.

    Source: the codes of DisCo-DiffDock, arXiv 2407.03300.
    """

    kind: Literal["pointer"] = "pointer"
    nodes: str = Field(default="nodes", min_length=1, description="name of the set of nodes that the code points into")

    @property
    def node_set(self) -> str:
        """The set of nodes that the code points into."""
        return self.nodes

    @property
    def num_entries(self) -> None:
        """None: a sample has as many entries as nodes."""
        return None

    def make_embedding(self, channels: int) -> PointerEmbedding:
        """Features of the node pointed at."""
        return PointerEmbedding(self, channels)

    def mask(self, node_masks: Mapping[str, Tensor], device: torch.device) -> Tensor:
        """The mask of the set of nodes, shape (B, N) or (N,); see `CodeSpace.mask`."""
        if self.nodes not in node_masks:
            raise ValueError(
                f"a code points into the nodes {self.nodes!r}; given are: {', '.join(node_masks) or 'none'}"
            )
        return node_masks[self.nodes].to(device)


class PointerEmbedding(CodeEmbedding):
    """The features of the node pointed at, which must have as many channels."""

    def __init__(self, space: Pointer, channels: int) -> None:
        super().__init__(channels)
        self.nodes = space.nodes

    def chosen(self, weights: Tensor, nodes: Mapping[str, Tensor]) -> Tensor:
        """Features of the node pointed at, shape (B, channels)."""
        return gather_nodes(weights, nodes[self.nodes])


def gather_nodes(weights: Tensor, values: Tensor) -> Tensor:
    """What the node pointed at has, sum_n w_n v_n: features, vectors or positions.

    Args:
        weights: weights of the nodes, shape (B, N).
        values: features of the nodes, finite everywhere, the padding too, shape (B, N, ...).

    Returns:
        Shape (B, ...); zero for the null code.
    """
    with torch.autocast(values.device.type, enabled=False):  # coordinates must not be rounded to half precision
        return torch.einsum("bn,bn...->b...", weights.to(values), values)
