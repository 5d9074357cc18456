"""What a step of training gives in half precision and in single precision, for comparison."""

import csv
from pathlib import Path

HALF = "run.precision=bf16-mixed"
ONE_STEP = ("run.max_steps=1", "run.validate_every=1", "run.log_every=1")
"""One training step and one validation."""


def logged(folder: Path) -> dict[str, float]:
    """The last value of every metric of the first session of a run."""
    with open(folder / "logs/version_0/metrics.csv", newline="") as file:
        return {name: float(value) for row in csv.DictReader(file) for name, value in row.items() if value}
