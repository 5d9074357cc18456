"""OpenMM: poses stay near, clashes and bad bonds go, the same poses twice, and what has no parameters does no harm."""

import dataclasses
import sys

import numpy as np
import pytest

from discodock.chem.protein import Residue
from discodock.errors import ConfigError
from discodock.inference.relax import RelaxConfig
from discodock.inference.relax_openmm import openmm_poses, places
from discodock.physics.openmm_relax import OpenMMConfig
from tests.inference.test_relax import read_case
from tests.tiny import SMALL

pytest.importorskip("openmm")
pytest.importorskip("pdbfixer")

SHORT = OpenMMConfig(radius=6.0, max_iterations=60)
OPENMM = RelaxConfig(method="openmm", openmm=SHORT)


@pytest.fixture(scope="module")
def small():
    return read_case(SMALL)


def bond_lengths(case, pos):
    first, second = case.arrays["ligand_bond_index"].astype(int)
    return np.linalg.norm(pos[first] - pos[second], axis=1)


def test_a_crystal_pose_stays_and_a_stretched_bond_comes_back(small):
    stretched = small.pos.copy()
    stretched[-1] += (
        0.25 * (stretched[-1] - stretched.mean(axis=0)) / np.linalg.norm(stretched[-1] - stretched.mean(axis=0))
    )
    (crystal, mended), notes = openmm_poses(np.stack([small.pos, stretched]), small.ligand, small.receptor, SHORT)
    assert notes == []
    assert np.sqrt(((crystal - small.pos) ** 2).sum(axis=1).mean()) < 0.5
    expected = bond_lengths(small, crystal)
    before, after = (np.abs(bond_lengths(small, pos) - expected).max() for pos in (stretched, mended))
    assert after < 0.05 < before


def test_the_same_poses_twice_and_columns_of_what_came_out(small):
    poses = np.stack([small.pos, small.pos + 0.5])
    found, again = small.relax(poses, OPENMM), small.relax(poses, OPENMM)
    assert (found.pos == again.pos).all()
    moved = np.sqrt(((found.pos - poses) ** 2).sum(axis=2).mean(axis=1))
    assert found.shift == pytest.approx(moved, abs=1e-6) and (found.contact_energy == found.vina_score).all()
    assert (found.vina_score < -4).all() and np.isfinite(found.strain).all()


def test_metals_and_cofactors_are_held_and_told_of(small):
    spot = small.pos.mean(axis=0) + np.array([[0.0, 0.0, 3.5]])
    receptor = dataclasses.replace(
        small.receptor,
        pos=np.concatenate([small.receptor.pos, spot]),
        element=np.append(small.receptor.element, "Zn"),
        atom_name=np.append(small.receptor.atom_name, "ZN"),
        residue_idx=np.append(small.receptor.residue_idx, len(small.receptor.residues)),
        residues=(*small.receptor.residues, Residue("Z", 9, "", "ZN", "ZN", "metal")),
    )
    pos, notes = openmm_poses(small.pos[None], small.ligand, receptor, SHORT)
    assert np.isfinite(pos).all() and any("Z:ZN9" in note for note in notes)


def test_a_ligand_without_parameters_and_a_pose_in_empty_space_are_left_alone(small):
    from discodock.chem.conformers import generate_conformers
    from discodock.chem.ligand import read_ligand

    boron = read_ligand("CCCB(O)O")
    start = generate_conformers(boron.mol, 1, seed=0) + small.pos.mean(axis=0)
    pos, notes = openmm_poses(start, boron, small.receptor, SHORT)
    assert (pos == start).all() and any("MMFF94" in note for note in notes)
    far, notes = openmm_poses(small.pos[None] + 500.0, small.ligand, small.receptor, SHORT)
    assert (far == small.pos + 500.0).all() and any("could not relax 1" in note for note in notes)


def test_poses_are_grouped_by_place():
    centroids = np.array([[0.0, 0, 0], [30, 0, 0], [5, 0, 0], [33, 0, 0]])
    assert places(centroids) == [[0, 2], [1, 3]]


def test_a_missing_package_is_said_before_anything_is_docked(monkeypatch):
    monkeypatch.setitem(sys.modules, "pdbfixer", None)
    with pytest.raises(ConfigError, match=r"discodock\[relax\]"):
        RelaxConfig.checked("openmm")
