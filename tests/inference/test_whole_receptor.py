"""Blind docking by a network of kind `residue`, which sees the whole receptor and needs no site model."""

import importlib.util

import numpy as np
import pytest
import torch

from discodock.diffusion.process import PoseProcessConfig
from discodock.diffusion.schedule import NoiseSchedule
from discodock.inference.dock import Docker
from discodock.inference.pocket import Pocket
from discodock.inference.sample import SamplingConfig
from discodock.models.checkpoint import SCORE_PART, prefixed, save_checkpoint
from discodock.models.residue_score_model import ResidueScoreModel, ResidueScoreModelConfig
from tests.data.tiny_esm import write_tiny_esm

SAMPLING = SamplingConfig.checked({"samples": 6, "conformers": 2, "solver": {"steps": 1}})


def write_checkpoint(path, info, **settings):
    config = ResidueScoreModelConfig(num_scalars=4, num_vectors=2, num_layers=1, num_basis=4, **settings)
    torch.manual_seed(0)
    weights = prefixed(SCORE_PART, ResidueScoreModel(config).state_dict())
    process = PoseProcessConfig(tr=NoiseSchedule(sigma_min=0.1, sigma_max=19))
    blocks = {"model": config.model_dump(mode="json"), "process": process.model_dump(mode="json")}
    save_checkpoint(path, weights, blocks, info)
    return path


def centroids(result):
    return np.array([pose.mol.GetConformer().GetPositions().mean(axis=0) for pose in result.poses])


def test_poses_start_around_the_receptor_and_a_pocket_moves_the_start(tmp_path, receptor, ligand):
    docker = Docker(write_checkpoint(tmp_path / "tiny.safetensors", {}), "cpu")
    blind = docker.dock(receptor, ligand, None, SAMPLING)
    assert len(blind.poses) == 6 and all(pose.site.pocket.source == "whole receptor" for pose in blind.poses)
    middle = receptor.pos.mean(axis=0)
    np.testing.assert_allclose(blind.poses[0].site.pocket.center, middle, atol=1e-3)
    assert centroids(blind).std(axis=0).max() > 5  # 19 Å of noise per axis, and a network that knows nothing
    pocket = Pocket(middle + 30.0, 10.0, "a test")
    moved = docker.dock(receptor, ligand, pocket, SAMPLING)
    assert np.abs(centroids(moved).mean(axis=0) - centroids(blind).mean(axis=0) - 30).max() < 12
    again = docker.dock(receptor, ligand, None, SAMPLING)
    np.testing.assert_array_equal(centroids(again), centroids(blind))


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
def test_the_language_model_of_training_is_asked_at_prediction(tmp_path, receptor, ligand):
    model = write_tiny_esm(tmp_path / "esm", size=8)
    path = write_checkpoint(tmp_path / "tiny.safetensors", {"esm": str(model)}, embedding_size=8)
    result = Docker(path, "cpu").dock(receptor, ligand, None, SAMPLING)
    assert np.isfinite(centroids(result)).all()
