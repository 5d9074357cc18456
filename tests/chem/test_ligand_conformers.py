"""Conformers depend on graph, stereo and seed alone, and match a crystal pose by torsions alone."""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolTransforms
from rdkit.Geometry import Point3D

from discodock.chem.conformers import generate_conformers, match_conformers, matched_conformers
from discodock.chem.ligand import heavy_molecule, heavy_positions, read_ligand
from discodock.chem.ligand_features import torsion_topology

DATA = Path(__file__).parents[1] / "data" / "ligands"
EXAMPLES = ("2hv5_NAP", "5sd5_HWI", "6wtn_RXT", "6yqv_8K2", "7qpp_VDX")


def rmsd(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).sum(-1).mean()))


def with_coordinates(mol: Chem.Mol, pos: np.ndarray) -> Chem.Mol:
    moved = Chem.Mol(mol)
    for i, xyz in enumerate(pos):
        moved.GetConformer().SetAtomPosition(i, Point3D(*map(float, xyz)))
    return moved


@pytest.mark.parametrize("name", EXAMPLES)
def test_matched_conformers_lie_on_the_crystal_pose(name: str) -> None:
    mol = read_ligand(DATA / f"{name}.sdf").mol
    crystal = heavy_positions(mol)
    conformers = matched_conformers(mol, crystal, torsion_topology(heavy_molecule(mol)), num=3, seed=0)
    assert conformers.shape == (3, *crystal.shape)
    assert max(rmsd(c, crystal) for c in conformers) < 1.5


@pytest.mark.parametrize("seed", range(5))
def test_conformers_do_not_depend_on_the_input_coordinates(seed: int) -> None:
    mol = read_ligand(DATA / "2hv5_NAP.sdf").mol
    rng = np.random.default_rng(seed)
    rotmat = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotmat *= np.sign(np.linalg.det(rotmat))
    pos = mol.GetConformer().GetPositions() @ rotmat.T + 100.0 * rng.normal(size=3) + 0.5 * rng.normal(size=3)
    expected = generate_conformers(mol, 2, seed)
    assert np.array_equal(generate_conformers(with_coordinates(mol, pos), 2, seed), expected)
    assert not np.allclose(generate_conformers(mol, 2, seed + 1), expected)
    assert rmsd(expected[0], expected[1]) > 0.1


@pytest.mark.parametrize("name", EXAMPLES)
def test_conformers_and_matches_keep_the_crystal_stereo(name: str) -> None:
    mol = read_ligand(DATA / f"{name}.sdf").mol
    topology = torsion_topology(heavy_molecule(mol))
    conformers = generate_conformers(mol, 2, 0)
    matched = match_conformers(mol, conformers, heavy_positions(mol), topology.tor_bond, topology.mask_rotate)
    for pos in (*conformers, *matched):
        perceived = with_coordinates(mol, pos)
        Chem.AssignStereochemistryFrom3D(perceived)
        assert Chem.MolToSmiles(perceived) == Chem.MolToSmiles(mol)


def test_matching_moves_torsions_only_and_undoes_a_known_twist() -> None:
    mol = read_ligand(DATA / "7qpp_VDX.sdf").mol
    topology = torsion_topology(heavy_molecule(mol))
    crystal = heavy_positions(mol)
    rng = np.random.default_rng(0)
    twisted = Chem.Mol(mol)
    conformer = twisted.GetConformer()
    for fixed, moving in topology.tor_bond.tolist():
        a = next(n.GetIdx() for n in mol.GetAtomWithIdx(fixed).GetNeighbors() if n.GetIdx() != moving)
        b = next(n.GetIdx() for n in mol.GetAtomWithIdx(moving).GetNeighbors() if n.GetIdx() != fixed)
        rdMolTransforms.SetDihedralRad(conformer, a, fixed, moving, b, float(rng.uniform(-np.pi, np.pi)))
    start = conformer.GetPositions()
    assert rmsd(start, crystal) > 1.0
    (matched,) = match_conformers(mol, start[None], crystal, topology.tor_bond, topology.mask_rotate)
    assert rmsd(matched, crystal) < 1e-6
