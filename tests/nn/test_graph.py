import torch

from discodock.nn.neighbors import flat_index, radius_pairs
from discodock.nn.radial import GaussianBasis, smooth_cutoff


def test_radius_pairs_are_those_of_a_brute_force_search():
    torch.manual_seed(0)
    target, source = torch.randn(3, 5, 3) * 2, torch.randn(3, 8, 3) * 2
    target_mask, source_mask = torch.rand(3, 5) < 0.7, torch.rand(3, 8) < 0.7
    pairs = radius_pairs(target, target_mask, source, source_mask, 2.5, is_self=False)
    expected = {
        (g, i, j)
        for g in range(3)
        for i in range(5)
        for j in range(8)
        if target_mask[g, i] and source_mask[g, j] and (target[g, i] - source[g, j]).norm() < 2.5
    }
    found = list(zip(pairs.sample.tolist(), pairs.target.tolist(), pairs.source.tolist(), strict=True))
    assert len(found) == len(set(found))
    assert set(found) == expected
    torch.testing.assert_close(pairs.vec, target[pairs.sample, pairs.target] - source[pairs.sample, pairs.source])


def test_self_pairs_leave_out_the_point_itself():
    pos = torch.zeros(1, 4, 3)
    pairs = radius_pairs(
        pos, torch.ones(1, 4, dtype=torch.bool), pos, torch.ones(1, 4, dtype=torch.bool), 1.0, is_self=True
    )
    assert len(pairs.sample) == 12
    assert (pairs.target != pairs.source).all()


def test_flat_index_numbers_real_points_in_order():
    mask = torch.tensor([[True, False, True], [False, True, True]])
    assert flat_index(mask)[mask].tolist() == [0, 1, 2, 3]


def test_cutoff_is_smooth():
    distance = torch.linspace(0, 6, 601, dtype=torch.float64, requires_grad=True)
    value = smooth_cutoff(distance, 5.0)
    (slope,) = torch.autograd.grad(value.sum(), distance)
    assert value[0] == 1
    assert (value[distance >= 5.0] == 0).all()
    assert slope.abs().max() < 0.4
    assert abs(slope[499]) < 1e-2


def test_gaussian_basis_tells_distances_apart():
    basis = GaussianBasis(16, 6.0)(torch.linspace(0, 6, 61))
    gram = basis @ basis.T
    assert (torch.diagonal(gram) > gram.diagonal(offset=10).max()).all()
