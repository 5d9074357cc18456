"""Groups of complexes: everyone is in one group of each kind, and its rates are those of its members."""

import math

import pytest

from discodock.evaluation.groups import GROUPINGS, group_rates
from discodock.evaluation.metrics import RedockingResult, compute_metrics


def redocking(number, *, atoms, torsions, cluster="", is_seen=None):
    rmsd = float(number % 4)
    return RedockingResult(
        f"c{number}", (rmsd,), rmsd, 1.0, cluster, num_atoms=atoms, num_torsions=torsions, is_seen=is_seen
    )


@pytest.fixture
def redockings():
    found = [
        redocking(n, atoms=8 + n, torsions=n % 13, cluster="big" if n < 9 else f"f{n}", is_seen=n % 3 == 0)
        for n in range(40)
    ]
    return [*found, RedockingResult("lost", (), math.inf, 0.1)]


def test_groups_part_the_complexes(redockings):
    rows = group_rates(redockings)
    assert {row["grouping"] for row in rows} == GROUPINGS.keys()
    for grouping, label in GROUPINGS.items():
        inside = [row for row in rows if row["grouping"] == grouping]
        assert sum(row["n"] for row in inside) == 41 and sum(row["failed"] for row in inside) == 1
        for row in inside:
            members = [r for r, own in zip(redockings, label(redockings), strict=True) if own == row["group"]]
            assert row["top1_lt2"] == compute_metrics(members)["top1_lt2"]


def test_limits_of_sizes_belong_to_the_lower_class_and_groups_are_in_order(redockings):
    sizes = GROUPINGS["heavy atoms"]([redocking(0, atoms=n, torsions=0) for n in (1, 15, 16, 25, 26, 36)])
    assert sizes == ["0-15", "0-15", "16-25", "16-25", "26-35", "36+"]
    shown = [row["group"] for row in group_rates(redockings) if row["grouping"] == "rotatable bonds"]
    assert shown == ["0-2", "3-5", "6-10", "11+", "not known"]


def test_small_families_are_put_together_and_the_unknown_is_last(redockings):
    families = {row["group"]: row["n"] for row in group_rates(redockings) if row["grouping"] == "protein family"}
    assert families == {"families of fewer than 5": 32, "family big": 9}
    proteins = [row["group"] for row in group_rates(redockings) if row["grouping"] == "protein"]
    assert proteins == ["seen in training", "unseen", "not known"]


def test_what_is_not_known_of_anyone_is_left_out_and_what_is_infinite_is_none():
    rows = group_rates([RedockingResult("lost", (), math.inf, 0.1, num_atoms=20)])
    assert [(row["grouping"], row["group"], row["median_top1_rmsd"]) for row in rows] == [
        ("heavy atoms", "16-25", None)
    ]
