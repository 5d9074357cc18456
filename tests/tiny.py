"""A tiny, randomly initialised network: it knows nothing, but takes every step that a trained one takes."""

from pathlib import Path

import torch

from discodock.diffusion.process import PoseProcessConfig
from discodock.models.checkpoint import save_checkpoint
from discodock.models.score_model import ScoreModel, ScoreModelConfig

DATA = Path(__file__).resolve().parent / "data"
COMPLEXES = DATA / "complexes"
SMALL = COMPLEXES / "2azr_982"
"""The smallest complex under tests/data."""


def write_tiny_checkpoint(path: Path, seed: int = 0) -> Path:
    """Write a checkpoint with random weights of a network with a few thousand parameters."""
    config = ScoreModelConfig(num_scalars=8, num_vectors=4, num_layers=1, num_receptor_layers=1, num_ligand_layers=1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = ScoreModel(config).state_dict()
    settings = {"model": config.model_dump(mode="json"), "process": PoseProcessConfig().model_dump(mode="json")}
    save_checkpoint(path, weights, settings, {"made_for": "tests"})
    return path
