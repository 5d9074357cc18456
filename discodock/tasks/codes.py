"""Discrete codes in stage 1: what they are, and how they are learned."""

from __future__ import annotations

from pydantic import Field

from discodock.latents.dropout import CodeDropout
from discodock.latents.pointer import Pointer
from discodock.latents.registry import CodeLayout
from discodock.latents.relaxation import TemperatureSchedule
from discodock.models.code_encoder import CodeEncoderConfig
from discodock.models.registry import AnyCodeEncoderConfig
from discodock.settings import Settings

DEFAULT_LAYOUT = CodeLayout(spaces=(Pointer(nodes="ligand"), Pointer(nodes="residues")))
"""A ligand atom, and the residue beside which it lies."""


class CodesConfig(Settings):
    """The discrete codes, their encoder, and how both are trained."""

    layout: CodeLayout = Field(DEFAULT_LAYOUT, description="the codes, first drawn first")
    encoder: AnyCodeEncoderConfig = Field(
        default_factory=CodeEncoderConfig, description="kind and network sizes of the encoder"
    )
    dropout: CodeDropout = Field(default_factory=CodeDropout, description="how often a pose is denoised without codes")
    temperature: TemperatureSchedule = Field(
        default_factory=TemperatureSchedule, description="of the Gumbel-softmax's gradient"
    )
    learning_rate_factor: float = Field(1.0, gt=0, description="the encoder's learning rate over the score model's")
