"""Superposition and rotation of single molecules, against those of batches of tensors."""

import numpy as np
import pytest
import torch

from discodock.geometry.alignment import align
from discodock.geometry.rotations import rotvec_to_rotmat
from discodock.geometry.superposition import rotated_about, superposed


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_superposition_is_that_of_tensors(seed, is_mirrored):
    mobile, target = np.random.default_rng(seed).normal(size=(2, 7, 3)) * 3
    if is_mirrored:  # the best orthogonal matrix is then a reflection
        target = mobile * np.array([1.0, 1.0, -1.0]) + 0.1 * target
    pair = torch.from_numpy(mobile)[None], torch.from_numpy(target)[None]
    expected = align(*pair, torch.ones(1, 7, dtype=torch.bool)).apply(pair[0])[0]
    np.testing.assert_allclose(superposed(mobile, target), expected.numpy(), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_rotation_is_the_exponential_map_about_the_axis(seed):
    generator = np.random.default_rng(seed)
    pos, (origin, axis) = generator.normal(size=(6, 3)), generator.normal(size=(2, 3))
    angle = float(generator.uniform(-3, 3))
    rotmat = rotvec_to_rotmat(torch.from_numpy(angle * axis / np.linalg.norm(axis))).numpy()
    np.testing.assert_allclose(rotated_about(pos, origin, axis, angle), (pos - origin) @ rotmat.T + origin, atol=1e-12)
