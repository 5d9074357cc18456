"""Codes of poses at prediction: drawn per pose, followed by the score model, told to the user."""

import re

import numpy as np
import pytest
import torch

from discodock.chem.ligand import heavy_indices, heavy_positions
from discodock.inference.codes import has_codes
from discodock.inference.config import DockingConfig
from discodock.inference.pocket import Pocket
from tests.tiny import NOT_RELAXED


def config(**changes):
    codes = {"fraction": 1.0} | changes.pop("codes", {})
    few = {"samples": 6, "exhaustiveness": 1, "solver": {"steps": 2}, "relaxation": NOT_RELAXED}
    return DockingConfig.model_validate(few | {"codes": codes} | changes)


@pytest.fixture(scope="module")
def pocket(ligand):
    return Pocket(heavy_positions(ligand.mol).mean(axis=0), 10.0, "test")


@pytest.fixture(scope="module")
def result(coded_pipeline, receptor, ligand, pocket):
    return coded_pipeline.dock(receptor, ligand, pocket, config())


def by_sample(result):
    return sorted(result.poses, key=lambda pose: pose.sample)


def positions(result):
    return np.stack([pose.pos for pose in by_sample(result)])


def test_every_pose_says_its_codes_in_the_names_of_the_input(result, receptor, ligand):
    residues = {residue.label for residue in receptor.residues}
    atoms = {f"{ligand.mol.GetAtomWithIdx(int(i)).GetSymbol()}{i + 1}" for i in heavy_indices(ligand.mol)}
    for row in result.to_dicts():
        site, atom, near, code = re.fullmatch(r"site=(.+);atom=(.+);near=(.+);code=(.+)", row["latent_code"]).groups()
        assert site in residues and near in residues and atom in atoms and code in "0123"
    assert len({pose.codes for pose in result.poses}) > 1


def test_codes_point_into_the_crop(result, receptor, pocket):
    for pose in result.poses:
        near = next(code.removeprefix("near=") for code in pose.codes if code.startswith("near="))
        number = receptor.residue_labels.index(near)
        assert np.linalg.norm(receptor.pos[receptor.residue_idx == number] - pocket.center, axis=1).min() < 14


def test_codes_and_poses_depend_on_the_seed_and_not_on_the_batch(
    coded_pipeline, receptor, ligand, pocket, result, monkeypatch
):
    again = coded_pipeline.dock(receptor, ligand, pocket, config(batch_size=1))
    assert (positions(again) == positions(result)).all()
    with monkeypatch.context() as patched:
        patched.setattr("discodock.inference.compute.memory.CPU_BLOCK", 4)
        again = coded_pipeline.dock(receptor, ligand, pocket, config())
    assert [pose.codes for pose in by_sample(again)] == [pose.codes for pose in by_sample(result)]
    assert np.abs(positions(again) - positions(result)).max() < 1e-3
    other = coded_pipeline.dock(receptor, ligand, pocket, config(seed=1))
    assert [pose.codes for pose in by_sample(other)] != [pose.codes for pose in by_sample(result)]


def test_guidance_zero_is_the_identity_and_minus_one_ignores_the_codes(
    coded_pipeline, receptor, ligand, pocket, result
):
    def guided(weight, **changes):
        changes |= {"codes": {"guidance_weight": weight, "draw": {"temperature": 1.0}}}
        return positions(coded_pipeline.dock(receptor, ligand, pocket, config(**changes)))

    assert (guided(0.0) == positions(result)).all()
    assert np.abs(guided(1.0) - positions(result)).max() > 1e-3
    ignored = guided(-1.0)
    assert np.abs(ignored - positions(result)).max() > 1e-3
    other = {"codes": {"guidance_weight": -1.0, "draw": {"temperature": 0.0}}}
    other_codes = coded_pipeline.dock(receptor, ligand, pocket, config(**other))
    assert [pose.codes for pose in by_sample(other_codes)] != [pose.codes for pose in by_sample(result)]
    assert np.abs(positions(other_codes) - ignored).max() < 1e-4


def test_poses_beyond_the_share_are_drawn_without_codes(coded_pipeline, receptor, ligand, pocket, result):
    half = by_sample(coded_pipeline.dock(receptor, ligand, pocket, config(codes={"fraction": 0.5})))
    no_codes = {"guidance_weight": -1.0, "draw": {"temperature": 1.0}}
    ignored = positions(coded_pipeline.dock(receptor, ligand, pocket, config(codes=no_codes)))
    coded = has_codes(range(6), 0.5, torch.device("cpu")).tolist()
    assert 2 <= sum(coded) <= 4
    for number, has in enumerate(coded):
        assert bool(half[number].codes) == has
        expected = positions(result)[number] if has else ignored[number]
        assert np.abs(half[number].pos - expected).max() < 1e-3


def test_a_network_without_codes_has_none(blind_pipeline, receptor, ligand):
    result = blind_pipeline.dock(receptor, ligand, None, config())
    assert all(pose.codes == () for pose in result.poses)
