"""The site stage: learn at which residue of a whole protein a ligand binds, and where beside it."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from discodock.data.residues import SiteBatch
from discodock.graphs import ReceptorGraph
from discodock.models.site.distinct import MAX_SITES, distinct_sites
from discodock.models.site.model import SiteModel, SiteModelConfig, SitePrediction
from discodock.noise import Purpose
from discodock.training.task import Task, TaskConfig


class SiteTaskConfig(TaskConfig):
    """The site model and how it is trained."""

    model: SiteModelConfig = Field(default_factory=SiteModelConfig, description="network sizes")
    width: float = Field(3.0, gt=0, description="a residue is a target with weight exp(-d^2 / 2 width^2), Å")
    reach: float = Field(12.0, gt=0, description="farthest target residue from the crystal centroid, Å")
    offset_reach: float = Field(10.0, gt=0, description="farthest residue whose offset is trained, Å")
    offset_weight: float = Field(0.2, ge=0, description="weight of the offset's loss, per Å, against the cross-entropy")
    success_radius: float = Field(6.0, gt=0, description="a site this near to the crystal centroid is found, Å")


class SiteTask(Task):
    """Cross-entropy of the site code against its geometric encoder, and a robust loss of the offsets."""

    def __init__(self, config: SiteTaskConfig, max_steps: int) -> None:
        super().__init__(config, max_steps)
        self.config = config
        self.model = SiteModel(config.model)

    def training_step(self, batch: SiteBatch, batch_idx: int) -> Tensor:
        """Loss of a batch of complexes."""
        with self.seeded(self.generator(Purpose.TRAINING, self.global_step)):
            prediction = self._predict(batch)
        losses = self.losses(prediction, batch)
        total = losses["code"] + self.config.offset_weight * losses["offset"]
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        self.log("train/loss", total.detach(), prog_bar=True)
        return total

    def validation_step(self, batch: SiteBatch, batch_idx: int) -> None:
        """The losses, and how often the crystal site is among the first and the first few distinct sites."""
        num_complexes = len(batch.ligand_center)
        prediction = self._predict(batch)
        found = {f"val/{name}": value for name, value in self.losses(prediction, batch).items()}
        distance = site_distances(prediction, batch.ligand_center)  # (B, MAX_SITES)
        radius = self.config.success_radius
        found["val/top1"] = (distance[:, 0] < radius).float().mean()
        found["val/top5"] = (distance < radius).any(dim=1).float().mean()
        self.log_dict(found, batch_size=num_complexes)

    def losses(self, prediction: SitePrediction, batch: SiteBatch) -> dict[str, Tensor]:
        """Mean cross-entropy in nats (`code`), and mean error of the predicted centres of near residues (`offset`).

        The latter is 0 if no residue is near.
        """
        distance = (batch.residues.pos - batch.ligand_center[:, None]).norm(dim=-1)
        distance = distance.masked_fill(~prediction.mask, torch.inf)
        target = site_targets(distance, self.config.width, self.config.reach)
        code = prediction.prior().cross_entropy(target.argmax(dim=1, keepdim=True), (target,)).mean()
        near = distance < self.config.offset_reach
        goal = batch.ligand_center[:, None].expand_as(prediction.center)[near]
        error = F.huber_loss(prediction.center[near], goal, reduction="sum")
        return {"code": code, "offset": error / max(1, goal.numel())}

    def _predict(self, batch: SiteBatch) -> SitePrediction:
        return self.model(batch.residues, batch.ligand)


class FrozenReceptorEncoder:
    """An `EncodeReceptor` of features without dropout, for the data set to compute once for each receptor and keep.

    Args:
        model: score model whose receptor encoder, which is not trained, is copied as it is now; the copy stays on the
            CPU, wherever the model is trained.
    """

    def __init__(self, model: SiteModel) -> None:
        self.model = copy.deepcopy(model).cpu().eval()

    def __call__(self, receptor: ReceptorGraph) -> tuple[Tensor, Tensor]:
        """Residue features of one receptor; see `SiteModel.encode_receptor`."""
        return self.model.encode_receptor(receptor)


def site_targets(distance: Tensor, width: float, reach: float) -> Tensor:
    """The site code's encoder: q(residue | complex) ~ exp(-d^2 / 2 width^2) over d < reach, or the nearest.

    Args:
        distance: distance of residue centroids from the crystal ligand's, infinite in the padding, Å, shape (B, N).
        width: width of the Gaussian weight of near residues, Å.
        reach: farthest residue with a weight, Å.

    Returns:
        Probabilities, shape (B, N).
    """
    nearest = distance.amin(dim=1, keepdim=True)
    is_near = (distance < reach) | (distance == nearest)
    return torch.softmax((-0.5 * (distance / width) ** 2).masked_fill(~is_near, -torch.inf), dim=1)


def site_distances(prediction: SitePrediction, ligand_center: Tensor) -> Tensor:
    """Distances of the distinct sites' centres from the crystal ligands', most probable first.

    Args:
        prediction: predictions for B receptors.
        ligand_center: centroids of the crystal ligands, Å, shape (B, 3).

    Returns:
        Å, shape (B, MAX_SITES); infinite where there are fewer sites.
    """
    distance = ligand_center.new_full((len(ligand_center), MAX_SITES), torch.inf)
    for row, center in enumerate(ligand_center):
        mask = prediction.mask[row]
        probs = torch.softmax(prediction.logits[row, mask].float(), dim=0)
        for rank, site in enumerate(distinct_sites(probs, prediction.center[row, mask])):
            distance[row, rank] = float((site.center - center.cpu()).norm())
    return distance
