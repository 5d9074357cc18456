import pytest
import torch

from discodock.nn import neighbors
from discodock.nn.neighbors import flat_index, nearest_pairs, radius_pairs
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


@pytest.mark.parametrize("is_self", [True, False])
def test_large_sets_are_searched_in_blocks_with_the_same_result(monkeypatch, is_self):
    torch.manual_seed(0)
    pos = torch.randn(3, 20, 3) * 2
    mask = torch.rand(3, 20) < 0.8
    whole = radius_pairs(pos, mask, pos, mask, 2.5, is_self=is_self)
    monkeypatch.setattr(neighbors, "MAX_DISTANCES", 60)
    blocks = radius_pairs(pos, mask, pos, mask, 2.5, is_self=is_self)
    for name in ("sample", "target", "source", "vec"):
        torch.testing.assert_close(getattr(blocks, name), getattr(whole, name), rtol=0, atol=0)


@pytest.mark.parametrize("is_self", [True, False])
@pytest.mark.parametrize("cutoff", [2.5, torch.tensor([2.5, 1.0, 4.0])])
def test_a_tree_finds_the_pairs_that_all_distances_find_in_the_same_order(monkeypatch, is_self, cutoff):
    torch.manual_seed(0)
    pos, other = torch.randn(3, 20, 3) * 2, torch.randn(3, 30, 3) * 2
    mask, other_mask = torch.rand(3, 20) < 0.8, torch.rand(3, 30) < 0.8
    mask[2] = False
    pos[0, 3, 1] = torch.nan
    sets = (pos, mask, pos, mask) if is_self else (pos, mask, other, other_mask)
    whole = radius_pairs(*sets, cutoff, is_self=is_self)
    monkeypatch.setattr(neighbors, "TREE_DISTANCES", 0)
    monkeypatch.setattr(neighbors, "_close_pairs", None)
    by_tree = radius_pairs(*sets, cutoff, is_self=is_self)
    assert len(whole.sample) > 20
    for name in ("sample", "target", "source", "vec"):
        torch.testing.assert_close(getattr(by_tree, name), getattr(whole, name), rtol=0, atol=0)


def test_nearest_pairs_are_the_nearest_of_the_radius_pairs():
    torch.manual_seed(0)
    pos = torch.randn(2, 12, 3) * 3
    mask = torch.rand(2, 12) < 0.8
    pairs = nearest_pairs(pos, mask, 5.0, 3)
    every = radius_pairs(pos, mask, pos, mask, 5.0, is_self=True)
    for sample, target in mask.nonzero().tolist():
        chosen = (every.sample == sample) & (every.target == target)
        expected = every.vec[chosen].norm(dim=1).sort().values[:3]
        found = pairs.vec[(pairs.sample == sample) & (pairs.target == target)].norm(dim=1)
        torch.testing.assert_close(found, expected)
    assert mask[pairs.sample, pairs.source].all()
    assert (pairs.target != pairs.source).all()
