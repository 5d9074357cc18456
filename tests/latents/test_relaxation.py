import pytest
import torch
from pydantic import ValidationError

from discodock.latents.relaxation import TemperatureSchedule, gumbel_softmax, straight_through
from tests.latents.kinds import SEEDS, generator

MASK = torch.tensor([True, True, False, True, True])


def some_logits(seed, rows=64):
    return torch.randn(rows, 5, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize("seed", SEEDS)
def test_relaxed_weights_sum_to_one_inside_the_mask(seed):
    weights = gumbel_softmax(some_logits(seed), MASK, 1.0, generator(seed))
    torch.testing.assert_close(weights.sum(1), torch.ones(64, dtype=torch.float64), atol=1e-12, rtol=0)
    assert (weights[:, 2] == 0).all()
    assert (weights[:, MASK] > 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_temperature_limits(seed):
    logits = some_logits(seed)
    cold = gumbel_softmax(logits, MASK, 1e-4, generator(seed))
    assert (cold.max(1).values > 0.99).double().mean() > 0.97  # ties within 1e-3 are rare
    warm = gumbel_softmax(logits, MASK, 1.0, generator(seed))
    assert torch.equal(cold.argmax(1), warm.argmax(1))  # the temperature does not move the choice
    hot = gumbel_softmax(logits, MASK, 1e6, generator(seed))
    torch.testing.assert_close(hot, MASK.double().div(4).expand(64, -1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_straight_through_passes_any_gradient_and_differentiates_twice(seed):
    weights = gumbel_softmax(some_logits(seed), MASK, 1.0, generator(seed)).requires_grad_()
    direction = some_logits(seed + 50).requires_grad_()
    hard = straight_through(weights)
    assert torch.equal(hard, torch.nn.functional.one_hot(weights.argmax(1), 5).double())
    (grad,) = torch.autograd.grad((hard * direction).sum(), weights, create_graph=True)
    assert torch.equal(grad, direction)
    (second,) = torch.autograd.grad(grad.sum(), direction)
    assert torch.equal(second, torch.ones_like(direction))


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="must be positive"):
        gumbel_softmax(torch.zeros(1, 5), MASK, temperature, generator(0))


def test_the_schedule_falls_geometrically_and_stays():
    schedule = TemperatureSchedule(start=4.0, end=0.25, decay_steps=100)
    found = [schedule.temperature(step) for step in (0, 25, 50, 75, 100, 1000)]
    assert found == pytest.approx([4, 2, 1, 0.5, 0.25, 0.25])
    assert TemperatureSchedule().temperature(123) == 1  # the paper's
    for bad in ({"start": 0}, {"end": -1}, {"decay_steps": 0}):
        with pytest.raises(ValidationError):
            TemperatureSchedule(**bad)
