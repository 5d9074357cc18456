import pytest
import torch

from discodock.inference.codes import has_codes

CPU = torch.device("cpu")


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 0.8, 1.0])
def test_the_fraction_of_any_run_of_numbers_has_codes(fraction):
    for first in (0, 7, 1000):
        found = has_codes(range(first, first + 40), fraction, CPU)
        assert abs(float(found.float().mean()) - fraction) < 0.06
        halves = found.view(2, 20).float().mean(dim=1)
        assert (halves - fraction).abs().max() < 0.11


def test_a_pose_has_codes_or_not_whatever_batch_it_is_in():
    whole = has_codes(range(30), 0.5, CPU)
    assert torch.equal(torch.cat([has_codes(range(i, i + 10), 0.5, CPU) for i in (0, 10, 20)]), whole)
