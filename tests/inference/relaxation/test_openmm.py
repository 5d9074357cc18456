"""OpenMM: poses stay near, clashes and bad bonds go, the same poses twice, and what has no parameters does no harm."""

import dataclasses
import sys

import gemmi
import numpy as np
import pytest

from discodock.chem.ligand import heavy_positions, read_ligand
from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor import Residue
from discodock.chem.residues import BACKBONE_ATOMS
from discodock.chem.validity import check_validity
from discodock.errors import ConfigError
from discodock.inference.config import DockingConfig
from discodock.inference.outputs import write_result
from discodock.inference.pocket import Pocket
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.inference.relaxation.openmm import openmm_poses
from discodock.inference.relaxation.relax import check_relaxation
from discodock.physics.config import OpenMMConfig
from tests.inference.relaxation.test_relax import EXAMPLES, read_case
from tests.tiny import SMALL

pytest.importorskip("openmm")
pytest.importorskip("pdbfixer")

SHORT = OpenMMConfig(radius=4.5, max_iterations=60)
FLEXIBLE = OpenMMConfig(radius=4.5, max_iterations=60, flexible=4.0)
OPENMM = RelaxationConfig(method="openmm", openmm=SHORT)


@pytest.fixture(scope="module")
def small():
    return read_case(SMALL)


def bond_lengths(case, pos):
    first, second = case.arrays["ligand_bond_index"].astype(int)
    return np.linalg.norm(pos[first] - pos[second], axis=1)


def nearest(pos, others):
    return np.linalg.norm(pos[:, None] - others[None], axis=2).min()


def rmsd(pos, others):
    return np.sqrt(((pos - others) ** 2).sum(axis=1).mean())


def residues_of(case, moved):
    return sorted(set(case.receptor.residue_idx[moved.atoms].tolist()))


def bonded_distances(receptor):
    """Between all pairs of atoms of the same residue."""
    first, second = np.triu_indices(len(receptor.pos), k=1)
    same = receptor.residue_idx[first] == receptor.residue_idx[second]
    return np.linalg.norm(receptor.pos[first[same]] - receptor.pos[second[same]], axis=1)


def with_zinc(receptor, spot):
    return dataclasses.replace(
        receptor,
        pos=np.concatenate([receptor.pos, spot[None]]),
        element=np.append(receptor.element, "Zn"),
        atom_name=np.append(receptor.atom_name, "ZN"),
        residue_idx=np.append(receptor.residue_idx, len(receptor.residues)),
        residues=(*receptor.residues, Residue("Z", 9, "", "ZN", "ZN", "metal")),
    )


def test_a_crystal_pose_stays_and_a_stretched_bond_comes_back(small):
    stretched = small.pos.copy()
    stretched[-1] += (
        0.25 * (stretched[-1] - stretched.mean(axis=0)) / np.linalg.norm(stretched[-1] - stretched.mean(axis=0))
    )
    found = openmm_poses(np.stack([small.pos, stretched]), small.ligand, small.receptor, SHORT)
    assert found.notes == () and found.side_chains == (None, None)
    crystal, mended = found.pos
    assert np.sqrt(((crystal - small.pos) ** 2).sum(axis=1).mean()) < 0.5
    expected = bond_lengths(small, crystal)
    before, after = (np.abs(bond_lengths(small, pos) - expected).max() for pos in (stretched, mended))
    assert after < 0.05 < before


def test_the_same_poses_twice_and_columns_of_what_came_out(small):
    poses = np.stack([small.pos, small.pos + 0.5])
    found, again = small.relax(poses, OPENMM), small.relax(poses, OPENMM)
    assert (found.pos == again.pos).all()
    moved = np.sqrt(((found.pos - poses) ** 2).sum(axis=2).mean(axis=1))
    assert found.shift == pytest.approx(moved, abs=1e-6) and (found.ranking_energy == found.vina_score).all()
    assert (found.vina_score < -4).all() and np.isfinite(found.strain).all()


def test_metals_and_cofactors_are_held_and_told_of(small):
    receptor = with_zinc(small.receptor, small.pos.mean(axis=0) + np.array([0.0, 0.0, 3.5]))
    found = openmm_poses(small.pos[None], small.ligand, receptor, SHORT)
    assert np.isfinite(found.pos).all() and any("Z:ZN9" in note for note in found.notes)


def test_what_a_metal_holds_stays_bound():
    """The iron of a haem, which force fields of proteins do not have."""
    folder = EXAMPLES / "7p5t_5YG"
    ligand = read_ligand(folder / "ligand.sdf")
    receptor = read_receptor(folder / "protein.pdb", extra=folder / "cofactors.pdb", reference_ligands=[ligand.mol])
    pos, metals = heavy_positions(ligand.mol), receptor.pos[receptor.element == "Fe"]
    (found,) = openmm_poses(pos[None], ligand, receptor, SHORT).pos
    before, after = (np.linalg.norm(p[:, None] - metals[None], axis=2) for p in (pos, found))
    assert before.min() < 2.2 and np.abs(after - before)[before < 2.5].max() < 0.1


def test_a_ligand_without_parameters_and_a_pose_in_empty_space_are_left_alone(small):
    from discodock.chem.conformers import generate_conformers

    boron = read_ligand("CCCB(O)O")
    start = generate_conformers(boron.mol, 1, seed=0) + small.pos.mean(axis=0)
    found = openmm_poses(start, boron, small.receptor, SHORT)
    assert (found.pos == start).all() and any("MMFF94" in note for note in found.notes)
    far = openmm_poses(small.pos[None] + 500.0, small.ligand, small.receptor, SHORT)
    assert (far.pos == small.pos + 500.0).all() and any("could not relax 1" in note for note in far.notes)


@pytest.fixture(scope="module")
def flexible(small):
    """The crystal pose and one that clashes, each relaxed with side chains of its own."""
    poses = np.stack([small.pos, small.pos + 0.7])
    return poses, openmm_poses(poses, small.ligand, small.receptor, FLEXIBLE)


def test_side_chains_give_way_and_nothing_else_does(small, flexible):
    (_, clashing), found = flexible
    moved = found.side_chains[1]
    receptor = small.receptor.with_moved(moved)
    shift = np.linalg.norm(receptor.pos - small.receptor.pos, axis=1)
    assert 0.1 < shift.max() < 3.0
    assert not np.isin(small.receptor.atom_name[moved.atoms], BACKBONE_ATOMS).any()
    rigid = openmm_poses(clashing[None], small.ligand, small.receptor, SHORT)
    assert nearest(clashing, small.receptor.pos) < 2.0 and nearest(found.pos[1], receptor.pos) > 2.6
    assert rmsd(found.pos[1], clashing) < rmsd(rigid.pos[0], clashing)  # the ligand gives way the less
    for residue in residues_of(small, moved):
        assert nearest(clashing, small.receptor.pos[small.receptor.residue_idx == residue]) < FLEXIBLE.flexible


def test_bonds_of_side_chains_stay_and_poses_do_not_share_them(small, flexible):
    first, second = flexible[1].side_chains
    assert len(first.atoms) != len(second.atoms) or np.abs(first.pos - second.pos).max() > 0.05
    for moved in (first, second):
        before, after = (bonded_distances(receptor) for receptor in (small.receptor, small.receptor.with_moved(moved)))
        assert np.abs(before[before < 1.9] - after[before < 1.9]).max() < 0.12


def test_a_side_chain_that_holds_a_metal_stays(small, flexible):
    moved = flexible[1].side_chains[0]
    atom = moved.atoms[-1]
    receptor = with_zinc(small.receptor, small.receptor.pos[atom] + np.array([0.0, 0.0, 2.1]))
    (kept,) = openmm_poses(small.pos[None], small.ligand, receptor, FLEXIBLE).side_chains
    residue = small.receptor.residue_idx[atom]
    assert residue in residues_of(small, moved) and residue not in residues_of(small, kept)


def test_moved_side_chains_are_written_and_judged_against(pipeline, small, tmp_path):
    pocket = Pocket(small.pos.mean(axis=0), 10.0, "test")
    relaxation = RelaxationConfig(method="openmm", openmm=FLEXIBLE)
    config = DockingConfig(samples=2, relaxation=relaxation).with_options({"steps": 2})
    result = pipeline.dock(small.receptor, small.ligand, pocket, config)
    for pose, row in zip(result.poses, result.to_dicts(), strict=True):
        receptor = result.receptor_of(pose)
        shift = np.linalg.norm(receptor.pos - small.receptor.pos, axis=1).max()
        assert row["side_chain_shift"] == round(shift, 3) and shift > 0
        assert pose.checks.min_dist_protein == pytest.approx(nearest(pose.pos, receptor.pos))
        assert check_validity([pose.mol], receptor) == [pose.validity]
    write_result(result, tmp_path / "out")
    best = read_receptor(tmp_path / "out" / "complex_rank1.pdb", reference_ligands=[result.best.mol])
    assert np.abs(best.pos - result.receptor_of(result.best).pos).max() < 1e-3
    models = gemmi.read_structure(str(tmp_path / "out" / "side_chains.pdb"))
    for model, pose in zip(models, result.poses, strict=True):
        leader_clusters = np.array([atom.atom.pos.tolist() for atom in model.all()])
        assert np.linalg.norm(pose.side_chains.pos[:, None] - leader_clusters[None], axis=2).min(axis=1).max() < 1e-3


def test_an_incomplete_side_chain_pushes_nothing(small):
    """PDBFixer builds what is missing without seeing the ligand: here right into it."""
    near = np.linalg.norm(small.receptor.pos[:, None] - small.pos[None], axis=2).min(axis=1)
    gone = np.isin(small.receptor.residue_idx, small.receptor.residue_idx[near < 4.5])
    gone &= ~np.isin(small.receptor.atom_name, (*BACKBONE_ATOMS, "CB"))
    names = ("pos", "element", "atom_name", "residue_idx")
    receptor = dataclasses.replace(small.receptor, **{name: getattr(small.receptor, name)[~gone] for name in names})
    missing = small.receptor.pos[gone]
    direction = missing.mean(axis=0) - small.pos.mean(axis=0)
    start = small.pos + 1.5 * direction / np.linalg.norm(direction)
    found = openmm_poses(start[None], small.ligand, receptor, SHORT)
    assert np.sqrt(((found.pos[0] - start) ** 2).sum(axis=1).mean()) < 1.0


def test_a_missing_package_is_said_before_anything_is_docked(monkeypatch):
    monkeypatch.setitem(sys.modules, "pdbfixer", None)
    with pytest.raises(ConfigError, match=r"discodock\[relax\]"):
        check_relaxation(OPENMM)
