"""Logits of codes from the residue-level networks: an MLP of the scalars of every atom and residue."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, cast

import torch
from e3nn import o3
from torch import Tensor, nn

from discodock.latents.heads import CodeHeads
from discodock.latents.registry import CodeLayout
from discodock.models.code_nodes import COMPLEX, LIGAND, RESIDUES
from discodock.models.disco_diffdock.embedding import PoseNodes
from discodock.nn.scatter import scatter_mean

PARTS: Final = {COMPLEX: (LIGAND, RESIDUES)}
"""Sets of nodes that are made of others, which have heads of their own."""


class ResidueCodeHeads(CodeHeads):
    """Heads of every code, one per set of nodes; scalars and pseudoscalars count alike.

    Args:
        layout: the codes.
        num_hidden: width of the hidden layers.
        irreps: features of the nodes of each set.
    """

    def __init__(self, layout: CodeLayout, num_hidden: int, irreps: Mapping[str, o3.Irreps]) -> None:
        scalar_idx = {name: _scalar_idx(each) for name, each in irreps.items()}
        widths = {name: len(each) for name, each in scalar_idx.items()}

        def node_head(name: str) -> nn.Module:
            return nn.ModuleDict({part: _mlp(widths[part], num_hidden, 1) for part in PARTS.get(name, (name,))})

        def entry_head(num_entries: int) -> nn.Module:
            return nn.Sequential(OrderedDict(pooled=_mlp(sum(widths.values()), num_hidden, num_entries)))

        super().__init__(layout, node_head, entry_head)
        for name, each in scalar_idx.items():
            self.register_buffer(f"{name}_scalars", each, persistent=False)

    def logits(self, nodes: PoseNodes, masks: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Logits of P poses, shape (P, N_i) of every code, zero in the padding.

        Args:
            nodes: features of the nodes.
            masks: real nodes of each set, bool, shapes (P, L), (P, N) and (P, L + N).
        """
        features = {LIGAND: nodes.ligand, RESIDUES: nodes.residues}
        flat = {name: each[:, cast(Tensor, getattr(self, f"{name}_scalars"))] for name, each in features.items()}

        def score_nodes(heads: nn.Module, _name: str, _code: int) -> Tensor:
            columns = []
            for part, head in cast(nn.ModuleDict, heads).items():
                each = head(flat[part]).squeeze(-1)
                columns.append(each.new_zeros(masks[part].shape).masked_scatter(masks[part], each))
            return torch.cat(columns, dim=1)

        def summary(_code: int) -> Tensor:
            means = [scatter_mean(each, masks[name].nonzero()[:, 0], len(masks[name])) for name, each in flat.items()]
            return torch.cat(means, dim=-1)

        return self(summary, score_nodes)


def _scalar_idx(irreps: o3.Irreps) -> Tensor:
    """Columns of the scalars and pseudoscalars."""
    ranges = zip(irreps.slices(), irreps, strict=True)
    return torch.cat([torch.arange(each.start, each.stop) for each, (_, ir) in ranges if ir.l == 0])


def _mlp(num_in: int, num_hidden: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(num_in, num_hidden),
        nn.ReLU(),
        nn.Linear(num_hidden, num_hidden),
        nn.ReLU(),
        nn.Linear(num_hidden, num_out),
    )
