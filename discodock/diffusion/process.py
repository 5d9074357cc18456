"""The diffusion of ligand poses on R^3 x SO(3) x T^k: forward kernel, targets, output scaling and losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from discodock.diffusion.schedule import NoiseSchedule
from discodock.distributions import igso3, wrapped_normal
from discodock.geometry.alignment import masked_centroid
from discodock.geometry.pose import PoseTangent, update_pose
from discodock.geometry.rotations import rotvec_from_normal
from discodock.geometry.topology import LigandTopology
from discodock.noise import NoiseLike, standard_normal
from discodock.settings import Settings


class PoseProcessConfig(Settings):
    """Noise ranges of the three components; the defaults dock into a known or sampled site."""

    tr: NoiseSchedule = Field(
        default=NoiseSchedule(sigma_min=0.2, sigma_max=2.5), description="translation, Å per axis"
    )
    rot: NoiseSchedule = Field(
        default=NoiseSchedule(sigma_min=0.1, sigma_max=1.6), description="rotation, rad per axis"
    )
    tor: NoiseSchedule = Field(default=NoiseSchedule(sigma_min=0.12, sigma_max=3.14), description="torsion angles, rad")
    tr_weight: float = Field(default=1.0, ge=0, description="weight of the translation loss, no unit")
    rot_weight: float = Field(default=1.0, ge=0, description="weight of the rotation loss, no unit")
    tor_weight: float = Field(default=1.0, ge=0, description="weight of the torsion loss, no unit")


@dataclass(frozen=True)
class PoseSigmas:
    """Noise levels of P poses: `tr` in Å, `rot` and `tor` in rad, each of shape (P,)."""

    tr: Tensor
    rot: Tensor
    tor: Tensor


@dataclass(frozen=True)
class NoisyPose:
    """A draw from the forward kernel.

    Attributes:
        pos: noisy positions in Å, shape (P, L, 3).
        score: the kernel's exact score at the draw, in 1/Å and 1/rad.
    """

    pos: Tensor
    score: PoseTangent


@dataclass(frozen=True)
class PoseLosses:
    """Losses of P poses, each of shape (P,) and about 1 on average for a network that predicts zero.

    Attributes:
        tr: loss of the translation.
        rot: loss of the rotation.
        tor: loss of the torsions: mean over a pose's rotatable bonds; 0 for a pose without any.
        has_tor: 1 for poses with rotatable bonds, else 0, in the dtype of the losses: average `tor` over these.
    """

    tr: Tensor
    rot: Tensor
    tor: Tensor
    has_tor: Tensor


class PoseProcess:
    """Variance-exploding diffusion of poses; everything that knows both sigma and the manifold is here.

    Networks work at unit scale: their output times `to_score`'s factors is the score, as EDM preconditions its own.

    Source: Corso et al. 2023, arXiv 2210.01776, section 4; losses scaled as in DisCo-Diff, arXiv 2407.03300.
    """

    def __init__(self, config: PoseProcessConfig) -> None:
        self.config = config

    def sigmas(self, t: Tensor) -> PoseSigmas:
        """Noise levels at times `t`, 1 = noise; shape (P,), or (P, 3) for a time of each component (tr, rot, tor)."""
        tr, rot, tor = t.unbind(-1) if t.ndim == 2 else (t, t, t)
        return PoseSigmas(self.config.tr.sigma(tr), self.config.rot.sigma(rot), self.config.tor.sigma(tor))

    def perturb(self, pos: Tensor, topology: LigandTopology, t: Tensor, noise: NoiseLike) -> NoisyPose:
        """Draw noisy poses at times `t` and the exact score of the kernel that drew them.

        The three components are drawn independently (normal, IGSO(3), wrapped normal) and applied by `update_pose`.

        Args:
            pos: clean positions in Å, shape (P, L, 3).
            topology: rotatable bonds and padding of the poses.
            t: times in [0, 1], shape (P,), or (P, 3) by component.
            noise: generator or noise source of all random numbers.
        """
        sigmas = self.sigmas(t)
        unit = draw_unit_tangent(topology, noise, like=pos)
        sigma_tor = sigmas.tor[:, None]
        update = PoseTangent(
            tr=unit.tr * sigmas.tr[:, None],
            rot=igso3.from_normal(unit.rot, sigmas.rot),
            tor=wrapped_normal.from_normal(unit.tor, sigma_tor),
        )
        score = PoseTangent(
            tr=-unit.tr / sigmas.tr[:, None],
            rot=igso3.score(update.rot, sigmas.rot),
            tor=torch.where(topology.tor_mask, wrapped_normal.score(update.tor, sigma_tor), 0),
        )
        return NoisyPose(update_pose(pos, topology, update), score)

    def prior_sample(
        self,
        conformer_pos: Tensor,
        topology: LigandTopology,
        center: Tensor,
        noise: NoiseLike,
        *,
        tor_start: float = 1.0,
    ) -> Tensor:
        """Draw poses at t = 1: orientation and torsions uniform, centroid normal about `center` with tr's sigma_max.

        Args:
            conformer_pos: any conformers of the ligands in Å, shape (P, L, 3).
            topology: rotatable bonds and padding of the poses.
            center: pocket centres in Å, shape (P, 3).
            noise: generator or noise source of all random numbers.
            tor_start: time of the torsions; below 1 they are those of the conformer plus the noise of that time.

        Returns:
            Positions in Å, shape (P, L, 3).
        """
        num_poses, num_torsions = topology.tor_mask.shape
        drawn = standard_normal(noise, (num_poses, 7 + num_torsions), like=conformer_pos)
        shift = center - masked_centroid(conformer_pos, topology.atom_mask)
        tor = 2 * torch.pi * torch.special.ndtr(drawn[:, 7:])  # a normal's own CDF of it is uniform
        if tor_start < 1:
            tor = drawn[:, 7:] * self.config.tor.sigma(drawn.new_tensor(tor_start))
        update = PoseTangent(
            tr=shift + drawn[:, :3] * self.config.tr.sigma_max, rot=rotvec_from_normal(drawn[:, 3:7]), tor=tor
        )
        return update_pose(conformer_pos, topology, update)

    def to_score(self, output: PoseTangent, t: Tensor) -> PoseTangent:
        """Scale unit-variance network outputs to scores at times `t`, shape (P,) or (P, 3): 1/Å and 1/rad."""
        scale = self._score_scale(t)
        return PoseTangent(
            output.tr * scale.tr[:, None], output.rot * scale.rot[:, None], output.tor * scale.tor[:, None]
        )

    def losses(self, output: PoseTangent, score: PoseTangent, topology: LigandTopology, t: Tensor) -> PoseLosses:
        """Denoising score matching, each component divided by its expected squared score.

        Args:
            output: network outputs at unit scale.
            score: the kernel's score from `perturb`.
            topology: rotatable bonds, real ones told from padding.
            t: times, shape (P,) or (P, 3).
        """
        scale = self._score_scale(t)
        tor_mask = topology.tor_mask.to(score.tor.dtype)
        num_torsions = tor_mask.sum(-1)
        tor_error = (output.tor - score.tor / scale.tor[:, None]).square() * tor_mask
        return PoseLosses(
            tr=(output.tr - score.tr / scale.tr[:, None]).square().mean(-1),
            rot=(output.rot - score.rot / scale.rot[:, None]).square().mean(-1),
            tor=tor_error.sum(-1) / num_torsions.clamp(min=1),
            has_tor=num_torsions.clamp(max=1),
        )

    def _score_scale(self, t: Tensor) -> PoseSigmas:
        """Root mean square of the kernel's score per coordinate, each of shape (P,)."""
        sigmas = self.sigmas(t)
        return PoseSigmas(
            tr=1 / sigmas.tr,
            rot=torch.sqrt(igso3.score_norm(sigmas.rot) / 3),
            tor=torch.sqrt(wrapped_normal.score_norm(sigmas.tor)),
        )


def draw_unit_tangent(topology: LigandTopology, noise: NoiseLike, like: Tensor) -> PoseTangent:
    """Independent standard normals for every degree of freedom, zero at padded bonds; one call to `noise`."""
    num_poses, num_torsions = topology.tor_mask.shape
    drawn = standard_normal(noise, (num_poses, 6 + num_torsions), like=like)
    return PoseTangent(drawn[:, :3], drawn[:, 3:6], torch.where(topology.tor_mask, drawn[:, 6:], 0))
