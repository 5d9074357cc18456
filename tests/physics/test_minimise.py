"""Minimisation: downhill, to the bottom, each pose on its own, and harmless where there is nothing to gain."""

import pytest
import torch

from discodock.geometry.pose import PoseTangent, pose_jacobian, update_pose
from discodock.geometry.topology import LigandTopology
from discodock.physics.config import EnergyConfig, MinimiserConfig
from discodock.physics.energy import Pocket, PoseEnergy
from discodock.physics.minimise import Evaluated, minimise, tangent_slope
from discodock.physics.torsions import TorsionSeries
from discodock.physics.vina import CUTOFF, VinaAtoms, find_neighbors, intermolecular_energy, internal_pairs
from tests.geometry.random_molecules import random_poses, select_pose

SEEDS = range(5)
CONFIG = MinimiserConfig(max_iterations=200, tolerance=1e-6)


def poses_of_a_tree(seed, num_poses=4, size=20):
    """One random molecule in several poses."""
    pos, topology = random_poses(seed, (size,))
    topology = select_pose(topology, 0).select(torch.zeros(num_poses, dtype=torch.int64))
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(num_poses, 6 + topology.tor_mask.shape[1], generator=generator, dtype=pos.dtype)
    tangent = PoseTangent(drawn[:, :3], drawn[:, 3:6], drawn[:, 6:])
    start = pos.expand(num_poses, -1, -1) - pos.mean(1, keepdim=True)
    return update_pose(start, topology, tangent), topology


def spring(target):
    """Squared distance to the target poses (P, L, 3)."""

    def objective(pos, tor, idx):
        shift = pos - target[idx]
        return Evaluated(shift.square().sum((1, 2)), 2 * shift, torch.zeros_like(tor))

    return objective


def pocket_energy(pos, topology, seed, *, alone=False, **config):
    """A PoseEnergy in a random shell of receptor atoms."""
    generator = torch.Generator().manual_seed(seed)
    shell = torch.nn.functional.normalize(torch.randn(150, 3, generator=generator, dtype=pos.dtype), dim=-1)
    shell = shell * (5 + 5 * torch.rand(150, 1, generator=generator, dtype=pos.dtype))

    def atoms(num):
        flags = (torch.rand(num, generator=generator) < 0.5 for _ in range(3))
        return VinaAtoms(torch.full((num,), 1.8, dtype=pos.dtype), *flags)

    ligand, receptor = atoms(pos.shape[1]), atoms(150)
    index = torch.triu_indices(pos.shape[1], pos.shape[1], offset=4)
    num_bonds = topology.tor_mask.shape[1]
    flat = torch.randn(len(pos), num_bonds, 3, generator=generator, dtype=pos.dtype)
    series = TorsionSeries(flat[:, 0, 0] * 0, flat, flat.flip(0))
    pocket = None if alone else Pocket(pos, ligand, shell, receptor)
    return PoseEnergy(pos, pocket, internal_pairs(ligand, index), series, EnergyConfig(**config))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pose_comes_back_to_where_it_was_taken_from(seed):
    target, topology = poses_of_a_tree(seed)
    generator = torch.Generator().manual_seed(seed)
    drawn = 0.3 * torch.randn(len(target), 6 + topology.tor_mask.shape[1], generator=generator, dtype=target.dtype)
    start = update_pose(target, topology, PoseTangent(drawn[:, :3], drawn[:, 3:6], drawn[:, 6:]))
    found = minimise(spring(target), start, topology, CONFIG)
    assert (found.energy < 1e-3).all() and (found.pos - target).abs().max() < 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_slope_along_every_degree_of_freedom_is_a_finite_difference(seed):
    """Vina's terms, torsion series, restraint and the Jacobian of the pose update, all at once."""
    pos, topology = poses_of_a_tree(seed)
    energy = pocket_energy(pos, topology, seed, restraint=0.7)
    everyone, tor = torch.arange(len(pos)), torch.zeros(topology.tor_mask.shape, dtype=pos.dtype)
    away = pos + 0.1  # off the start, so that the restraint pulls
    slope = tangent_slope(energy(away, tor, everyone), pose_jacobian(away, topology))
    for k in range(slope.shape[1]):
        values = []
        for sign in (1, -1):
            step = torch.zeros_like(slope)
            step[:, k] = sign * 1e-6  # short enough not to meet the kinks of the ramps
            moved = update_pose(away, topology, PoseTangent(step[:, :3], step[:, 3:6], step[:, 6:]))
            values.append(energy(moved, tor + step[:, 6:], everyone).energy)
        torch.testing.assert_close((values[0] - values[1]) / 2e-6, slope[:, k], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_energy_falls_and_torsions_are_accounted_for(seed):
    pos, topology = poses_of_a_tree(seed)
    energy = pocket_energy(pos, topology, seed, restraint=0.0)
    everyone = torch.arange(len(pos))
    before = energy(pos, torch.zeros(topology.tor_mask.shape, dtype=pos.dtype), everyone).energy
    found = minimise(energy, pos, topology, MinimiserConfig())
    assert (found.energy < before).all() and torch.isfinite(found.pos).all()
    fresh = intermolecular_energy(
        found.pos,
        find_neighbors(found.pos, energy.pocket.ligand, energy.pocket.receptor_pos, energy.pocket.receptor, CUTOFF),
    )[0]
    again = fresh + energy.internal_energy(found.pos, found.tor)
    torch.testing.assert_close(again, found.energy, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_poses_do_not_depend_on_each_other_and_runs_are_equal(seed):
    pos, topology = poses_of_a_tree(seed)
    config = MinimiserConfig(max_iterations=15)
    together = minimise(spring(pos.flip(0)), pos, topology, config)
    again = minimise(spring(pos.flip(0)), pos, topology, config)
    assert (together.pos == again.pos).all() and (together.energy == again.energy).all()
    for i in range(len(pos)):
        only = torch.tensor([i])
        alone = minimise(spring(pos.flip(0)[only]), pos[only], topology.select(only), config)
        torch.testing.assert_close(alone.pos[0], together.pos[i], rtol=0, atol=1e-6)


def test_a_pose_at_the_bottom_or_without_a_finite_energy_stays():
    pos, topology = poses_of_a_tree(0)

    def broken(moved, tor, idx):
        value = spring(pos)(moved, tor, idx)
        return Evaluated(torch.where(idx == 1, torch.nan, value.energy), value.pos_grad, value.tor_grad)

    found = minimise(broken, pos, topology, CONFIG)
    assert (found.pos == pos).all()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_atoms_and_rods_can_be_minimised(size):
    pos = torch.arange(size, dtype=torch.float64)[None, :, None] * torch.tensor([0.0, 0.0, 1.5]).double()
    mask = torch.ones(1, size, dtype=torch.bool)
    none = torch.zeros(1, 0, dtype=torch.bool)
    topology = LigandTopology(
        mask, torch.zeros(1, 0, 2, dtype=torch.int64), none, torch.zeros(1, 0, size, dtype=torch.bool)
    )
    target = pos.flip(-1) + 1
    found = minimise(spring(target), pos, topology, CONFIG)
    assert (found.pos - target).abs().max() < 0.05


def test_neighbours_are_renewed_when_atoms_have_moved():
    pos, topology = poses_of_a_tree(0)
    energy = pocket_energy(pos, topology, 0)
    idx = torch.tensor([2, 0])
    for shift in (0.5, 1.5, 3.0, -3.0):
        moved = pos[idx] + shift
        expected = intermolecular_energy(
            moved,
            find_neighbors(moved, energy.pocket.ligand, energy.pocket.receptor_pos, energy.pocket.receptor, CUTOFF),
        )
        found = energy.pocket.energy(moved, idx)
        torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-9)
        torch.testing.assert_close(found[1], expected[1], rtol=0, atol=1e-9)
