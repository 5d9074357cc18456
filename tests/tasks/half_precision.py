"""A step of training in half precision beside the same one in single precision."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

STEP = ("run.max_steps=1", "run.validate_every=1", "run.log_every=1")
"""One training step and one validation."""


def compare_precisions(train: Callable[[Sequence[str], Path], object], folder: Path, metrics: Sequence[str]) -> None:
    """Train by `train(overrides, run folder)` in both, and compare metrics to 5 %."""
    train(STEP, folder / "single")
    train((*STEP, "run.precision=bf16-mixed"), folder / "half")
    single, half = _logged(folder / "single"), _logged(folder / "half")
    assert {name: half[name] for name in metrics} == pytest.approx({name: single[name] for name in metrics}, rel=0.05)


def _logged(folder: Path) -> dict[str, float]:
    """The last value of every metric of the first session of a run."""
    with open(folder / "logs/version_0/metrics.csv", newline="") as file:
        return {name: float(value) for row in csv.DictReader(file) for name, value in row.items() if value}
