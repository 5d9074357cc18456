import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from discodock.training.optim import moving_average


def average_after(num_steps, decay, first=1.0, later=0.0):
    """Average of a weight that starts at `first` and is `later` from the second update on."""
    layer = torch.nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(layer, multi_avg_fn=moving_average(decay))
    for step in range(num_steps):
        torch.nn.init.constant_(layer.weight, first if step == 0 else later)
        averaged.update_parameters(layer)
    return float(averaged.module.weight)


def test_initial_weights_are_soon_forgotten():
    assert average_after(100, 0.999) < 0.01


def test_long_runs_average_at_the_given_decay():
    half = average_after(101, 0.5)
    assert half == pytest.approx(0, abs=1e-12)
    torch.manual_seed(0)
    average, value = torch.ones(3), torch.zeros(3)
    moving_average(0.999)([average], [value], torch.tensor(10**6))
    torch.testing.assert_close(average, torch.full((3,), 0.999))


def test_the_first_updates_follow_the_rule():
    assert average_after(3, 0.999) == pytest.approx((2 / 11) * (3 / 12))
    assert average_after(3, 0.1) == pytest.approx(0.01)


def test_integer_buffers_are_copied():
    average, value = torch.tensor([3]), torch.tensor([7])
    moving_average(0.9)([average], [value], 5)
    assert average.item() == 7
