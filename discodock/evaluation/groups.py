"""Success by kind of complex: size and torsions of the ligand, family of the protein, seen in training or not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from discodock.evaluation.metrics import RedockingResult, compute_metrics

SIZES: Final = (15, 25, 35)
"""Heavy atoms above which the next class of ligands begins."""

TORSIONS: Final = (2, 5, 10)
"""Rotatable bonds above which the next class of ligands begins."""

MIN_CLUSTER: Final = 5
"""Complexes of a family that stands alone; smaller ones are put together."""

SMALL_CLUSTERS: Final = f"families of fewer than {MIN_CLUSTER}"
NOT_KNOWN: Final = "not known"
COLUMNS: Final = (
    "grouping", "group", "n", "failed", "top1_lt2", "top1_lt2_low", "top1_lt2_high", "top5_lt2", "oracle_lt2",
    "pb_valid_top1", "top1_lt2_pb_valid", "median_top1_rmsd",
)  # fmt: skip
"""Columns of `groups.csv`, named as in `metrics.json`."""

Grouping = Callable[[Sequence[RedockingResult]], list[str]]


def group_rates(redockings: Sequence[RedockingResult]) -> list[dict[str, Any]]:
    """One row with `COLUMNS` for each group of every grouping that tells complexes apart; None for what is infinite."""
    rows = []
    for grouping, label in GROUPINGS.items():
        labels = label(redockings)
        names = sorted(set(labels), key=lambda name: (name == NOT_KNOWN, _natural(name)))
        if names == [NOT_KNOWN]:
            continue
        for name in names:
            metrics = compute_metrics([r for r, own in zip(redockings, labels, strict=True) if own == name])
            values = {column: metrics[column] for column in COLUMNS if column in metrics}
            finite = {column: value if math.isfinite(value) else None for column, value in values.items()}
            rows.append({"grouping": grouping, "group": name} | finite)
    return rows


def by_size(redockings: Sequence[RedockingResult]) -> list[str]:
    """Heavy atoms of the ligand, such as "16-25"."""
    return [_range_of(r.num_atoms, SIZES) for r in redockings]


def by_torsions(redockings: Sequence[RedockingResult]) -> list[str]:
    """Rotatable bonds of the ligand, such as "3-5"."""
    return [_range_of(r.num_torsions, TORSIONS) for r in redockings]


def by_protein(redockings: Sequence[RedockingResult]) -> list[str]:
    """Whether the protein's family was trained on."""
    names = {True: "seen in training", False: "unseen", None: NOT_KNOWN}
    return [names[r.is_seen] for r in redockings]


def by_family(redockings: Sequence[RedockingResult]) -> list[str]:
    """The protein's family where enough complexes are of it."""
    sizes = Counter(r.cluster for r in redockings)
    if not any(sizes.keys() - {""}):
        return [NOT_KNOWN] * len(redockings)
    return [
        f"family {r.cluster}" if r.cluster and sizes[r.cluster] >= MIN_CLUSTER else SMALL_CLUSTERS for r in redockings
    ]


def _range_of(value: int | None, limits: Sequence[int]) -> str:
    if value is None:
        return NOT_KNOWN
    place = int(np.searchsorted(limits, value))
    if place == len(limits):
        return f"{limits[-1] + 1}+"
    return f"{limits[place - 1] + 1 if place else 0}-{limits[place]}"


def _natural(name: str) -> tuple[int, str]:
    """Numbers in names sort as numbers."""
    digits = "".join(c if c.isdigit() else " " for c in name).split()
    return (int(digits[0]) if digits else -1, name)


GROUPINGS: Final[dict[str, Grouping]] = {
    "heavy atoms": by_size,
    "rotatable bonds": by_torsions,
    "protein": by_protein,
    "protein family": by_family,
}
