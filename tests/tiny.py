"""A tiny, randomly initialised network: it knows nothing, but takes every step that a trained one takes."""

from pathlib import Path

import torch

from discodock.diffusion.process import PoseProcessConfig
from discodock.models.checkpoint import SCORE_PART, SITE_PART, prefixed, save_checkpoint
from discodock.models.score_model import ScoreModel, ScoreModelConfig
from discodock.models.site_model import SiteModel, SiteModelConfig

DATA = Path(__file__).resolve().parent / "data"
COMPLEXES = DATA / "complexes"
SMALL = COMPLEXES / "2azr_982"
"""The smallest complex under tests/data."""

SITE_CONFIG = SiteModelConfig(num_scalars=8, num_vectors=4, num_layers=1, num_receptor_layers=1, num_ligand_layers=1)


def write_tiny_checkpoint(path: Path, seed: int = 0, *, has_site_model: bool = False) -> Path:
    """Write a checkpoint with random weights of networks with a few thousand parameters."""
    config = ScoreModelConfig(num_scalars=8, num_vectors=4, num_layers=1, num_receptor_layers=1, num_ligand_layers=1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = prefixed(SCORE_PART, ScoreModel(config).state_dict())
        site_model = SiteModel(SITE_CONFIG).state_dict()
    settings = {"model": config.model_dump(mode="json"), "process": PoseProcessConfig().model_dump(mode="json")}
    if has_site_model:
        weights |= prefixed(SITE_PART, site_model)
        settings |= {SITE_PART: SITE_CONFIG.model_dump(mode="json")}
    save_checkpoint(path, weights, settings, {"made_for": "tests"})
    return path
