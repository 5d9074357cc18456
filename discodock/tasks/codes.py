"""Discrete codes in stage 1: what they are, and how they are learned."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from discodock.data.batch import ComplexBatch
from discodock.errors import ConfigError
from discodock.latents.dropout import CodeDropout
from discodock.latents.pointer import Pointer
from discodock.latents.posterior import CodeDraw
from discodock.latents.prior import random_positions
from discodock.latents.registry import CodeLayout
from discodock.latents.relaxation import TemperatureSchedule
from discodock.models.all_atom.code_encoder import CodeEncoderConfig
from discodock.models.all_atom.code_prior import CodePriorConfig, CodePriorNetwork
from discodock.models.registry import AnyCodeEncoderConfig, AnyCodePrior, AnyScoreModelConfig
from discodock.settings import Settings

DEFAULT_LAYOUT = CodeLayout(spaces=(Pointer(nodes="ligand"), Pointer(nodes="residues")))
"""A ligand atom, and the residue beside which it lies."""


class CodesConfig(Settings):
    """The discrete codes, their encoder, and how both are trained."""

    renamed = {"rate_weight": "kl_weight"}

    layout: CodeLayout = Field(DEFAULT_LAYOUT, description="the codes, first drawn first")
    encoder: AnyCodeEncoderConfig = Field(
        default_factory=CodeEncoderConfig, description="kind and network sizes of the encoder"
    )
    dropout: CodeDropout = Field(
        default_factory=CodeDropout, description="probabilities of denoising a pose without codes"
    )
    temperature: TemperatureSchedule = Field(
        default_factory=TemperatureSchedule, description="temperature of the Gumbel-softmax's gradient"
    )
    learning_rate_factor: float = Field(
        1.0,
        ge=0,
        description="the encoder's learning rate over the score model's; 0 leaves it alone, and so its prior",
    )
    kl_weight: float = Field(
        0.0,
        ge=0,
        description="weight of KL(encoder || prior) in the loss, 1/nat, with a prior learned beside it; 0: none",
    )
    prior: CodePriorConfig = Field(default_factory=CodePriorConfig, description="sizes of that prior")

    def joint_prior(self, model: AnyScoreModelConfig) -> CodePriorNetwork | None:
        """The prior that is learned beside the encoder, untrained; None if there is to be none.

        Raises:
            ConfigError: score models of this kind have none.
        """
        if self.kl_weight == 0:
            return None
        if model.kind != "all_atom":
            raise ConfigError(f"codes.kl_weight: models of kind {model.kind} have no such prior; set it to 0")
        return CodePriorNetwork(self.prior, self.layout, model)


def encode_unbound(prior: AnyCodePrior, batch: ComplexBatch) -> Any:
    """What a prior sees of a batch: receptors, molecular graphs, and the origin, where docking begins."""
    return prior.encode(batch.receptor, batch.ligand, batch.ligand_pos.new_zeros(len(batch.ligand_pos), 3))


def kl_divergence(
    prior: CodePriorNetwork, batch: ComplexBatch, pose_complex: Tensor, drawn: CodeDraw, generator: torch.Generator
) -> Tensor:
    """Estimate of KL(encoder || prior) of all codes together, mean over poses, nats, from one code of every pose.

    The regulariser, or rate, of the evidence lower bound (Kingma, Welling 2014, arXiv 1312.6114, Eq. 3). Its gradient
    teaches the prior, and the encoder to choose codes that the prior can predict; given the code, what earlier codes
    were drawn is fixed.

    Args:
        prior: network of the prior of the codes.
        batch: the complexes.
        pose_complex: the complex of each pose, int64, shape (P,).
        drawn: codes of the poses, from the encoder.
        generator: source of the choice of the codes that are looked at.
    """
    num_codes = len(drawn.weights)
    positions = random_positions(len(pose_complex), num_codes, generator).to(pose_complex.device)
    given = prior.prior(encode_unbound(prior, batch), pose_complex)
    cross = given.cross_entropy_at(drawn.codes, drawn.posterior.probs, positions)
    own = drawn.posterior.entropy.gather(1, positions[:, None]).squeeze(1)
    return num_codes * (cross - own).mean()
