"""The kinds of score models, code encoders and priors: a configuration's `kind` says which class it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeAlias, runtime_checkable

from pydantic import Discriminator, Tag, TypeAdapter

from discodock.errors import ConfigError
from discodock.latents.registry import CodeLayout
from discodock.models.all_atom.code_encoder import CodeEncoderConfig
from discodock.models.all_atom.code_prior import CodePriorConfig
from discodock.models.all_atom.score_model import ScoreModelConfig
from discodock.models.disco_diffdock.config import (
    ResidueCodeEncoderConfig,
    ResidueCodePriorConfig,
    ResidueScoreModelConfig,
)
from discodock.models.prior_network import PriorNetwork

if TYPE_CHECKING:
    from discodock.models.all_atom.code_encoder import CodeEncoder
    from discodock.models.all_atom.score_model import ComplexContext, ScoreModel
    from discodock.models.disco_diffdock.code_encoder import ResidueCodeEncoder
    from discodock.models.disco_diffdock.score_model import ResidueContext, ResidueScoreModel

DEFAULT_KIND: Final = "all_atom"
"""Kind of configurations that name none, such as those of checkpoints from before there were kinds."""


def _kind(config: Any) -> str:
    return str(
        config.get("kind", DEFAULT_KIND) if isinstance(config, Mapping) else getattr(config, "kind", DEFAULT_KIND)
    )


_DISCRIMINATOR: Final = Discriminator(
    _kind, custom_error_type="unknown_kind", custom_error_message="kind must be all_atom or residue"
)


AnyScoreModelConfig = Annotated[
    Annotated[ScoreModelConfig, Tag("all_atom")] | Annotated[ResidueScoreModelConfig, Tag("residue")],
    _DISCRIMINATOR,
]
AnyCodeEncoderConfig = Annotated[
    Annotated[CodeEncoderConfig, Tag("all_atom")] | Annotated[ResidueCodeEncoderConfig, Tag("residue")],
    _DISCRIMINATOR,
]
AnyCodePriorConfig = Annotated[
    Annotated[CodePriorConfig, Tag("all_atom")] | Annotated[ResidueCodePriorConfig, Tag("residue")],
    _DISCRIMINATOR,
]

AnyScoreModel: TypeAlias = "ScoreModel | ResidueScoreModel"
AnyContext: TypeAlias = "ComplexContext | ResidueContext"
"""What `encode` of a score model gives, and its `forward` takes; all have the molecular graphs as `ligand`."""

AnyCodeEncoder: TypeAlias = "CodeEncoder | ResidueCodeEncoder"

AnyCodePrior = PriorNetwork[Any]


@runtime_checkable
class Compilable(Protocol):
    """A network whose layers can be compiled."""

    def compile_layers(self) -> None:
        """Compile them in place."""


@dataclass(frozen=True)
class NetworkClasses:
    """The classes of the networks of one kind.

    Attributes:
        score_model: class of the score model, constructed with (config, layout or None).
        code_encoder: class of the code encoder, constructed with (config, layout).
        code_prior: class of the prior network, constructed with (config, layout, configuration of the score model).
    """

    score_model: Any
    code_encoder: Any
    code_prior: Any


@dataclass(frozen=True)
class NetworkFamily:
    """The networks of one kind, and what those who use them must know.

    What a single network decides, such as the size of the embeddings that it reads, its settings say: `embedding_size`,
    `translation_sigmas` and `bytes_per_pose` of the settings of every score model.

    Attributes:
        classes: function that imports the classes: e3nn, which only the residue-level networks need, takes seconds.
        whole_receptor: whether they read the whole receptor, instead of the crop around a site.
        can_compile: whether the score model is `Compilable`.
    """

    classes: Callable[[], NetworkClasses]
    whole_receptor: bool
    can_compile: bool


def _all_atom() -> NetworkClasses:
    from discodock.models.all_atom.code_encoder import CodeEncoder
    from discodock.models.all_atom.code_prior import CodePriorNetwork
    from discodock.models.all_atom.score_model import ScoreModel

    return NetworkClasses(ScoreModel, CodeEncoder, CodePriorNetwork)


def _residue() -> NetworkClasses:
    from discodock.models.disco_diffdock.code_encoder import ResidueCodeEncoder
    from discodock.models.disco_diffdock.code_prior import ResiduePriorNetwork
    from discodock.models.disco_diffdock.score_model import ResidueScoreModel

    return NetworkClasses(ResidueScoreModel, ResidueCodeEncoder, ResiduePriorNetwork)


FAMILIES: Final = {
    "all_atom": NetworkFamily(_all_atom, whole_receptor=False, can_compile=True),
    "residue": NetworkFamily(_residue, whole_receptor=True, can_compile=False),
}
"""Families of networks by their kind."""


def make_score_model(config: AnyScoreModelConfig, layout: CodeLayout | None) -> AnyScoreModel:
    """A score model of the configuration's kind; layout None makes one without codes."""
    model: AnyScoreModel = FAMILIES[config.kind].classes().score_model(config, layout)
    return model


def make_code_encoder(config: AnyCodeEncoderConfig, layout: CodeLayout) -> AnyCodeEncoder:
    """A code encoder of the configuration's kind."""
    encoder: AnyCodeEncoder = FAMILIES[config.kind].classes().code_encoder(config, layout)
    return encoder


def make_code_prior(config: AnyCodePriorConfig, layout: CodeLayout, score_model: AnyScoreModelConfig) -> AnyCodePrior:
    """A prior of the codes of a score model.

    Raises:
        ConfigError: the score model is of another kind.
    """
    if config.kind != score_model.kind:
        raise ConfigError(
            f"the prior is of kind {config.kind}, the score model of kind {score_model.kind}; set prior.kind to that"
        )
    prior: AnyCodePrior = FAMILIES[config.kind].classes().code_prior(config, layout, score_model)
    return prior


def read_score_model_config(values: Mapping[str, Any]) -> AnyScoreModelConfig:
    """Settings of a score model from plain data, as a checkpoint has them.

    Raises:
        pydantic.ValidationError: the settings are not usable.
    """
    config: AnyScoreModelConfig = TypeAdapter(AnyScoreModelConfig).validate_python(dict(values))
    return config


def read_code_prior_config(values: Mapping[str, Any]) -> AnyCodePriorConfig:
    """Settings of a prior from plain data, as a checkpoint has them.

    Raises:
        pydantic.ValidationError: the settings are not usable.
    """
    config: AnyCodePriorConfig = TypeAdapter(AnyCodePriorConfig).validate_python(dict(values))
    return config
