"""Learning the RMSD of sampled poses from the crystal pose, and calibrating the predictions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from discodock.data.poses import PoseBatch
from discodock.models.all_atom.trunk import ComplexContext
from discodock.models.confidence.model import (
    SUCCESS,
    ConfidenceModel,
    ConfidenceModelConfig,
    ConfidencePrediction,
    distance_bins,
)
from discodock.models.confidence.ranking import PoseEvidence
from discodock.noise import Purpose
from discodock.training.optim import ParameterGroup
from discodock.training.task import Task, TaskConfig


class ConfidenceTaskConfig(TaskConfig):
    """The confidence model and how it is trained."""

    model: ConfidenceModelConfig = Field(default_factory=ConfidenceModelConfig, description="network sizes")
    trunk_learning_rate_factor: float = Field(
        0.3, ge=0, description="learning rate of what came from the score model over the rest's"
    )
    atom_weight: float = Field(0.5, ge=0, description="weight of the loss of single atoms against that of whole poses")
    pair_weight: float = Field(
        0.0, ge=0, description="weight of the loss of pairs, of a near-native pose and a decoy of a complex"
    )
    list_weight: float = Field(
        0.0, ge=0, description="weight of the loss of lists, of the near-native poses among all of a complex"
    )


class ConfidenceTask(Task):
    """Cross-entropy of the bins of the RMSD, and of every atom's distance from its crystal position."""

    def __init__(self, config: ConfidenceTaskConfig, max_steps: int) -> None:
        super().__init__(config, max_steps)
        self.config = config
        self.model = ConfidenceModel(config.model)

    def training_step(self, batch: PoseBatch, batch_idx: int) -> Tensor:
        """Loss of a batch of poses."""
        with self.seeded(self.generator(Purpose.TRAINING, self.global_step)):
            losses = self.losses(predict(self.model, batch), batch)
        total = losses["pose"] + self.config.atom_weight * losses["atom"]
        total = total + self.config.pair_weight * losses["pair"] + self.config.list_weight * losses["list"]
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        self.log("train/loss", total.detach(), prog_bar=True)
        return total

    def validation_step(self, batch: PoseBatch, batch_idx: int) -> None:
        """The losses; how many pairs of a near-native pose and a decoy of a complex are told apart; top-1 success."""
        num_complexes = len(batch.complexes.ligand_pos)
        prediction = predict(self.model, batch)
        for name, value in self.losses(prediction, batch).items():
            self.log(f"val/{name}", value, batch_size=num_complexes)
        logit, is_near_native = prediction.success_logit, batch.rmsd < SUCCESS
        best = []
        for row in range(num_complexes):
            own = batch.pose_complex == row
            best.append(is_near_native[own][logit[own].argmax()].float())
            fraction = pair_accuracy(logit[own], is_near_native[own])
            if fraction is not None:
                self.log("val/pairs", fraction, batch_size=1)
        self.log("val/top1", torch.stack(best).mean(), batch_size=num_complexes)
        nats = F.binary_cross_entropy_with_logits(logit, is_near_native.float())
        self.log("val/nats", nats, batch_size=num_complexes)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The heads, and what came from the score model at a rate of its own."""
        trunk, heads = self.model.trunk_parameters()
        return [ParameterGroup(heads), ParameterGroup(trunk, self.config.trunk_learning_rate_factor)]

    def losses(self, prediction: ConfidencePrediction, batch: PoseBatch) -> dict[str, Tensor]:
        """Mean cross-entropies in nats: of poses, of atoms, every pose weighing the same, and of the order."""
        mask = batch.complexes.ligand.topology.atom_mask[batch.pose_complex]
        pose = F.cross_entropy(prediction.logits, distance_bins(batch.rmsd))
        each = F.cross_entropy(
            prediction.atom_logits.transpose(1, 2), distance_bins(batch.atom_error), reduction="none"
        )
        atom = ((each * mask).sum(dim=1) / mask.sum(dim=1)).mean()
        judged = prediction.success_logit, batch.rmsd < SUCCESS, batch.pose_complex
        return {"pose": pose, "atom": atom, "pair": pair_loss(*judged), "list": list_loss(*judged)}


def predict(model: ConfidenceModel, batch: PoseBatch) -> ConfidencePrediction:
    """What the model says of all poses of a batch."""
    return model(encode(model, batch), batch.pos, batch.pose_complex)


def encode(model: ConfidenceModel, batch: PoseBatch) -> ComplexContext:
    """Features of the complexes of a batch, which all their poses share."""
    return model.encode(batch.complexes.receptor, batch.complexes.ligand)


def pair_loss(score: Tensor, is_near_native: Tensor, pose_complex: Tensor) -> Tensor:
    """Cross-entropy of which one of a near-native pose and a decoy is near-native, by the difference of their scores.

    -log sigmoid(s_near_native - s_decoy), mean over pairs of a complex and then over complexes that have any: RankNet,
    Burges et al. 2005, doi 10.1145/1102351.1102363, equation 3.

    Args:
        score: score of all poses, shape (P,).
        is_near_native: true for near-native poses, bool, shape (P,).
        pose_complex: the complex of each pose, int64, shape (P,).

    Returns:
        Nats, a scalar; zero if there is no pair.
    """
    is_pair = is_near_native[:, None] & ~is_near_native[None] & (pose_complex[:, None] == pose_complex[None])
    nats = F.softplus(score[None] - score[:, None]) * is_pair
    own = (pose_complex[:, None] == torch.arange(int(pose_complex.max()) + 1, device=score.device)).to(score.dtype)
    total, number = own.T @ nats.sum(dim=1), own.T @ is_pair.sum(dim=1).to(score.dtype)
    return (total / number.clamp(min=1)).sum() / (number > 0).sum().clamp(min=1)


def list_loss(score: Tensor, is_near_native: Tensor, pose_complex: Tensor) -> Tensor:
    """Cross-entropy of a near-native pose being drawn by the softmax of the scores over all poses of its complex.

    -log Σ_near-native exp(s) / Σ_all exp(s), mean over the complexes that have poses of both kinds: ListNet's
    probability of being ranked first (Cao et al. 2007, doi 10.1145/1273496.1273513), summed over all right answers.

    Args:
        score: score of all poses, shape (P,).
        is_near_native: true for near-native poses, bool, shape (P,).
        pose_complex: the complex of each pose, int64, shape (P,).

    Returns:
        Nats, a scalar; zero if no complex has poses of both kinds.
    """
    own = pose_complex == torch.arange(int(pose_complex.max()) + 1, device=score.device)[:, None]
    is_chosen = ((own & is_near_native).any(dim=1) & (own & ~is_near_native).any(dim=1))[:, None]
    every, near_native = own & is_chosen, own & is_near_native & is_chosen
    nats = _log_sum_exp(score, every) - _log_sum_exp(score, near_native)
    return nats.sum() / is_chosen.sum().clamp(min=1)


def _log_sum_exp(score: Tensor, chosen: Tensor) -> Tensor:
    """Logarithm of the sum of exponentials of the chosen (C, P) scores (P,) of each row; 0 where none is chosen."""
    filled = score.masked_fill(~chosen, -torch.inf)
    return torch.where(chosen.any(dim=1)[:, None], filled, 0.0).logsumexp(dim=1) * chosen.any(dim=1)


def pair_accuracy(score: Tensor, is_near_native: Tensor) -> Tensor | None:
    """Fraction of pairs of a near-native pose and a decoy in which the decoy scores lower; None if there is no pair."""
    near_native, decoys = score[is_near_native], score[~is_near_native]
    if len(near_native) == 0 or len(decoys) == 0:
        return None
    difference = near_native[:, None] - decoys[None]
    return ((difference > 0).float() + 0.5 * (difference == 0).float()).mean()


def evidence(batch: PoseBatch, prediction: ConfidencePrediction) -> PoseEvidence:
    """What is known of the poses of one complex."""
    return PoseEvidence(
        success_logit=prediction.success_logit,
        facts=batch.facts,
        num_atoms=int(batch.complexes.ligand.topology.atom_mask[0].sum()),
    )


@torch.no_grad()
def calibrate(model: ConfidenceModel, train: Iterable[PoseBatch], val: Iterable[PoseBatch]) -> dict[str, float]:
    """Fit the ranking on validation complexes, and learn where the training complexes lie.

    Args:
        model: trained model; its `ranking` and `domain` are changed.
        train: complexes that it was trained on.
        val: complexes of other families, one a batch, with all the poses of the default sampler.

    Returns:
        Figures: numbers of complexes and poses, log-likelihood before and after.
    """
    model.eval()
    features, near_native, weight, unseen = [], [], [], []
    for batch in val:
        context = encode(model, batch)
        prediction = model(context, batch.pos, batch.pose_complex)
        features.append(model.ranking.table(evidence(batch, prediction)))
        near_native.append(batch.rmsd < SUCCESS)
        weight.append(torch.full_like(batch.rmsd, 1 / len(batch.rmsd)))
        unseen.append(model.domain_features(context))
    seen = [model.domain_features(encode(model, batch)) for batch in train]
    table, is_near_native = torch.cat(features), torch.cat(near_native)
    before = F.binary_cross_entropy_with_logits(model.ranking(table), is_near_native.double())
    model.ranking.fit(table, is_near_native, torch.cat(weight))
    after = F.binary_cross_entropy_with_logits(model.ranking(table), is_near_native.double())
    model.domain.fit(_stacked(seen), _stacked(unseen))
    return {
        "val_complexes": len(features),
        "val_poses": len(table),
        "val_success": float(is_near_native.double().mean()),
        "nats_before": float(before),
        "nats_after": float(after),
    }


def _stacked(features: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([each[name] for each in features]) for name in features[0]}
