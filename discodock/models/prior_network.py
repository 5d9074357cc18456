"""What every kind of prior network is: logits of codes from receptor and unbound ligand, before anything is docked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from torch import Tensor, nn

from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.latents.prior import CodePrior
from discodock.latents.registry import CodeLayout

ContextT = TypeVar("ContextT")


class PriorNetwork(nn.Module, ABC, Generic[ContextT]):
    """p(z_1 ... z_m given receptor and unbound ligand); `ContextT` is what is computed once per complex.

    Contexts have the nodes that pointers choose among as `nodes`, a `code_nodes.CodeNodes`.

    Attributes:
        layout: the codes.
    """

    score_parts: ClassVar[tuple[str, ...]]
    """Modules that score models of the same kind have too, under the same names: training may start from theirs."""

    layout: CodeLayout

    @abstractmethod
    def encode(self, receptor: ReceptorGraph, ligand: LigandGraph, center: Tensor) -> ContextT:
        """Encode B complexes once, for any number of draws.

        Args:
            receptor: receptors, in the form that score models of this kind take.
            ligand: unbound molecules.
            center: point where docking begins, in the frame of the receptor, Å, shape (B, 3).
        """

    @abstractmethod
    def prior(self, context: ContextT, sample_complex: Tensor, conformer: Tensor) -> CodePrior:
        """The distribution of the codes of P samples.

        Args:
            context: context of the complexes, from `encode`.
            sample_complex: the complex of each sample, int64, shape (P,).
            conformer: conformer of the unbound ligand of each sample, at random torsions and orientation, anywhere, Å,
                shape (P, L, 3). Never one that was matched to the bound pose.
        """

    def from_score_model(self, score_weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Those of a score model's weights that this network may start from, by their names in it."""
        return {key: value for key, value in score_weights.items() if self._is_shared(key)}

    def split_parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Parameters that a score model may give, and the rest."""
        named = list(self.named_parameters())
        return [p for name, p in named if self._is_shared(name)], [p for name, p in named if not self._is_shared(name)]

    def _is_shared(self, name: str) -> bool:
        return name.startswith(tuple(f"{part}." for part in self.score_parts))
