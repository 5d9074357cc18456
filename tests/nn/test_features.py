import pytest
import torch

from discodock.nn.features import FeatureDropout, Features
from tests.rotations import random_rotmat


def random_features(seed: int, num_nodes: int = 40) -> Features:
    torch.manual_seed(seed)
    return Features(torch.randn(num_nodes, 8).double(), torch.randn(num_nodes, 3, 5).double())


@pytest.mark.parametrize("seed", range(5))
def test_dropout_commutes_with_rotations(seed):
    features, rotmat, dropout = random_features(seed), random_rotmat(seed), FeatureDropout(0.4)
    turned = Features(features.scalars, torch.einsum("ij,njv->niv", rotmat, features.vectors))
    torch.manual_seed(seed)
    out = dropout(features)
    torch.manual_seed(seed)
    found = dropout(turned)
    torch.testing.assert_close(found.vectors, torch.einsum("ij,njv->niv", rotmat, out.vectors))
    torch.testing.assert_close(found.scalars, out.scalars)


def test_dropout_loses_channels_and_keeps_the_mean():
    ones = Features(torch.ones(20_000, 2), torch.ones(20_000, 3, 2))
    torch.manual_seed(0)
    out = FeatureDropout(0.25)(ones)
    for values in (out.scalars, out.vectors[:, 0]):
        assert values.unique().tolist() == pytest.approx([0, 4 / 3])
        assert float((values == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert torch.equal(out.vectors, out.vectors[:, :1].expand(-1, 3, -1))


def test_nothing_is_dropped_in_evaluation_or_with_probability_zero():
    features = random_features(0)
    assert FeatureDropout(0.5).eval()(features) is features
    assert FeatureDropout(0.0)(features) is features
