"""Blind docking: sites, how samples are shared among them, and what a pocket does to the site code."""

import numpy as np
import pytest
import torch

import discodock
from discodock.chem.ligand import heavy_positions
from discodock.errors import InputError
from discodock.geometry.cavities import residue_centroids
from discodock.inference.config import DockingConfig
from discodock.inference.pocket import Pocket
from discodock.inference.sites import choose_sites
from discodock.models.site.distinct import allocate_samples
from discodock.models.site.model import SiteModel
from tests.tiny import NOT_RELAXED, SMALL


def config(**changes):
    return DockingConfig.model_validate(
        {"samples": 7, "exhaustiveness": 1, "solver": {"steps": 2}, "relaxation": NOT_RELAXED} | changes
    )


@pytest.fixture
def pocket(ligand):
    return Pocket(heavy_positions(ligand.mol).mean(axis=0), 10.0, "test")


@pytest.fixture
def result(blind_pipeline, receptor, ligand):
    return blind_pipeline.dock(receptor, ligand, None, config())


def poses_of(result, site):
    return np.stack([p.pos for p in sorted(result.poses, key=lambda p: p.sample) if p.site is site])


def test_samples_are_shared_among_distinct_sites_by_probability(result, receptor):
    probs = [site.prob for site in result.sites]
    assert 1 < len(probs) <= 5 and probs == sorted(probs, reverse=True) and sum(probs) <= 1 + 1e-6
    assert [sum(pose.site is site for pose in result.poses) for site in result.sites] == allocate_samples(7, probs)
    assert sorted(pose.sample for pose in result.poses) == list(range(7))
    labels = {residue.label for residue in receptor.residues}
    for row, pose in zip(result.to_dicts(), result.poses, strict=True):
        assert row["latent_code"] == f"site={pose.site.residue}" and pose.site.residue in labels
        offset = np.linalg.norm(pose.pos.mean(axis=0) - pose.site.pocket.center)
        assert row["pocket_ok"] == (offset <= pose.site.pocket.radius)


def test_a_site_s_poses_are_those_of_docking_there(blind_pipeline, receptor, ligand, result):
    first = result.sites[0]
    found = poses_of(result, first)
    there = blind_pipeline.dock(receptor, ligand, first.pocket, config())
    expected = poses_of(there, there.sites[0])
    assert np.abs(found - expected[: len(found)]).max() < 1e-3


def test_a_pocket_changes_nothing_but_the_code(pipeline, blind_pipeline, receptor, ligand, pocket):
    without = pipeline.dock(receptor, ligand, pocket, config())
    with_code = blind_pipeline.dock(receptor, ligand, pocket, config())
    assert (poses_of(without, without.sites[0]) == poses_of(with_code, with_code.sites[0])).all()
    assert {row["latent_code"] for row in without.to_dicts()} == {""}
    assert len({row["latent_code"] for row in with_code.to_dicts()}) == 1


@pytest.mark.parametrize("seed", range(8))
def test_a_pocket_restricts_the_site_code_whatever_the_model_believes(
    blind_pipeline, receptor, arrays, monkeypatch, seed
):
    rng = np.random.default_rng(seed)
    center = receptor.pos[rng.integers(len(receptor.pos))] + rng.normal(size=3) * 3
    pocket = Pocket(center, rng.uniform(3, 12), "test")
    forward = SiteModel.forward
    places = {}

    def certain_of_outside(self, residues, ligand):
        prediction = forward(self, residues, ligand)
        gap = torch.cat(
            [(place - torch.from_numpy(center).float()).norm(dim=-1) for place in (residues.pos, prediction.center)]
        )
        places["inside"] = (gap <= pocket.radius).any(dim=0)
        return type(prediction)(torch.where(places["inside"], 0.0, 1e4)[None], prediction.center, prediction.mask)

    monkeypatch.setattr(SiteModel, "forward", certain_of_outside)
    (site,) = choose_sites(blind_pipeline.network, arrays, receptor, pocket, DockingConfig())
    inside = {residue.label for residue, is_in in zip(receptor.residues, places["inside"], strict=True) if is_in}
    assert 0 < len(inside) < len(receptor.residues)
    assert site.residue in inside and site.pocket is pocket


def test_a_pocket_without_any_residue_has_no_site_code(blind_pipeline, receptor, arrays):
    centroids = residue_centroids(receptor.pos, receptor.residue_idx)
    far = Pocket(centroids.max(axis=0) + 200, 5.0, "nowhere")
    (site,) = choose_sites(blind_pipeline.network, arrays, receptor, far, DockingConfig())
    assert site.code == "" and site.pocket is far


def test_temperature_zero_docks_into_one_site(blind_pipeline, receptor, ligand):
    cold = config(sites={"code": {"temperature": 0}})
    result = blind_pipeline.dock(receptor, ligand, None, cold)
    assert len(result.sites) == 1 and result.sites[0].prob == pytest.approx(1)


def test_the_crystal_pose_does_not_lead_to_the_site(blind_pipeline, receptor, ligand, arrays):
    moved = arrays | {"ligand_pos": arrays["ligand_pos"] + 30}
    sites = [choose_sites(blind_pipeline.network, a, receptor, None, DockingConfig()) for a in (arrays, moved)]
    assert [s.residue for s in sites[0]] == [s.residue for s in sites[1]]
    np.testing.assert_array_equal(sites[0][0].pocket.center, sites[1][0].pocket.center)


def test_without_a_site_model_a_pocket_is_asked_for(pipeline, receptor, ligand, checkpoint):
    with pytest.raises(InputError, match="blind docking needs the site model.*--pocket-center"):
        pipeline.dock(receptor, ligand, None, config())
    with pytest.raises(InputError, match="blind docking needs the site model"):
        discodock.dock(SMALL / "protein.pdb", SMALL / "ligand.sdf", checkpoint=checkpoint, device="cpu")
