"""Ranking: distances against a direct loop, the crowd above the outlier, contacts that fit above none and clashes."""

import numpy as np
import pytest

from discodock.chem.ligand import heavy_positions, read_ligand
from discodock.chem.protein import read_receptor
from discodock.inference.contacts import contact_scores
from discodock.inference.ranking import agreement, pairwise_rmsd, rank_scores
from tests.tiny import COMPLEXES


@pytest.mark.parametrize("seed", range(5))
def test_distances_are_those_of_a_plain_loop_over_symmetries(seed):
    generator = np.random.default_rng(seed)
    poses = generator.normal(size=(4, 5, 3)) + 100.0
    automorphisms = np.array([[0, 1, 2, 3, 4], [0, 2, 1, 3, 4]])
    distances = pairwise_rmsd(poses, automorphisms)
    for i in range(4):
        for j in range(4):
            each = [np.sqrt(((poses[i] - poses[j][p]) ** 2).sum(axis=1).mean()) for p in automorphisms]
            assert distances[i, j] == pytest.approx(min(each), abs=1e-6)


def test_a_symmetric_copy_is_the_same_pose():
    pose = np.random.default_rng(0).normal(size=(3, 3))
    swap = np.array([2, 1, 0])
    distances = pairwise_rmsd(np.stack([pose, pose[swap]]), np.stack([np.arange(3), swap]))
    assert distances == pytest.approx(np.zeros((2, 2)), abs=1e-6)


def test_the_crowd_ranks_above_the_outlier():
    base = np.zeros((4, 3))
    poses = np.stack([base + 20.0, base, base + 0.1, base - 0.1])
    scores = agreement(pairwise_rmsd(poses, np.arange(4)[None]))
    assert scores.argmin() == 0 and scores.argmax() == 1
    assert ((scores > 0) & (scores <= 1)).all()


def test_a_single_pose_has_a_score():
    assert agreement(np.zeros((1, 1))) == pytest.approx([1.0])


def test_either_of_agreement_and_contacts_decides_between_poses_equal_in_the_other():
    assert rank_scores(np.array([0.2, 0.1]), np.array([-3.0, -3.0])).argmax() == 0
    assert rank_scores(np.array([0.2, 0.2]), np.array([-3.0, -4.0])).argmax() == 1


@pytest.mark.parametrize(("pair", "best"), [("CC", 3.8), ("NO", 2.8)])
def test_two_atoms_like_to_touch_and_neither_overlap_nor_part(pair, best):
    distances = np.arange(1.5, 7.9, 0.1)
    poses = np.zeros((len(distances), 1, 3))
    poses[:, 0, 0] = distances
    scores = contact_scores(poses, [pair[0]], np.zeros((1, 3)), [pair[1]])
    assert distances[scores.argmin()] == pytest.approx(best, abs=0.6)
    assert scores[0] > 0 > scores.min() and scores[-1] == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_contacts_do_not_depend_on_the_frame_or_on_far_atoms(seed):
    generator = np.random.default_rng(seed)
    poses, receptor = generator.normal(size=(3, 6, 3)) * 2, generator.normal(size=(50, 3)) * 6
    elements, names = list("CNOCSC"), generator.choice(["C", "N", "O", "Zn"], 50)
    scores = contact_scores(poses, elements, receptor, names)
    rotation = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    far = np.concatenate([receptor, receptor + 200.0])
    moved = contact_scores(poses @ rotation.T + 7, elements, far @ rotation.T + 7, np.tile(names, 2))
    assert moved == pytest.approx(scores, abs=1e-9)


def test_a_crystal_pose_touches_better_than_shifted_copies():
    for folder in sorted(COMPLEXES.iterdir()):
        ligand = read_ligand(folder / "ligand.sdf")
        receptor = read_receptor(folder / "protein.pdb", reference_ligands=[ligand.mol])
        pos = heavy_positions(ligand.mol)
        directions = np.random.default_rng(0).normal(size=(20, 1, 3))
        shifted = pos + 3.0 * directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        elements = [atom.GetSymbol() for atom in ligand.mol.GetAtoms() if atom.GetAtomicNum() > 1]
        scores = contact_scores(np.concatenate([pos[None], shifted]), elements, receptor.pos, receptor.element)
        assert (scores[0] < scores[1:]).mean() >= 0.9, folder.name
