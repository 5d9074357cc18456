import pytest
import torch
from scipy import stats

from discodock.diffusion.noise import GeneratorNoise, PoseNoise, as_noise_source

LIKE = torch.zeros((), dtype=torch.float64)


def test_a_pose_has_the_same_numbers_in_every_batch() -> None:
    together, alone = PoseNoise(3, range(5)), PoseNoise(3, [4])
    for _ in range(3):
        assert torch.equal(together.normal((5, 8), LIKE)[4:], alone.normal((1, 8), LIKE))


def test_padding_does_not_change_the_numbers_before_it_or_of_later_calls() -> None:
    narrow, wide = PoseNoise(0, [7]), PoseNoise(0, [7])
    for _ in range(3):
        assert torch.equal(narrow.normal((1, 9), LIKE), wide.normal((1, 40), LIKE)[:, :9])


def test_seeds_poses_and_calls_differ() -> None:
    noise = PoseNoise(0, [0, 1])
    rows = [
        *noise.normal((2, 1000), LIKE),
        *noise.normal((2, 1000), LIKE),
        *PoseNoise(1, [0, 1]).normal((2, 1000), LIKE),
    ]
    correlation = torch.corrcoef(torch.stack(rows)) - torch.eye(6, dtype=torch.float64)
    assert correlation.abs().max() < 0.15


@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_standard_normal(seed: int) -> None:
    drawn = PoseNoise(seed, range(100)).normal((100, 50), LIKE)
    assert stats.kstest(drawn.flatten().numpy(), "norm").pvalue > 1e-3


def test_dtype_does_not_change_the_stream() -> None:
    single = PoseNoise(0, [0]).normal((1, 5), torch.zeros((), dtype=torch.float32))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, PoseNoise(0, [0]).normal((1, 5), LIKE).float())


def test_wrong_number_of_poses_is_refused() -> None:
    with pytest.raises(ValueError, match="3 poses was asked of 2 streams"):
        PoseNoise(0, [0, 1]).normal((3, 4), LIKE)


def test_plain_generators_are_wrapped_and_repeat() -> None:
    draws = [as_noise_source(torch.Generator().manual_seed(1)).normal((4, 2), LIKE) for _ in range(2)]
    assert torch.equal(*draws)
    source = GeneratorNoise()
    assert as_noise_source(source) is source
    assert as_noise_source(None).normal((4, 2), LIKE).shape == (4, 2)
