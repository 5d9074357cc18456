"""Conformers depend on graph, stereo and seed alone, and match a crystal pose by torsions alone."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolTransforms
from rdkit.Geometry import Point3D
from scipy.spatial.transform import Rotation

from discodock.chem.conformers import (
    FEWEST_TRIES,
    FULL_EFFORT_ATOMS,
    embeds_readily,
    generate_conformers,
    scaled_effort,
)
from discodock.chem.ligand import heavy_molecule, heavy_positions, read_ligand
from discodock.chem.ligand_features import torsion_topology
from discodock.chem.torsion_matching import match_conformers, matched_conformers
from discodock.errors import InputError
from tests.chem.ligand_samples import DATA, rmsd

CYCLOSPORIN = (
    "CC[C@H]1C(=O)N(CC(=O)N([C@H](C(=O)N[C@H](C(=O)N([C@H](C(=O)N[C@H](C(=O)N[C@@H](C(=O)N([C@H](C(=O)N([C@H](C(=O)N("
    "[C@H](C(=O)N([C@H](C(=O)N1)[C@@H]([C@H](C)C/C=C/C)O)C)C(C)C)C)CC(C)C)C)CC(C)C)C)C)C)CC(C)C)C)C(C)C)CC(C)C)C)C"
)
EXAMPLES = ("2hv5_NAP", "5sd5_HWI", "6wtn_RXT", "6yqv_8K2", "7qpp_VDX")


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
    mol = read_ligand(DATA / "5sd5_HWI.sdf").mol
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


@pytest.mark.parametrize(
    "smiles", ["C", "[I-]", "CC", "C12C3C4C1C5C2C3C45", "OB(O)c1ccccc1", "C1CCCCCCCCCCC1", "O=[Pt]"]
)
def test_small_caged_and_unusual_molecules_embed(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    conformers = generate_conformers(mol, 3, 0)
    assert conformers.shape == (3, mol.GetNumAtoms(), 3)
    assert np.isfinite(conformers).all()
    np.testing.assert_allclose(conformers.mean(axis=1), 0.0, atol=1e-9)


def test_a_long_chain_embeds_when_the_fast_stage_fails() -> None:
    mol = Chem.MolFromSmiles("C" * 45)  # ETKDG from distances fails on it, random coordinates do not
    conformers = generate_conformers(mol, 1, 0)
    lengths = np.linalg.norm(np.diff(conformers[0], axis=0), axis=1)
    assert (np.abs(lengths - 1.53) < 0.1).all()


def test_impossible_stereo_is_an_input_error() -> None:
    impossible = Chem.MolFromSmiles("C[C@]12CC[C@@](C)(C1)C2")
    assert not embeds_readily(impossible)
    with pytest.raises(InputError, match="no 3-D conformer"):
        generate_conformers(impossible, 1, 0)


def test_no_embedding_ends_by_the_clock(monkeypatch) -> None:
    """A slow machine and a fast one get the same conformers: tries are counted."""
    seen = []
    embed = rdDistGeom.EmbedMultipleConfs

    def watching(mol, num, params):
        seen.append((num, params.maxIterations, params.timeout))
        return embed(mol, num, params)

    monkeypatch.setattr(rdDistGeom, "EmbedMultipleConfs", watching)
    with pytest.raises(InputError):
        generate_conformers(Chem.MolFromSmiles("C[C@]12CC[C@@](C)(C1)C2"), 4, 0)
    # a stage from random coordinates is given up with its first conformer
    assert seen == [(4, 20, 0), (1, 100, 0), (1, 100, 0), (1, 100, 0)]


def test_a_very_large_ligand_gets_fewer_different_conformers(monkeypatch) -> None:
    assert scaled_effort(10, FULL_EFFORT_ATOMS, fewest=1) == 10
    assert scaled_effort(100, 2 * FULL_EFFORT_ATOMS) == 12
    assert scaled_effort(100, 100 * FULL_EFFORT_ATOMS) == FEWEST_TRIES
    assert scaled_effort(2, 100 * FULL_EFFORT_ATOMS) == 2
    monkeypatch.setattr("discodock.chem.conformers.FULL_EFFORT_ATOMS", 12)
    conformers = generate_conformers(Chem.MolFromSmiles("CCCCCC"), 8, 0)  # 20 atoms: 8 * 0.6^3 = 1.7
    assert len(np.unique(conformers[:, 0], axis=0)) == 2


@pytest.mark.parametrize("name", EXAMPLES)
def test_ordinary_ligands_embed_readily(name: str) -> None:
    assert embeds_readily(read_ligand(DATA / f"{name}.sdf").mol)


def test_of_large_rings_no_conformer_is_looked_for_to_judge_energies_by() -> None:
    """Each of cyclosporin's takes seconds, and PoseBusters wants fifty: it took minutes."""
    assert not embeds_readily(Chem.MolFromSmiles(CYCLOSPORIN))


def test_far_conformers_are_replaced() -> None:
    mol = Chem.MolFromSmiles("CC1CCCCCCCCC1")  # a large ring: it keeps the shape it was embedded with
    (crystal,) = generate_conformers(mol, 1, 99)
    topology = torsion_topology(heavy_molecule(mol))
    tolerant = matched_conformers(mol, crystal, topology, num=2, seed=0, max_rmsd=10.0)
    strict = matched_conformers(mol, crystal, topology, num=2, seed=0, max_rmsd=0.1)
    assert np.array_equal(tolerant, matched_conformers(mol, crystal, topology, num=2, seed=0, max_rmsd=10.0))
    assert max(rmsd(c, crystal) for c in strict) < max(rmsd(c, crystal) for c in tolerant)


@pytest.mark.parametrize("name", EXAMPLES)
def test_matching_is_a_local_optimum_of_every_torsion(name: str) -> None:
    mol = read_ligand(DATA / f"{name}.sdf").mol
    crystal = heavy_positions(mol)
    topology = torsion_topology(heavy_molecule(mol))
    (matched,) = matched_conformers(mol, crystal, topology, num=1, seed=1)
    best = rmsd(matched, crystal)
    for (fixed, moving), mask in zip(topology.tor_bond.tolist(), topology.mask_rotate, strict=True):
        axis = matched[moving] - matched[fixed]
        for angle in (-0.1, 0.1):
            turned = matched.copy()
            rotation = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis))
            turned[mask] = rotation.apply(matched[mask] - matched[moving]) + matched[moving]
            aligned = Rotation.align_vectors(crystal - crystal.mean(0), turned - turned.mean(0))[0]
            assert rmsd(aligned.apply(turned - turned.mean(0)) + crystal.mean(0), crystal) > best - 2e-3
