import pytest
import torch

from discodock.models.all_atom.readout import mean_over_atoms, rigid_rotation, torsion_rates
from tests.models.complexes import random_complexes


@pytest.mark.parametrize("seed", range(5))
def test_rotation_of_a_rigid_displacement_is_recovered(seed):
    _, ligand, pos = random_complexes(seed, [(5, 30), (5, 22)])
    mask = ligand.topology.atom_mask
    rotvec = torch.randn(2, 3, dtype=torch.float64)
    pos = pos * mask[..., None] * 3
    arm = pos - mean_over_atoms(pos, mask)[:, None]
    field = torch.linalg.cross(rotvec[:, None].expand_as(arm), arm) * mask[..., None]
    found = rigid_rotation(field, pos, mask)
    torch.testing.assert_close(found, rotvec, rtol=0.05, atol=0.02)  # damped by 1 Å^2 of inertia
    torch.testing.assert_close(rigid_rotation(field + 7.0 * mask[..., None], pos, mask), found)


@pytest.mark.parametrize("seed", range(5))
def test_torsion_rate_has_the_sign_of_the_turn_and_ignores_the_fixed_side(seed):
    _, ligand, pos = random_complexes(seed, [(5, 10)])
    topology = ligand.topology
    axis = torch.nn.functional.normalize(pos[0, 5] - pos[0, 4], dim=0)
    sweep = torch.linalg.cross(axis.expand(10, 3), pos[0] - pos[0, 5])
    sweep[:5] = 0
    torsion = 3  # the bond from atom 4 to atom 5
    assert topology.tor_bond[0, torsion].tolist() == [4, 5]
    assert torsion_rates(sweep[None], pos, topology)[0, torsion] > 0
    assert torsion_rates(-sweep[None], pos, topology)[0, torsion] < 0
    elsewhere = torch.randn(1, 10, 3, dtype=torch.float64)
    elsewhere[:, 5:] = 0
    assert torsion_rates(elsewhere, pos, topology)[0, torsion] == 0


@pytest.mark.parametrize("seed", range(5))
def test_coordinates_are_not_rounded_to_half_precision(seed):
    _, ligand, pos = random_complexes(seed, [(5, 30), (5, 22)], torch.float32)
    mask = ligand.topology.atom_mask
    pos, field = (pos + 20) * mask[..., None], torch.randn_like(pos) * mask[..., None]
    expected = rigid_rotation(field, pos, mask), torsion_rates(field, pos, ligand.topology)
    with torch.autocast("cpu", torch.bfloat16):
        found = rigid_rotation(field, pos, mask), torsion_rates(field, pos, ligand.topology)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
