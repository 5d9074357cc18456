"""A tiny, randomly initialised network: it knows nothing, but takes every step that a trained one takes."""

from pathlib import Path

import torch

from discodock.diffusion.process import PoseProcessConfig
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.latents.codebook import Codebook
from discodock.latents.pointer import Pointer
from discodock.latents.registry import CodeLayout
from discodock.models.all_atom.code_prior import CodePriorConfig, CodePriorNetwork
from discodock.models.all_atom.score_model import ScoreModel, ScoreModelConfig
from discodock.models.checkpoint import (
    CODES_PART,
    CONFIDENCE_PART,
    PRIOR_PART,
    SCORE_PART,
    SITE_PART,
    prefixed,
    save_checkpoint,
)
from discodock.models.confidence.model import ConfidenceModel, ConfidenceModelConfig
from discodock.models.site.model import SiteModel, SiteModelConfig

DATA = Path(__file__).resolve().parent / "data"
COMPLEXES = DATA / "complexes"
SMALL = COMPLEXES / "2azr_982"
"""The smallest complex under tests/data."""

NOT_RELAXED = RelaxationConfig(method="none")
"""For tests of what the sampler does."""

CONFIDENCE_CONFIG = ConfidenceModelConfig(
    num_scalars=8, num_vectors=4, num_layers=1, num_receptor_layers=1, num_ligand_layers=1
)

SITE_CONFIG = SiteModelConfig(num_scalars=8, num_vectors=4, num_layers=1, num_receptor_layers=1, num_ligand_layers=1)

LAYOUT = CodeLayout(spaces=(Pointer(nodes="ligand"), Pointer(nodes="residues"), Codebook(codebook_size=4)))
PRIOR_CONFIG = CodePriorConfig(num_channels=8, num_heads=2, num_context_rounds=1, num_code_rounds=1)


def write_tiny_checkpoint(
    path: Path,
    seed: int = 0,
    *,
    has_site_model: bool = False,
    has_codes: bool = False,
    has_confidence: bool = False,
) -> Path:
    """Write a checkpoint with random weights of networks with a few thousand parameters."""
    config = ScoreModelConfig(num_scalars=8, num_vectors=4, num_layers=1, num_receptor_layers=1, num_ligand_layers=1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = prefixed(SCORE_PART, ScoreModel(config, LAYOUT if has_codes else None).state_dict())
        site_model = SiteModel(SITE_CONFIG).state_dict()
        prior = CodePriorNetwork(PRIOR_CONFIG, LAYOUT, config).state_dict()
        confidence_model = ConfidenceModel(CONFIDENCE_CONFIG).state_dict()
        if has_codes:  # codes have no effect before training
            weights = {name: torch.randn_like(w) / 4 if not w.any() else w for name, w in weights.items()}
    settings = {"model": config.model_dump(mode="json"), "process": PoseProcessConfig().model_dump(mode="json")}
    if has_site_model:
        weights |= prefixed(SITE_PART, site_model)
        settings |= {SITE_PART: SITE_CONFIG.model_dump(mode="json")}
    if has_confidence:
        weights |= prefixed(CONFIDENCE_PART, confidence_model)
        settings |= {CONFIDENCE_PART: CONFIDENCE_CONFIG.model_dump(mode="json")}
    if has_codes:
        weights |= prefixed(PRIOR_PART, prior)
        settings |= {
            CODES_PART: {"layout": LAYOUT.model_dump(mode="json")},
            PRIOR_PART: PRIOR_CONFIG.model_dump(mode="json"),
        }
    save_checkpoint(path, weights, settings, {"made_for": "tests"})
    return path
