"""What every kind of code is: a choice among entries, and a learned vector for each choice that networks consume."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from discodock.settings import Settings


class CodeSpace(Settings, ABC):
    """One discrete code: which entries it chooses from. It has no weights, and no part in how entries are drawn.

    A code is either hard, an int64 entry per sample with `categorical.NULL_CODE` for none, or weights of shape (B, N):
    one-hot rows, rows of zeros for none. To add a kind, subclass this and `CodeEmbedding` in a module of its own, name
    them in `registry.AnyCodeSpace` and `registry.CodesEmbedding`; the tests of all kinds then run on it.
    """

    kind: str

    @abstractmethod
    def mask(self, node_masks: Mapping[str, Tensor], device: torch.device) -> Tensor:
        """The entries that exist, bool, (B, N) or (N,), given masks of named sets of nodes: (B, N), or (N,) for all.

        Raises:
            ValueError: the code chooses among nodes that are not given.
        """


class CodeEmbedding(nn.Module, ABC):
    """A vector for every choice of one code, and a learned one, `null_code`, for none."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.null_code = nn.Parameter(torch.randn(channels))

    @abstractmethod
    def chosen(self, weights: Tensor, nodes: Mapping[str, Tensor]) -> Tensor:
        """The vector of the choice, linear in the weights, shape (B, channels); zero for none."""

    def forward(self, weights: Tensor, nodes: Mapping[str, Tensor]) -> Tensor:
        """The vector of each sample's code.

        Args:
            weights: one-hot, relaxed or zero rows, shape (B, N).
            nodes: features of named sets of nodes, finite everywhere, the padding too, shape (B, N, channels); kinds
                that choose among nodes read theirs.

        Returns:
            Shape (B, channels).
        """
        chosen = self.chosen(weights, nodes)
        return chosen + absence(weights).to(chosen)[:, None] * self.null_code


def absence(weights: Tensor) -> Tensor:
    """One where a code is the null code, zero where it is present, shape (B,), for weights of shape (B, N).

    It has no gradient: whether a code is there is decided by dropout, not by the encoder.
    """
    return 1 - weights.detach().sum(-1)
