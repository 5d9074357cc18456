"""What every kind of code is: a choice among entries, and a learned vector for each choice that networks consume."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from discodock.settings import Settings


class CodeSpace(Settings, ABC):
    """One discrete code: which entries it chooses from. It has no weights, and no part in how entries are drawn.

    Networks ask a space for its node set and number of entries, never for its kind: a code either chooses among the
    nodes of a set, or has entries of its own, and exactly one of the two is None.

    A code is either hard, an int64 entry per sample with `categorical.NULL_CODE` for none, or weights of shape (B, N):
    one-hot rows, rows of zeros for none. To add a kind, subclass this and `CodeEmbedding` in a module of its own, and
    name it in `registry.CODE_SPACES`; the tests of all kinds then run on it.
    """

    kind: str

    @property
    @abstractmethod
    def node_set(self) -> str | None:
        """Name of the set of nodes that are the entries; None for a code with entries of its own."""

    @property
    @abstractmethod
    def num_entries(self) -> int | None:
        """Number of entries of its own, the same for every sample; None for a code that chooses among nodes."""

    @abstractmethod
    def make_embedding(self, channels: int) -> CodeEmbedding:
        """A new embedding of the choices, with vectors of so many channels."""

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
