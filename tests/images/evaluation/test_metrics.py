"""Distances of sets of images against independent computations."""

import numpy as np
import pytest
import scipy.linalg
import torch

from discodock.errors import CheckpointError, InputError
from discodock.images.data import open_images
from discodock.images.evaluation.features import FEATURES, accuracy, load_classifier, save_classifier, train_classifier
from discodock.images.evaluation.metrics import GaussianFit, fit_gaussian, frechet_distance, precision_recall
from discodock.images.networks.conditioning import ImageShape

SHAPE = ImageShape(size=8, channels=1)


@pytest.mark.parametrize("seed", range(5))
def test_frechet_distance_agrees_with_the_matrix_square_root_of_scipy(seed):
    generator = np.random.default_rng(seed)
    first, second = (generator.normal(size=(50, 6)) @ generator.normal(size=(6, 6)) + seed for _ in range(2))
    second[:, 5] = 2 * second[:, 4]  # singular
    s1, s2 = np.cov(first.T), np.cov(second.T)
    root = scipy.linalg.sqrtm(s1 @ s2).real
    expected = np.sum((first.mean(0) - second.mean(0)) ** 2) + np.trace(s1 + s2 - 2 * root)
    found = frechet_distance(fit_gaussian(torch.from_numpy(first)), fit_gaussian(torch.from_numpy(second)))
    assert found == pytest.approx(expected, rel=1e-4)


def test_frechet_distance_of_shifted_and_scaled_gaussians():
    eye = torch.eye(3, dtype=torch.float64)
    one = GaussianFit(torch.zeros(3, dtype=torch.float64), eye)
    other = GaussianFit(torch.tensor([2.0, 0.0, 1.0]).double(), 9 * eye)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, other) == pytest.approx(5 + 3 * (3 - 1) ** 2)
    with pytest.raises(ValueError, match="at least two"):
        fit_gaussian(torch.zeros(1, 3))


def test_precision_and_recall_tell_missing_modes_from_wrong_samples():
    generator = torch.Generator().manual_seed(0)

    def blob(center, num):
        return torch.tensor(center) + 0.1 * torch.randn(num, 2, generator=generator)

    real = torch.cat([blob([0.0, 0.0], 300), blob([9.0, 0.0], 300)])
    one_mode = blob([0.0, 0.0], 600)
    half_wrong = torch.cat([blob([0.0, 0.0], 150), blob([9.0, 0.0], 150), blob([0.0, 9.0], 300)])
    same = precision_recall(real, torch.cat([blob([0.0, 0.0], 300), blob([9.0, 0.0], 300)]))
    assert same.precision > 0.9 and same.recall > 0.9
    missing = precision_recall(real, one_mode)
    assert missing.precision > 0.9 and missing.recall == pytest.approx(0.5, abs=0.05)
    wrong = precision_recall(real, half_wrong)
    assert wrong.precision == pytest.approx(0.5, abs=0.05) and wrong.recall > 0.8
    with pytest.raises(ValueError, match="3 neighbours"):
        precision_recall(real, real[:3])


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """Horizontal and vertical stripes: two classes that are easily told."""
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=300)
    lines = (np.arange(8) // 2 % 2 * 160).astype(np.uint8)
    images = np.where(labels[:, None, None] == 0, lines[:, None], lines[None, :]) + generator.integers(
        60, size=(300, 8, 8)
    )
    path = tmp_path_factory.mktemp("stripes") / "stripes.npz"
    np.savez(path, images=images.astype(np.uint8), labels=labels)
    return path


def test_classifier_learns_and_its_features_tell_classes(stripes, tmp_path):
    source = open_images(stripes, SHAPE)
    classifier = train_classifier(source, SHAPE, steps=60, batch_size=32)
    assert accuracy(classifier, source) > 0.95
    path = tmp_path / "classifier.safetensors"
    save_classifier(path, classifier, SHAPE, {})
    features = FEATURES["classifier"](path, source, SHAPE)
    images = source.batch(range(40)).images
    assert features(images).shape == (40, 64)
    assert torch.equal(features(images), classifier.features(images))  # read, not trained anew
    with pytest.raises(CheckpointError, match="another shape|of this shape"):
        load_classifier(path, ImageShape(size=16, channels=1))


def test_a_classifier_needs_classes(tmp_path):
    np.savez(tmp_path / "bare.npz", images=np.zeros((20, 8, 8), np.uint8))
    with pytest.raises(InputError, match="needs images with classes"):
        train_classifier(open_images(tmp_path / "bare.npz", SHAPE), SHAPE)
