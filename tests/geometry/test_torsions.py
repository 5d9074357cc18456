import math

import pytest
import torch

from discodock.geometry.alignment import align
from discodock.geometry.topology import LigandTopology
from discodock.geometry.torsions import apply_torsions, dihedral
from tests.geometry.random_molecules import random_poses, select_pose, tree_neighbours

SEEDS = range(5)


def random_angles(topology: LigandTopology, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(topology.tor_mask.shape, generator=generator, dtype=torch.float64) - 1) * math.pi


def wrapped_difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.remainder(a - b + math.pi, 2 * math.pi) - math.pi


def test_dihedral_has_iupac_sign() -> None:
    points = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1]], dtype=torch.float64)
    # seen along the bond (up z) with x to the right, y points down: turning x clockwise gives y
    assert dihedral(*points).item() == pytest.approx(math.pi / 2)
    mirrored = points * torch.tensor([1.0, -1, 1], dtype=torch.float64)
    assert dihedral(*mirrored).item() == pytest.approx(-math.pi / 2)
    cis = points.clone()
    cis[3] = torch.tensor([1.0, 0, 1])
    assert dihedral(*cis).item() == pytest.approx(0)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_dihedral_grows_by_exactly_its_angle(seed: int) -> None:
    pos, topology = random_poses(seed)
    angles = random_angles(topology, seed)
    moved = apply_torsions(pos, topology, angles)
    checked = 0
    for i in range(len(pos)):
        neighbours = tree_neighbours(pos[i], topology.atom_mask[i])
        for k in torch.nonzero(topology.tor_mask[i]).flatten().tolist():
            u, v = topology.tor_bond[i, k].tolist()
            for a in set(neighbours[u]) - {v}:
                for b in set(neighbours[v]) - {u}:
                    before, after = (dihedral(*x[i, [a, u, v, b]]) for x in (pos, moved))
                    assert wrapped_difference(after - before, angles[i, k]).abs() < 1e-9
                    checked += 1
    assert checked > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_bond_lengths_and_angles_stay(seed: int) -> None:
    pos, topology = random_poses(seed)
    moved = apply_torsions(pos, topology, random_angles(topology, seed))
    for i in range(len(pos)):
        neighbours = tree_neighbours(pos[i], topology.atom_mask[i])
        pairs = {(a, b) for near in neighbours for a in near for b in near}  # 1-3 distances fix the angles
        pairs |= {(a, b) for a, near in enumerate(neighbours) for b in near}
        first, second = torch.tensor(sorted(pairs)).T
        before, after = ((x[i, first] - x[i, second]).norm(dim=-1) for x in (pos, moved))
        torch.testing.assert_close(after, before, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_opposite_angles_return_up_to_a_rigid_motion(seed: int) -> None:
    pos, topology = random_poses(seed)
    angles = random_angles(topology, seed)
    back = apply_torsions(apply_torsions(pos, topology, angles), topology, -angles)
    back = align(back, pos, topology.atom_mask).apply(back)
    torch.testing.assert_close(back[topology.atom_mask], pos[topology.atom_mask], rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_bonds_is_irrelevant_up_to_a_rigid_motion(seed: int) -> None:
    pos, topology = random_poses(seed)
    angles = random_angles(topology, seed)
    order = torch.randperm(angles.shape[1], generator=torch.Generator().manual_seed(seed))
    shuffled = LigandTopology(
        topology.atom_mask, topology.tor_bond[:, order], topology.tor_mask[:, order], topology.mask_rotate[:, order]
    )
    one, other = apply_torsions(pos, topology, angles), apply_torsions(pos, shuffled, angles[:, order])
    other = align(other, one, topology.atom_mask).apply(other)
    torch.testing.assert_close(other[topology.atom_mask], one[topology.atom_mask], rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_turning_the_other_side_back_is_the_same_molecule(seed: int) -> None:
    pos, topology = random_poses(seed)
    angles = random_angles(topology, seed)
    other_side = ~topology.mask_rotate & topology.atom_mask[:, None] & topology.tor_mask[..., None]
    turned = LigandTopology(topology.atom_mask, topology.tor_bond.flip(-1), topology.tor_mask, other_side)
    one, other = apply_torsions(pos, topology, angles), apply_torsions(pos, turned, angles)
    other = align(other, one, topology.atom_mask).apply(other)
    torch.testing.assert_close(other[topology.atom_mask], one[topology.atom_mask], rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_equals_its_members_alone(seed: int) -> None:
    pos, topology = random_poses(seed)
    angles = random_angles(topology, seed)
    together = apply_torsions(pos, topology, angles)
    for i in range(len(pos)):
        alone = apply_torsions(
            pos[i : i + 1, topology.atom_mask[i]], select_pose(topology, i), angles[i : i + 1, topology.tor_mask[i]]
        )
        torch.testing.assert_close(together[i, topology.atom_mask[i]], alone[0], rtol=0, atol=1e-12)


def test_input_is_unchanged_and_padding_is_ignored() -> None:
    pos, topology = random_poses(0)
    angles = random_angles(topology, 0)
    before = pos.clone()
    moved = apply_torsions(pos, topology, angles)
    angles[~topology.tor_mask] = math.nan
    assert torch.equal(apply_torsions(pos, topology, angles), moved)
    assert torch.equal(pos, before)
