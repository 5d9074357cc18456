"""The Fourier series of torsion energies: equal to the terms themselves after every turn, with their derivative."""

import pytest
import torch

from discodock.geometry.pose import PoseTangent, update_pose
from discodock.geometry.torsions import dihedral
from discodock.physics.torsions import TorsionSeries
from tests.geometry.random_molecules import random_poses, select_pose, tree_neighbours


def terms_of_a_tree(seed):
    """One molecule, all dihedrals across its rotatable bonds, and random barriers for them."""
    pos, topology = random_poses(seed, (20,))
    topology = select_pose(topology, 0)
    near = tree_neighbours(pos[0], torch.ones(20, dtype=torch.bool))
    quads, bonds = [], []
    for number, (u, v) in enumerate(topology.tor_bond[0].tolist()):
        ends = [(a, b) for a in near[u] if a != v for b in near[v] if b != u]
        quads += [(a, u, v, b) for a, b in ends]
        bonds += [number] * len(ends)
    barrier = torch.randn(len(quads), 3, generator=torch.Generator().manual_seed(seed), dtype=pos.dtype)
    return pos, topology, torch.tensor(quads), torch.tensor(bonds), barrier


def plain_energy(pos, quads, barrier):
    angle = dihedral(*pos[:, quads].unbind(2))
    first, second, third = barrier.unbind(1)
    terms = first * (1 + angle.cos()) + second * (1 - (2 * angle).cos()) + third * (1 + (3 * angle).cos())
    return terms.sum(1) / 2


@pytest.mark.parametrize("seed", range(5))
def test_series_equals_the_terms_after_any_turn(seed):
    pos, topology, quads, bonds, barrier = terms_of_a_tree(seed)
    series = TorsionSeries.of(pos[:, quads], bonds, barrier, topology.tor_mask.shape[1])
    generator = torch.Generator().manual_seed(seed)
    tor = torch.randn(topology.tor_mask.shape, generator=generator, dtype=pos.dtype)
    still = pos.new_zeros(1, 3)
    moved = update_pose(pos, topology, PoseTangent(still, still, tor))
    torch.testing.assert_close(series.energy(tor * 0)[0], plain_energy(pos, quads, barrier))
    torch.testing.assert_close(series.energy(tor)[0], plain_energy(moved, quads, barrier))


@pytest.mark.parametrize("seed", range(5))
def test_derivative_is_that_of_the_energy(seed):
    pos, topology, quads, bonds, barrier = terms_of_a_tree(seed)
    series = TorsionSeries.of(pos[:, quads], bonds, barrier, topology.tor_mask.shape[1])
    tor = torch.randn(topology.tor_mask.shape, dtype=pos.dtype, generator=torch.Generator().manual_seed(seed))
    tor.requires_grad_()
    energy, slope = series.energy(tor)
    torch.testing.assert_close(slope, torch.autograd.grad(energy.sum(), tor)[0])


def test_no_terms_no_energy():
    energy, slope = TorsionSeries.zero(3, 2, torch.zeros(1)).energy(torch.ones(3, 2))
    assert (energy == 0).all() and (slope == 0).all()
