import numpy as np
import pytest
import torch
from scipy import stats

from discodock.noise import Purpose, StreamNoise, standard_normal, stream_generator

LIKE = torch.zeros((), dtype=torch.float64)


def test_a_pose_has_the_same_numbers_in_every_batch() -> None:
    together, alone = StreamNoise(3, range(5), Purpose.POSES), StreamNoise(3, [4], Purpose.POSES)
    for _ in range(3):
        assert torch.equal(together.normal((5, 8), LIKE)[4:], alone.normal((1, 8), LIKE))


def test_padding_does_not_change_the_numbers_before_it_or_of_later_calls() -> None:
    narrow, wide = StreamNoise(0, [7], Purpose.POSES), StreamNoise(0, [7], Purpose.POSES)
    for _ in range(3):
        assert torch.equal(narrow.normal((1, 9), LIKE), wide.normal((1, 40), LIKE)[:, :9])


def test_seeds_poses_and_calls_differ() -> None:
    noise = StreamNoise(0, [0, 1], Purpose.POSES)
    rows = [
        *noise.normal((2, 1000), LIKE),
        *noise.normal((2, 1000), LIKE),
        *StreamNoise(1, [0, 1], Purpose.POSES).normal((2, 1000), LIKE),
    ]
    correlation = torch.corrcoef(torch.stack(rows)) - torch.eye(6, dtype=torch.float64)
    assert correlation.abs().max() < 0.15


@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_standard_normal(seed: int) -> None:
    drawn = StreamNoise(seed, range(100), Purpose.POSES).normal((100, 50), LIKE)
    assert stats.kstest(drawn.flatten().numpy(), "norm").pvalue > 1e-3


def test_dtype_does_not_change_the_stream() -> None:
    single = StreamNoise(0, [0], Purpose.POSES).normal((1, 5), torch.zeros((), dtype=torch.float32))
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, StreamNoise(0, [0], Purpose.POSES).normal((1, 5), LIKE).float())


def test_wrong_number_of_poses_is_refused() -> None:
    with pytest.raises(ValueError, match="3 samples was asked of 2 streams"):
        StreamNoise(0, [0, 1], Purpose.POSES).normal((3, 4), LIKE)


def test_generators_repeat_and_leave_the_global_one_alone() -> None:
    state = torch.get_rng_state()
    assert torch.equal(*(standard_normal(torch.Generator().manual_seed(1), (4, 2), LIKE) for _ in range(2)))
    assert torch.equal(torch.get_rng_state(), state)


def test_streams_of_poses_are_those_of_seed_and_number_alone() -> None:
    """What a seed means must not change: the key of a pose, and of what is drawn beside it, as of version 0.1."""
    key = np.random.SeedSequence((7, 5)).generate_state(2, np.uint64)
    pose = np.random.Generator(np.random.Philox(key=key)).standard_normal(4)
    assert torch.equal(StreamNoise(7, [5], Purpose.POSES).normal((1, 4), LIKE)[0], torch.from_numpy(pose))
    for purpose, shift in ((Purpose.CODES, 1 << 32), (Purpose.CONFORMERS, 2 << 32)):
        shifted = StreamNoise(7 + shift, [5], Purpose.POSES).normal((1, 4), LIKE)
        assert torch.equal(StreamNoise(7, [5], purpose).normal((1, 4), LIKE), shifted)


@pytest.mark.parametrize("seed", range(5))
def test_purposes_seeds_and_numbers_have_streams_of_their_own(seed: int) -> None:
    named = [purpose for purpose in Purpose if purpose is not Purpose.POSES]
    keys = [(s, purpose, n, rank) for s in (seed, seed + 1) for purpose in named for n in range(50) for rank in (0, 1)]
    assert len({stream_generator(*key).initial_seed() for key in keys}) == len(keys)
    first, again = (torch.rand(5, generator=stream_generator(seed, Purpose.TRAINING, 3, 1)) for _ in range(2))
    assert torch.equal(first, again)


def test_images_of_a_seed_do_not_share_the_stream_of_the_codes_of_another() -> None:
    drawn = {
        tuple(StreamNoise(seed, [number], purpose).normal((1, 2), LIKE).flatten().tolist())
        for seed in range(10)
        for number in range(10)
        for purpose in (Purpose.CODES, Purpose.IMAGES)
    }
    assert len(drawn) == 200
