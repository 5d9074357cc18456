"""Blind docking by a network of kind `residue`, which sees the whole receptor and needs no site model."""

import importlib.util

import numpy as np
import pytest
import torch

from discodock.chem.ligand import heavy_indices, heavy_positions
from discodock.data.crystal import CrystalComplex
from discodock.diffusion.process import PoseProcessConfig
from discodock.diffusion.schedule import NoiseSchedule
from discodock.evaluation.rows import complex_values
from discodock.evaluation.sources import DockedPoses, PredictionConfig
from discodock.inference.config import DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.pocket import Pocket
from discodock.latents.pointer import Pointer
from discodock.latents.registry import CodeLayout
from discodock.models.checkpoint import CODES_PART, PRIOR_PART, SAMPLING_BLOCK, SCORE_PART, prefixed, save_checkpoint
from discodock.models.disco_diffdock.code_prior import ResiduePriorNetwork
from discodock.models.disco_diffdock.config import ResidueCodePriorConfig, ResidueScoreModelConfig
from discodock.models.disco_diffdock.score_model import ResidueScoreModel
from tests.data.tiny_esm import write_tiny_esm
from tests.tiny import NOT_RELAXED

VALUES = {
    "samples": 6,
    "exhaustiveness": 1,
    "conformers": 2,
    "solver": {"steps": 1},
    "relaxation": NOT_RELAXED,
    "validity": False,
}
DOCKING = DockingConfig.model_validate(VALUES)
LAYOUT = CodeLayout(spaces=(Pointer(nodes="complex"), Pointer(nodes="complex")))
PRIOR = ResidueCodePriorConfig(num_hidden=8)


def write_checkpoint(path, info, **settings):
    config = ResidueScoreModelConfig(num_scalars=4, num_vectors=2, num_layers=1, num_basis=4, **settings)
    torch.manual_seed(0)
    weights = prefixed(SCORE_PART, ResidueScoreModel(config).state_dict())
    process = PoseProcessConfig(tr=NoiseSchedule(sigma_min=0.1, sigma_max=19))
    blocks = {"model": config.model_dump(mode="json"), "process": process.model_dump(mode="json")}
    save_checkpoint(path, weights, blocks, info)
    return path


def write_checkpoint_with_codes(path):
    config = ResidueScoreModelConfig(num_scalars=4, num_vectors=2, num_layers=1, num_basis=4)
    torch.manual_seed(0)
    prior = ResiduePriorNetwork(PRIOR, LAYOUT, config)
    for head in prior.heads:  # so that entries differ, and atoms are as likely as residues
        torch.nn.init.normal_(head["ligand"][-1].weight, std=30)
        torch.nn.init.normal_(head["residues"][-1].weight, std=10)
    weights = prefixed(SCORE_PART, ResidueScoreModel(config, LAYOUT).state_dict())
    process = PoseProcessConfig(tr=NoiseSchedule(sigma_min=0.1, sigma_max=19))
    blocks = {
        "model": config.model_dump(mode="json"),
        "process": process.model_dump(mode="json"),
        CODES_PART: {"layout": LAYOUT.model_dump(mode="json")},
        PRIOR_PART: PRIOR.model_dump(mode="json"),
        SAMPLING_BLOCK: {"temperature": 0.25},
    }
    save_checkpoint(path, weights | prefixed(PRIOR_PART, prior.state_dict()), blocks, {})
    return path


def codes(result):
    return [pose.codes for pose in sorted(result.poses, key=lambda pose: pose.sample)]


def centroids(result):
    return np.array([pose.mol.GetConformer().GetPositions().mean(axis=0) for pose in result.poses])


def test_poses_start_around_the_receptor_and_a_pocket_moves_the_start(tmp_path, receptor, ligand):
    pipeline = DockingPipeline(write_checkpoint(tmp_path / "tiny.safetensors", {}), "cpu")
    blind = pipeline.dock(receptor, ligand, None, DOCKING)
    assert len(blind.poses) == 6 and all(pose.site.pocket.source == "whole receptor" for pose in blind.poses)
    middle = receptor.pos.mean(axis=0)
    np.testing.assert_allclose(blind.poses[0].site.pocket.center, middle, atol=1e-3)
    assert centroids(blind).std(axis=0).max() > 5  # 19 Å of noise per axis, and a network that knows nothing
    pocket = Pocket(middle + 30.0, 10.0, "a test")
    moved = pipeline.dock(receptor, ligand, pocket, DOCKING)
    assert np.abs(centroids(moved).mean(axis=0) - centroids(blind).mean(axis=0) - 30).max() < 12
    again = pipeline.dock(receptor, ligand, None, DOCKING)
    np.testing.assert_array_equal(centroids(again), centroids(blind))


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
def test_the_language_model_of_training_is_asked_at_prediction(tmp_path, receptor, ligand):
    model = write_tiny_esm(tmp_path / "esm", size=8)
    path = write_checkpoint(tmp_path / "tiny.safetensors", {"esm": str(model)}, embedding_size=8)
    result = DockingPipeline(path, "cpu").dock(receptor, ligand, None, DOCKING)
    assert np.isfinite(centroids(result)).all()


def test_evaluation_has_no_site_where_none_was_looked_for(tmp_path, receptor, ligand):
    pipeline = DockingPipeline(write_checkpoint(tmp_path / "tiny.safetensors", {}), "cpu")
    crystal = CrystalComplex(receptor, ligand, heavy_positions(ligand.mol))
    config = PredictionConfig(mode="blind", docking=DOCKING)
    values = complex_values(crystal, DockedPoses(pipeline).predict("any", crystal, config))
    assert "oracle_rmsd" in values and not values.get("site_distances") and not values.get("latent_code")


def test_codes_point_at_any_atom_or_residue_and_are_drawn_as_the_checkpoint_says(tmp_path, receptor, ligand):
    pipeline = DockingPipeline(write_checkpoint_with_codes(tmp_path / "codes.safetensors"), "cpu")
    result = pipeline.dock(receptor, ligand, None, DOCKING)
    atoms = {f"atom={ligand.mol.GetAtomWithIdx(int(i)).GetSymbol()}{i + 1}" for i in heavy_indices(ligand.mol)}
    residues = {f"near={residue.label}" for residue in receptor.residues}
    drawn = {label for pair in codes(result) for label in pair}
    assert all(len(pair) == 2 for pair in codes(result)) and drawn <= atoms | residues
    assert drawn & atoms and drawn & residues
    halves = DockingConfig.model_validate(VALUES | {"batch_size": 3})
    same = pipeline.dock(receptor, ligand, None, halves)
    assert codes(same) == codes(result)
    assert [pose.pos.tobytes() for pose in same.poses] == [pose.pos.tobytes() for pose in result.poses]
    default = DockingConfig.model_validate(VALUES | {"codes": {"draw": {"temperature": 0.25}}})
    assert codes(pipeline.dock(receptor, ligand, None, default)) == codes(result)
    other = DockingConfig.model_validate(VALUES | {"codes": {"draw": {"temperature": 30.0}}})
    assert codes(pipeline.dock(receptor, ligand, None, other)) != codes(result)
