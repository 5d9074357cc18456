"""The docking network with everything needed to use it, from one checkpoint file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from torch import nn

from discodock.diffusion.process import PoseProcess, PoseProcessConfig
from discodock.errors import CheckpointError
from discodock.latents.code_sampling import CodeSampling
from discodock.latents.registry import CodeLayout
from discodock.models.checkpoint import (
    CODES_PART,
    CONFIDENCE_PART,
    PRIOR_PART,
    SAMPLING_BLOCK,
    SCORE_PART,
    SITE_PART,
    Checkpoint,
    load_checkpoint,
    pack_checkpoints,
)
from discodock.models.confidence.model import ConfidenceModel, read_confidence_config
from discodock.models.registry import (
    FAMILIES,
    AnyCodePrior,
    AnyScoreModel,
    AnyScoreModelConfig,
    make_code_prior,
    make_score_model,
    read_code_prior_config,
    read_score_model_config,
)
from discodock.models.site.model import SiteModel, SiteModelConfig

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class DockingNetwork:
    """Trained networks on their device.

    Attributes:
        score_model: score model in evaluation mode.
        code_prior: network of the prior that codes of poses are drawn from, in evaluation mode; None if the file has
            none: poses without codes.
        site_model: site model in evaluation mode; None if the file has none, and docking then needs a pocket.
        confidence_model: confidence model in evaluation mode; None if the file has none: poses are then ranked without.
        process: the diffusion it was trained for.
        code_sampling: settings of drawing codes from the prior, unless a user wants it otherwise.
        device: device of the networks.
        path: file it came from.
        sha256: SHA-256 of that file.
        info: origin of the weights.
    """

    score_model: AnyScoreModel
    code_prior: AnyCodePrior | None
    site_model: SiteModel | None
    confidence_model: ConfidenceModel | None
    process: PoseProcess
    code_sampling: CodeSampling
    device: torch.device
    path: Path
    sha256: str
    info: dict[str, Any]

    @property
    def supports_blind_docking(self) -> bool:
        """Whether it docks without a pocket."""
        return self.site_model is not None or self.whole_receptor

    @property
    def whole_receptor(self) -> bool:
        """Whether the score model reads the whole receptor, instead of the crop around a site."""
        return FAMILIES[self.score_model.config.kind].whole_receptor


def default_checkpoint() -> Path:
    """Path of the checkpoint that ships inside the package."""
    return Path(str(resources.files("discodock") / "weights" / "default.safetensors"))


def load_network(path: Path | None, device: torch.device) -> DockingNetwork:
    """Load a checkpoint; None takes the one inside the package.

    Raises:
        CheckpointError: the file is missing, damaged, or its weights and configuration do not fit each other.
    """
    path = default_checkpoint() if path is None else path
    checkpoint = load_checkpoint(path)
    remedy = "use the discodock version that wrote it, or another --checkpoint"
    try:
        codes = checkpoint.config.get(CODES_PART)
        layout = None if codes is None else CodeLayout(**codes["layout"])
        sizes = read_score_model_config(checkpoint.config["model"])
        score_model = make_score_model(sizes, layout)
        code_prior = _code_prior(checkpoint, layout, sizes)
        process = PoseProcess(PoseProcessConfig(**checkpoint.config["process"]))
        code_sampling = CodeSampling(**checkpoint.config.get(SAMPLING_BLOCK, {}))
        site = checkpoint.config.get(SITE_PART)
        site_model = None if site is None else SiteModel(SiteModelConfig(**site))
        confidence = checkpoint.config.get(CONFIDENCE_PART)
        confidence_model = None if confidence is None else ConfidenceModel(read_confidence_config(confidence))
    except (KeyError, TypeError, ValidationError) as error:
        raise CheckpointError(f"{path}: its configuration is not usable here ({_problem(error)}); {remedy}") from error
    try:
        score_model.load_state_dict(checkpoint.part(SCORE_PART))
        if code_prior is not None:
            code_prior.load_state_dict(checkpoint.part(PRIOR_PART))
        if site_model is not None:
            site_model.load_state_dict(checkpoint.part(SITE_PART))
        if confidence_model is not None:
            confidence_model.load_state_dict(checkpoint.part(CONFIDENCE_PART))
    except RuntimeError as error:
        raise CheckpointError(f"{path}: its weights do not fit its configuration; {remedy}") from error
    return DockingNetwork(
        score_model=_ready(score_model, device),
        code_prior=None if code_prior is None else _ready(code_prior, device),
        site_model=None if site_model is None else _ready(site_model, device),
        confidence_model=None if confidence_model is None else _ready(confidence_model, device),
        process=process,
        code_sampling=code_sampling,
        device=device,
        path=path,
        sha256=checkpoint.sha256,
        info=dict(checkpoint.info),
    )


def pack_network(paths: Sequence[Path], out: Path) -> DockingNetwork:
    """Put networks that were trained apart into one file, and make sure that it can be used.

    Args:
        paths: files written by the stages of training; of a part that several of them hold, the first file's is taken.
        out: the file to write.

    Raises:
        CheckpointError: a file cannot be read, or all of them together make no docking network.
    """
    pack_checkpoints(paths, out)
    return load_network(out, torch.device("cpu"))


def _code_prior(checkpoint: Checkpoint, layout: CodeLayout | None, sizes: AnyScoreModelConfig) -> AnyCodePrior | None:
    """The prior that the file describes, without its weights; None if it describes none."""
    prior = checkpoint.config.get(PRIOR_PART)
    if prior is None or layout is None:
        return None
    return make_code_prior(read_code_prior_config(prior), layout, sizes)


def _problem(error: Exception) -> str:
    """What is wrong with a configuration, in a few words."""
    if not isinstance(error, ValidationError):
        return type(error).__name__
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))} is {problem['input']!r}: {problem['msg']}"


def _ready(module: ModuleT, device: torch.device) -> ModuleT:
    return module.requires_grad_(False).eval().to(device)
