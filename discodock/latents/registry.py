"""The kinds of codes, and a layout of several of them: what an encoder infers and a prior predicts, in this order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, cast

import torch
from pydantic import BeforeValidator, Field, SerializeAsAny
from torch import Tensor, nn

from discodock.latents.categorical import NULL_CODE, hard_codes, one_hot
from discodock.latents.codebook import Codebook
from discodock.latents.pointer import Pointer
from discodock.latents.space import CodeEmbedding, CodeSpace
from discodock.settings import Settings

CODE_SPACES: Final[dict[str, type[CodeSpace]]] = {"pointer": Pointer, "codebook": Codebook}
"""The kinds of codes by name."""


def read_code_space(values: Any) -> CodeSpace:
    """A code space from plain data with its `kind`, as a configuration has it; code spaces pass.

    Raises:
        ValueError: there is no such kind, or its settings are not usable.
    """
    if isinstance(values, CodeSpace):
        return values
    kind = values.get("kind") if isinstance(values, Mapping) else None
    if kind not in CODE_SPACES:
        raise ValueError(f"the kind of a code must be one of {', '.join(CODE_SPACES)}, not {kind!r}")
    return CODE_SPACES[kind].model_validate(values)


AnyCodeSpace = Annotated[SerializeAsAny[CodeSpace], BeforeValidator(read_code_space)]
"""The type of a code space in a configuration: all kinds of codes, told apart by `kind`."""


class CodeLayout(Settings):
    """Several codes, of mixed kinds, in the order in which the prior draws them.

    Lists and tuples over codes have one tensor per code, because each may have its own number of entries N_i: logits
    and weights (B, N_i), masks (B, N_i) or (N_i,). Hard codes are one int64 tensor of shape (B, num_codes).
    """

    spaces: tuple[AnyCodeSpace, ...] = Field(min_length=1, max_length=64, description="the codes, first drawn first")

    @property
    def num_codes(self) -> int:
        """How many codes there are."""
        return len(self.spaces)

    def masks(self, node_masks: Mapping[str, Tensor], device: torch.device) -> tuple[Tensor, ...]:
        """The entries of every code that exist, given masks of named sets of nodes; see `CodeSpace.mask`."""
        return tuple(space.mask(node_masks, device) for space in self.spaces)

    def one_hot(self, codes: Tensor, masks: Sequence[Tensor], dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
        """Weights of hard codes of shape (B, num_codes), where null codes are rows of zeros."""
        columns = zip(codes.unbind(1), masks, strict=True)
        return tuple(one_hot(column, mask.shape[-1], dtype) for column, mask in columns)


def stack_hard_codes(weights: Sequence[Tensor]) -> Tensor:
    """Hard codes of the weights of every code, int64, shape (B, num_codes), null codes where weights are zero."""
    return torch.stack([hard_codes(each) for each in weights], dim=1)


def null_codes(num_samples: int, layout: CodeLayout, device: torch.device) -> Tensor:
    """Hard codes of samples without any code, int64, shape (B, num_codes)."""
    return torch.full((num_samples, layout.num_codes), NULL_CODE, dtype=torch.int64, device=device)


class CodesEmbedding(nn.Module):
    """What a network consumes of the codes: one vector per code.

    Every network that reads codes has an embedding of its own: the score model for instance, and the prior.

    Args:
        layout: the codes.
        channels: number of channels of every vector.
        make: maker of the embedding of one code, for networks that want more of it.
    """

    def __init__(
        self,
        layout: CodeLayout,
        channels: int,
        make: Callable[[CodeSpace, int], CodeEmbedding] = lambda space, channels: space.make_embedding(channels),
    ) -> None:
        super().__init__()
        self.codes = nn.ModuleList(make(space, channels) for space in layout.spaces)

    def forward(self, weights: Sequence[Tensor], nodes: Mapping[str, Tensor]) -> Tensor:
        """One vector per code, for cross-attention, or summed for a shift.

        Args:
            weights: weights of every code, shape (B, N_i), rows of zeros for null codes.
            nodes: features of the sets of nodes that pointers choose from, by name, finite everywhere, the padding too,
                shape (B, N, channels).

        Returns:
            Shape (B, num_codes, channels).
        """
        rows = zip(self.codes, weights, strict=True)
        return torch.stack([cast(CodeEmbedding, code)(each, nodes) for code, each in rows], dim=1)
