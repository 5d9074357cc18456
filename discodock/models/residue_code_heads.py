"""Logits of codes from the residue-level networks: an MLP of the scalars of every atom and residue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from e3nn import o3
from torch import Tensor, nn
from torch_geometric.utils import scatter

from discodock.latents.codebook import Codebook
from discodock.latents.registry import AnyCodeSpace, CodeLayout
from discodock.models.code_nodes import COMPLEX, LIGAND, RESIDUES
from discodock.models.residue_embedding import PoseNodes


class ResidueCodeHeads(nn.ModuleList):
    """Heads of every code, one per set of nodes; scalars and pseudoscalars count alike.

    Args:
        layout: the codes.
        num_hidden: width of the hidden layers.
        irreps: features of the nodes of each set.
    """

    def __init__(self, layout: CodeLayout, num_hidden: int, irreps: Mapping[str, o3.Irreps]) -> None:
        scalar_idx = {name: _scalar_idx(each) for name, each in irreps.items()}
        widths = {name: len(each) for name, each in scalar_idx.items()}
        super().__init__(_heads(space, num_hidden, widths) for space in layout.spaces)
        self.spaces = layout.spaces
        for name, each in scalar_idx.items():
            self.register_buffer(f"{name}_scalars", each, persistent=False)

    def forward(self, nodes: PoseNodes, masks: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Logits of P poses, shape (P, N_i) of every code, zero in the padding.

        Args:
            nodes: features.
            masks: real nodes of each set, bool, shapes (P, L), (P, N) and (P, L + N).
        """
        features = {LIGAND: nodes.ligand, RESIDUES: nodes.residues}
        flat = {name: each[:, cast(Tensor, getattr(self, f"{name}_scalars"))] for name, each in features.items()}
        heads = [cast(nn.ModuleDict, each) for each in self]
        return tuple(_logits(space, each, flat, masks) for space, each in zip(self.spaces, heads, strict=True))


def _scalar_idx(irreps: o3.Irreps) -> Tensor:
    """Columns of the scalars and pseudoscalars."""
    ranges = zip(irreps.slices(), irreps, strict=True)
    return torch.cat([torch.arange(each.start, each.stop) for each, (_, ir) in ranges if ir.l == 0])


def _heads(space: AnyCodeSpace, num_hidden: int, widths: Mapping[str, int]) -> nn.ModuleDict:
    if isinstance(space, Codebook):
        return nn.ModuleDict({"pooled": _mlp(sum(widths.values()), num_hidden, space.codebook_size)})
    names = (LIGAND, RESIDUES) if space.nodes == COMPLEX else (space.nodes,)
    return nn.ModuleDict({name: _mlp(widths[name], num_hidden, 1) for name in names})


def _logits(
    space: AnyCodeSpace, heads: nn.ModuleDict, flat: Mapping[str, Tensor], masks: Mapping[str, Tensor]
) -> Tensor:
    if isinstance(space, Codebook):
        means = [
            scatter(each, masks[name].nonzero()[:, 0], dim_size=len(masks[name]), reduce="mean")
            for name, each in flat.items()
        ]
        return heads["pooled"](torch.cat(means, dim=-1))
    columns = []
    for name, head in heads.items():
        each = head(flat[name]).squeeze(-1)
        columns.append(each.new_zeros(masks[name].shape).masked_scatter(masks[name], each))
    return torch.cat(columns, dim=1)


def _mlp(num_in: int, num_hidden: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(num_in, num_hidden),
        nn.ReLU(),
        nn.Linear(num_hidden, num_hidden),
        nn.ReLU(),
        nn.Linear(num_hidden, num_out),
    )
