"""Logits of codes: a number for every node of a set, or for every entry of the code itself."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from discodock.latents.registry import CodeLayout


class CodeHeads(nn.ModuleList):
    """One head for every code of a layout; the network says what heads are made of and how nodes are scored.

    Args:
        layout: the codes.
        node_head: maker of the head of a code that chooses among the nodes of a set, from the name of the set.
        entry_head: maker of the head of a code with entries of its own, from the number of entries.
    """

    def __init__(
        self, layout: CodeLayout, node_head: Callable[[str], nn.Module], entry_head: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        self.node_sets = tuple(space.node_set for space in layout.spaces)
        for space in layout.spaces:
            if space.node_set is not None:
                self.append(node_head(space.node_set))
            elif space.num_entries is not None:
                self.append(entry_head(space.num_entries))

    def forward(
        self, summary: Callable[[int], Tensor], score_nodes: Callable[[nn.Module, str, int], Tensor]
    ) -> tuple[Tensor, ...]:
        """Logits of every code, shape (B, N_i).

        Args:
            summary: pooled features (B, channels), from the number of a code; its own entries are scored from these.
            score_nodes: logits (B, N) of the nodes of a set, from a head, the name of the set and the number of the
                code.
        """
        rows = enumerate(zip(self, self.node_sets, strict=True))
        return tuple(head(summary(i)) if name is None else score_nodes(head, name, i) for i, (head, name) in rows)
