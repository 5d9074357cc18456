"""Calibration of probabilities whose truth is known: drawn from them, or from something else."""

import math

import numpy as np
import pytest

from discodock.evaluation.calibration import calibration_error, reliability, selective_accuracy


@pytest.fixture(params=range(5))
def rng(request):
    return np.random.default_rng(request.param)


def test_events_that_follow_their_probabilities_are_calibrated(rng):
    probs = rng.uniform(size=20_000)
    assert calibration_error(probs, rng.uniform(size=20_000) < probs) < 0.02
    squared = calibration_error(probs, rng.uniform(size=20_000) < probs**2)
    assert squared == pytest.approx(1 / 2 - 1 / 3, abs=0.02)  # the mean of p - p²


def test_the_error_is_that_of_the_definition(rng):
    probs, came_true = rng.uniform(size=57), rng.uniform(size=57) < 0.4
    total = 0.0
    for number in range(10):
        inside = [i for i in range(57) if math.floor(probs[i] * 10) == number]
        total += abs(sum(probs[i] - came_true[i] for i in inside)) / 57
    assert calibration_error(probs, came_true) == pytest.approx(total)


def test_bins_hold_everything_once_and_one_is_in_the_last():
    bins = reliability(np.array([0.0, 0.1, 0.1, 1.0]), np.array([False, True, False, True]))
    assert [(found.low, found.count, found.rate) for found in bins] == [(0.0, 1, 0.0), (0.1, 2, 0.5), (0.9, 1, 1.0)]


def test_the_surest_are_taken_and_rounded_up():
    probs, came_true = np.array([0.2, 0.9, 0.5, 0.9]), np.array([False, True, True, False])
    assert selective_accuracy(probs, came_true, 0.25) == 1.0
    assert selective_accuracy(probs, came_true, 0.5) == 0.5
    assert selective_accuracy(probs, came_true, 0.51) == pytest.approx(2 / 3)
    assert selective_accuracy(probs, came_true, 1.0) == came_true.mean()


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration_error(np.array([0.5, 1.5]), np.array([True, False]))
