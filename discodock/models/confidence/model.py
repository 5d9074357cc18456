"""The confidence model: how far a pose is from the native one, as a distribution over distances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Final

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.models.all_atom.trunk import ComplexContext, PoseTrunk, PoseTrunkConfig
from discodock.models.confidence.domain import ApplicabilityDomain
from discodock.models.confidence.ranking import DEFAULT_FEATURES, EVIDENCE, UNNAMED_FEATURES, PoseRanking
from discodock.nn.features import GatedUpdate
from discodock.nn.scatter import scatter_max, scatter_mean, scatter_softmax, scatter_sum
from discodock.settings import one_of

BIN_EDGES: Final = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
"""Å between the bins of distances; one of them is `SUCCESS`."""

SUCCESS: Final = 2.0
"""Å below which a pose counts as near-native."""

_NUM_NEAR_NATIVE: Final = BIN_EDGES.index(SUCCESS) + 1
BIN_CENTERS: Final = (0.35, *((low + high) / 2 for low, high in pairwise(BIN_EDGES)), 12.0)
"""Å that stand for the bins, the last of them open."""


class ConfidenceModelConfig(PoseTrunkConfig):
    """Sizes of the confidence model."""

    dropout: float = Field(0.1, ge=0, lt=1, description="dropout of what the heads read")
    attention_heads: int = Field(
        0, ge=0, description="weighted means of the atoms, learned, that a pose is judged by beside mean and maximum"
    )
    ranking_features: tuple[Annotated[str, one_of(lambda: EVIDENCE)], ...] = Field(
        DEFAULT_FEATURES, min_length=1, description="features that poses are ranked by, names in `EVIDENCE`"
    )


def read_confidence_config(values: Mapping[str, Any]) -> ConfidenceModelConfig:
    """Settings as a checkpoint has them; one that does not name the features of its ranking has the first ones.

    Raises:
        ValidationError: a value is unusable, such as a feature that is not in `EVIDENCE`.
    """
    return ConfidenceModelConfig.model_validate({"ranking_features": UNNAMED_FEATURES, **values})


@dataclass(frozen=True)
class ConfidencePrediction:
    """What the model says of P poses.

    Attributes:
        logits: logits over the bins of the RMSD from the native pose, never in half precision, shape (P,
            len(BIN_CENTERS)).
        atom_logits: logits over the bins of each atom's distance from its native position, never in half precision,
            shape (P, L, len(BIN_CENTERS)); meaningless in the padding.
    """

    logits: Tensor
    atom_logits: Tensor

    @property
    def success_logit(self) -> Tensor:
        """log-odds of an RMSD below 2 Å, shape (P,)."""
        near_native = self.logits[:, :_NUM_NEAR_NATIVE].logsumexp(dim=1)
        return near_native - self.logits[:, _NUM_NEAR_NATIVE:].logsumexp(dim=1)

    def expected_rmsd(self, prob: Tensor | None = None) -> Tensor:
        """Expected RMSD, Å, shape (P,).

        Args:
            prob: a better probability (P,) of an RMSD below 2 Å, which then replaces the distribution's own.
        """
        center = self.logits.new_tensor(BIN_CENTERS)
        near_native = (self.logits[:, :_NUM_NEAR_NATIVE].softmax(dim=1) * center[:_NUM_NEAR_NATIVE]).sum(dim=1)
        decoy = (self.logits[:, _NUM_NEAR_NATIVE:].softmax(dim=1) * center[_NUM_NEAR_NATIVE:]).sum(dim=1)
        prob = torch.sigmoid(self.success_logit) if prob is None else prob
        return prob * near_native + (1 - prob) * decoy

    @property
    def atom_error(self) -> Tensor:
        """Expected distance of each atom from its native position, Å, shape (P, L)."""
        return (self.atom_logits.softmax(dim=-1) * self.atom_logits.new_tensor(BIN_CENTERS)).sum(dim=-1)


class ConfidenceModel(PoseTrunk):
    """Invariant distributions over a pose's and its atoms' distance from the native pose, for poses without noise.

    It has the score model's trunk, at time 0 and without codes, so that it can start from a score model.

    Attributes:
        ranking: logistic regression that combines its prediction with physics, fitted on validation complexes.
        domain: applicability domain: the complexes that it was trained on.
    """

    def __init__(self, config: ConfidenceModelConfig) -> None:
        super().__init__(config)
        num_scalars, num_bins = config.num_scalars, len(BIN_CENTERS)
        self.update = GatedUpdate(num_scalars, config.num_vectors)
        self.norm, self.dropout = nn.LayerNorm(num_scalars), nn.Dropout(config.dropout)
        self.atom_head = _mlp(num_scalars, num_scalars, num_bins)
        num_attention = config.attention_heads
        self.attention = nn.Linear(num_scalars, num_attention) if num_attention else None
        self.pose_head = _mlp((2 + num_attention) * num_scalars + 1, num_scalars, num_bins)
        self.ranking = PoseRanking(config.ranking_features)
        self.domain = ApplicabilityDomain({"ligand": num_scalars, "pocket": num_scalars})

    def forward(self, context: ComplexContext, pos: Tensor, pose_complex: Tensor) -> ConfidencePrediction:
        """Judge P poses.

        Args:
            context: context of the complexes, from `encode`.
            pos: ligand atoms in the frame of the receptor, Å, shape (P, L, 3).
            pose_complex: the complex of each pose, int64, shape (P,).
        """
        mask = context.ligand.topology.atom_mask[pose_complex]
        features = self.features(context, pos, pose_complex, self.time_embedding(pos.new_zeros(len(pos))))
        scalars = self.dropout(self.norm((features + self.update(features)).scalars))
        pose = torch.arange(len(pos), device=pos.device).repeat_interleave(mask.sum(dim=1))
        pooled = [reduce(scalars, pose, len(pos)) for reduce in (scatter_mean, scatter_max)]
        if self.attention is not None:
            attention = scatter_softmax(self.attention(scalars), pose, len(pos))
            pooled += [scatter_sum(weight[:, None] * scalars, pose, len(pos)) for weight in attention.unbind(dim=1)]
        size = mask.sum(dim=1, keepdim=True).to(scalars.dtype).log()
        atom_logits = pos.new_zeros(*mask.shape, len(BIN_CENTERS))
        atom_logits[mask] = self.atom_head(scalars).to(pos.dtype)
        return ConfidencePrediction(self.pose_head(torch.cat([*pooled, size], dim=1)).to(pos.dtype), atom_logits)

    def domain_features(self, context: ComplexContext) -> dict[str, Tensor]:
        """What B complexes are like, for `domain`: means over ligand and pocket atoms, each of shape (B, S)."""
        counts = context.ligand.topology.atom_mask.sum(dim=1, keepdim=True)
        return {"ligand": context.ligand_scalars.sum(dim=1) / counts, "pocket": context.pocket}

    def from_score_model(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights of a score model that this model has too, by name; those of codes are left out."""
        own = self.state_dict()
        return {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}

    def trunk_parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Parameters that a score model has too, and the rest."""
        heads = ("update.", "norm.", "attention.", "atom_head.", "pose_head.")
        named = list(self.named_parameters())
        trunk = [parameter for name, parameter in named if not name.startswith(heads)]
        return trunk, [parameter for name, parameter in named if name.startswith(heads)]


def distance_bins(distance: Tensor) -> Tensor:
    """Bins of distances in Å, int64, same shape."""
    return torch.bucketize(distance, distance.new_tensor(BIN_EDGES), right=True)


def _mlp(num_in: int, num_hidden: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(num_in, num_hidden), nn.SiLU(), nn.Linear(num_hidden, num_out))
