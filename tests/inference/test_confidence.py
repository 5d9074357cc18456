from dataclasses import replace

import numpy as np
import pytest
import torch

from discodock.data.batch import collate
from discodock.data.crop import crop_site
from discodock.errors import ConfigError
from discodock.inference.candidates import Confidences, given_poses
from discodock.inference.confidence import score_confidence
from discodock.inference.config import DEFAULT_RADIUS, DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.pocket import Pocket
from discodock.inference.relaxation.relaxed import RelaxedPoses
from tests.tiny import write_tiny_checkpoint

CONFIG = DockingConfig().with_options({"samples": 6, "exhaustiveness": 1, "conformers": 2, "steps": 2, "relax": "none"})


@pytest.fixture(scope="session")
def judge(tmp_path_factory):
    """A network with a site model and a confidence model."""
    path = tmp_path_factory.mktemp("weights") / "confidence.safetensors"
    return DockingPipeline(write_tiny_checkpoint(path, has_site_model=True, has_confidence=True), "cpu")


@pytest.fixture(scope="session")
def pocket(arrays):
    return Pocket(arrays["receptor_pos"].mean(axis=0).astype(np.float64), DEFAULT_RADIUS, "centre")


@pytest.fixture(scope="session")
def result(judge, receptor, ligand, pocket):
    return judge.dock(receptor, ligand, pocket, CONFIG)


def test_poses_are_ranked_by_their_probability_and_have_its_columns(result):
    rows = result.to_dicts()
    probs = [row["p_rmsd_lt_2"] for row in rows]
    assert probs == sorted(probs, reverse=True) and 0 < min(probs) and max(probs) < 1
    for row, pose in zip(rows, result.poses, strict=True):
        assert pose.confidence is not None and row["confidence"] == round(pose.confidence.confidence, 3)
        assert pose.rank_score == pytest.approx(np.log(pose.confidence.prob / (1 - pose.confidence.prob)), abs=1e-6)
        assert 0.3 < row["expected_rmsd"] < 12 and pose.confidence.atom_error.shape == (len(pose.pos),)


def test_without_a_confidence_model_the_columns_are_empty(pipeline, receptor, ligand, pocket):
    found = pipeline.dock(receptor, ligand, pocket, CONFIG)
    assert all(row["p_rmsd_lt_2"] == row["confidence"] == row["expected_rmsd"] == "" for row in found.to_dicts())
    assert found.best.confidence is None


def test_the_model_is_asked_about_the_relaxed_pose_in_the_crop_of_its_site(judge, receptor, ligand, pocket, result):
    pose = result.best
    candidates = judge.sample(receptor, ligand, pocket, CONFIG)
    batch = collate([crop_site(candidates.arrays, pocket.center)])
    model = judge.network.confidence_model
    context = model.encode(batch.receptor, batch.ligand)
    pos = torch.from_numpy((pose.pos - pocket.center)[None].astype(np.float32))
    with torch.inference_mode():
        expected = float(model(context, pos, torch.zeros(1, dtype=torch.int64)).success_logit)
    assert pose.confidence.confidence == pytest.approx(expected, abs=1e-4)


def test_blind_docking_judges_every_pose_at_its_own_site(judge, receptor, ligand):
    found = judge.dock(receptor, ligand, None, CONFIG)
    assert len({id(pose.site) for pose in found.poses}) > 1
    assert all(pose.confidence is not None for pose in found.poses)


def test_a_pose_is_as_likely_as_its_site_lets_it_be(judge, receptor, ligand):
    candidates = judge.sample(receptor, ligand, None, CONFIG)
    sure = replace(candidates, sites=tuple(replace(site, prob=1.0) for site in candidates.sites))
    site_prob = np.array([site.prob for site in candidates.sites])[candidates.pose_site]
    assert site_prob.max() < 1 and len(set(site_prob)) > 1
    found, in_its_site = (score_confidence(judge.network, each).confidences for each in (candidates, sure))
    assert found.prob == pytest.approx(site_prob * in_its_site.prob, rel=1e-6)


def test_the_order_of_given_poses_does_not_matter(judge, receptor, ligand, result):
    pos = np.stack([pose.pos for pose in result.poses])
    order, probs = judge.rank_poses(receptor, ligand, pos)
    assert (np.diff(probs[order]) <= 0).all()
    backwards, turned = judge.rank_poses(receptor, ligand, pos[::-1])
    np.testing.assert_allclose(turned[::-1], probs, atol=1e-4)
    assert (len(pos) - 1 - backwards).tolist() == order.tolist()


def test_given_poses_far_apart_are_of_different_sites(arrays):
    pos = np.zeros((4, 3, 3)) + np.array([0.0, 20.0, 1.0, 21.0])[:, None, None]
    nothing = np.zeros(4)
    candidates = given_poses(arrays, RelaxedPoses(pos, nothing, nothing, nothing, nothing))
    assert candidates.pose_site.tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose([site.pocket.center[0] for site in candidates.sites], [0.5, 20.5])


def test_a_network_without_confidence_cannot_rank_given_poses(pipeline, receptor, ligand, result):
    with pytest.raises(ConfigError, match="no confidence model"):
        pipeline.rank_poses(receptor, ligand, np.stack([pose.pos for pose in result.poses]))


def test_what_is_out_of_domain_is_said(judge, receptor, ligand, pocket):
    candidates = judge.sample(receptor, ligand, pocket, CONFIG)
    found = score_confidence(judge.network, candidates).confidences
    assert found.out_of_domain == (), "an unfitted domain excludes nothing"
    zeros = np.zeros(1)
    confidences = Confidences(zeros, zeros, zeros, zeros[:, None], ("ligand", "pocket"))
    assert confidences.warnings() == ["ligand and pocket unlike those of training: take p_rmsd_lt_2 with care"]
    assert confidences.prob.tolist() == [0.5]
