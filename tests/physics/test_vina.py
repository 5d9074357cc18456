"""Vina's scoring function: AutoDock Vina's own scores, a plain loop over pairs, slopes, frames and padding."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from discodock.physics.vina import (
    CUTOFF,
    VINA,
    VinaAtoms,
    VinaPairs,
    find_neighbors,
    intermolecular_energy,
    internal_pairs,
    intramolecular_energy,
    pair_energy,
    vina_score,
)

SEEDS = range(5)


def random_atoms(generator, num):
    radius = torch.from_numpy(generator.choice([1.2, 1.7, 1.8, 1.9, 2.1], num))
    return VinaAtoms(radius, *(torch.from_numpy(generator.random(num) < 0.5) for _ in range(3)))


def random_system(seed, num_poses=3, num_ligand=6, num_receptor=80, spread=6.0):
    """Poses (P, L, 3) in the middle of receptor atoms, some of them beyond the cutoff."""
    generator = np.random.default_rng(seed)
    pos = torch.from_numpy(generator.normal(size=(num_poses, num_ligand, 3)) * 2)
    receptor_pos = torch.from_numpy(generator.normal(size=(num_receptor, 3)) * spread)
    return pos, random_atoms(generator, num_ligand), receptor_pos, random_atoms(generator, num_receptor)


def one_pair(distance, touch, *, greasy, bonded):
    """The formula of Trott and Olson for a single pair, in plain Python."""
    d = distance - touch
    energy = -0.035579 * math.exp(-((d / 0.5) ** 2)) - 0.005156 * math.exp(-(((d - 3) / 2) ** 2))
    energy += 0.840245 * d * d if d < 0 else 0.0
    if greasy:
        energy += -0.035069 * (1.0 if d < 0.5 else 1.5 - d if d < 1.5 else 0.0)
    if bonded:
        energy += -0.587439 * (1.0 if d < -0.7 else -d / 0.7 if d < 0 else 0.0)
    return energy if distance < 8 else 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_energies_are_those_of_a_plain_loop(seed):
    pos, ligand, receptor_pos, receptor = random_system(seed)
    energy, _ = intermolecular_energy(pos, find_neighbors(pos, ligand, receptor_pos, receptor, CUTOFF))
    for pose, value in zip(pos, energy, strict=True):
        expected = 0.0
        for i, place in enumerate(pose):
            for j, other in enumerate(receptor_pos):
                bonded = (ligand.donor[i] & receptor.acceptor[j]) | (ligand.acceptor[i] & receptor.donor[j])
                greasy = ligand.hydrophobic[i] & receptor.hydrophobic[j]
                touch = float(ligand.radius[i] + receptor.radius[j])
                expected += one_pair(float((place - other).norm()), touch, greasy=greasy, bonded=bonded)
        assert float(value) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_slopes_are_derivatives(seed):
    generator = torch.Generator().manual_seed(seed)
    distance = (torch.rand(200, generator=generator, dtype=torch.float64) * 7 + 0.5).requires_grad_()
    touch = torch.rand(200, generator=generator, dtype=torch.float64) + 3
    flags = [(torch.rand(200, generator=generator) < 0.5).double() for _ in range(2)]
    energy, slope = pair_energy(distance, VinaPairs(touch, *flags), VINA)
    (expected,) = torch.autograd.grad(energy.sum(), distance)
    torch.testing.assert_close(slope, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_are_finite_differences(seed):
    pos, ligand, receptor_pos, receptor = random_system(seed, spread=3.0)
    neighbors = find_neighbors(pos, ligand, receptor_pos, receptor, CUTOFF + 1)
    inner = internal_pairs(ligand, torch.tensor([[0, 1, 2], [4, 5, 5]]))
    generator = torch.Generator().manual_seed(seed)
    step = torch.randn(pos.shape, generator=generator, dtype=pos.dtype) * 1e-7  # short enough not to meet the cutoff
    for energy in (lambda x: intermolecular_energy(x, neighbors), lambda x: intramolecular_energy(x, inner)):
        change = energy(pos + step)[0] - energy(pos - step)[0]
        expected = 2 * (energy(pos)[1] * step).sum((1, 2))
        torch.testing.assert_close(change, expected, rtol=1e-4, atol=1e-11)


@pytest.mark.parametrize("seed", SEEDS)
def test_frame_far_atoms_and_padding_do_not_matter(seed):
    pos, ligand, receptor_pos, receptor = random_system(seed)
    energy, gradient = intermolecular_energy(pos, find_neighbors(pos, ligand, receptor_pos, receptor, CUTOFF))
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=pos.dtype))[0]
    far = torch.cat((receptor_pos, receptor_pos + 500)) @ rotation.mT + 7
    twice = VinaAtoms(*(value.repeat(2) for value in vars(receptor).values()))
    moved = pos @ rotation.mT + 7
    neighbors = find_neighbors(moved, ligand, far, twice, CUTOFF + 2)
    again, turned = intermolecular_energy(moved, neighbors.padded(neighbors.pos.shape[2] + 3))
    torch.testing.assert_close(again, energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(turned, gradient @ rotation.mT, rtol=0, atol=1e-9)


def test_a_receptor_out_of_reach_gives_nothing():
    pos, ligand, receptor_pos, receptor = random_system(0)
    energy, gradient = intermolecular_energy(pos, find_neighbors(pos, ligand, receptor_pos + 100, receptor, CUTOFF + 1))
    assert (energy == 0).all() and (gradient == 0).all()


@pytest.mark.parametrize(("greasy", "bonded", "touch", "best"), [(True, False, 3.8, 3.8), (False, True, 3.5, 3.0)])
def test_two_atoms_like_to_touch_and_neither_overlap_nor_part(greasy, bonded, touch, best):
    distance = torch.arange(1.5, 7.9, 0.01, dtype=torch.float64)
    flags = (torch.full_like(distance, float(flag)) for flag in (greasy, bonded))
    energy, _ = pair_energy(distance, VinaPairs(torch.full_like(distance, touch), *flags), VINA)
    assert float(distance[energy.argmin()]) == pytest.approx(best, abs=0.2)
    assert energy[0] > 0 > energy.min() and abs(energy[-1]) < 0.01


def test_rotatable_bonds_divide_the_score():
    assert float(vina_score(torch.tensor(-8.0), 2.5)) == pytest.approx(-8.0 / (1 + 0.05846 * 2.5))


def test_atoms_on_top_of_each_other_have_finite_energy_and_gradient():
    pos, ligand, _, receptor = random_system(0, num_poses=1, num_receptor=6)
    energy, gradient = intermolecular_energy(pos, find_neighbors(pos, ligand, pos[0], receptor, CUTOFF))
    assert torch.isfinite(energy).all() and torch.isfinite(gradient).all()


def test_weights_can_be_softened():
    soft = VINA.model_copy(update={"repulsion": 0.0})
    pos, ligand, receptor_pos, receptor = random_system(0, spread=2.0)
    neighbors = find_neighbors(pos, ligand, receptor_pos, receptor, CUTOFF)
    hard = intermolecular_energy(pos, neighbors)[0]
    assert (intermolecular_energy(pos, replace(neighbors), soft)[0] < hard).all()
