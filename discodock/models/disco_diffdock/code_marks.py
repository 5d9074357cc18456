"""How the residue-level networks read discrete codes: marks among the features of all nodes and edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from discodock.latents.registry import CodeLayout
from discodock.latents.space import CodeEmbedding
from discodock.models.code_marks import MarkedCodesEmbedding
from discodock.models.code_nodes import COMPLEX, LIGAND, RESIDUES


class CodeMarks(nn.Module):
    """Features that tell every node which codes point at it, or that its pose has no codes.

    With a one-hot column per code and a learned embedding of "no codes", as DisCo-DiffDock has them, a linear layer
    would give the same. The vector of a code that chooses no node is added at all of them.
    """

    def __init__(self, layout: CodeLayout, num_channels: int) -> None:
        super().__init__()
        self.embedding = MarkedCodesEmbedding(layout, num_channels)
        self.at_all_nodes = [i for i, space in enumerate(layout.spaces) if space.node_set is None]
        for index, code in enumerate(self.embedding.codes):
            if index not in self.at_all_nodes:  # nobody reads these; data-parallel training wants that known
                cast(CodeEmbedding, code).null_code.requires_grad_(False)

    def forward(self, codes: Sequence[Tensor], masks: Mapping[str, Tensor]) -> Tensor:
        """Marks at the ligand atoms, then the residues, of P poses, shape (P, L + N, channels).

        Args:
            codes: weights (P, N_i) of every code, rows of zeros for null codes.
            masks: real nodes of each set, bool, shapes (P, L), (P, N) and (P, L + N).
        """
        apart = [self.embedding.marks(codes, name, masks[name]) for name in (LIGAND, RESIDUES)]
        marks = torch.cat(apart, dim=1) + self.embedding.marks(codes, COMPLEX, masks[COMPLEX])
        for index in self.at_all_nodes:
            vector = self.embedding.codes[index](codes[index], {})
            marks = marks + vector[:, None] * masks[COMPLEX][..., None]
        return marks


def null_codes_of(layout: CodeLayout, masks: Mapping[str, Tensor], like: Tensor) -> tuple[Tensor, ...]:
    """Weights of P poses without codes, in the dtype and on the device of `like`, shape (P, N_i) of every code."""
    return tuple(like.new_zeros(len(like), mask.shape[-1]) for mask in layout.masks(masks, like.device))
