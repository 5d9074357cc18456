"""Metrics on outcomes whose values are known: perfect, shifted, failed."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from discodock.evaluation.metrics import METRICS, RedockingResult, by_cluster, compute_metrics, wilson_interval

PERFECT = RedockingResult("a", (0.0, 0.0, 0.0), 0.0, 1.0, "1")
SHIFTED = RedockingResult("b", (3.0, 3.0, 3.0), 3.0, 3.0, "2")
LATE = RedockingResult("c", (6.0, 7.0, 8.0, 9.0, 9.0, 1.0), 4.0, 2.0, "2")
FAILED = RedockingResult("d", (), math.inf, 0.5, "3")
OPTIONAL = {"sites", "copies", "validity", "confidence"}
"""Metrics that say nothing where there were no sites to find, no checks, no predicted probabilities."""

RATES = ["top1_lt2", "top5_lt2", "top1_lt5", "oracle_lt2", "centroid_top1_lt2", "sample_lt2"]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_returns_named_numbers_for_any_outcome(name):
    extras = {"valid": (True,) * 6, "probs": (0.5,) * 6, "site_distances": (1.0,), "copy_rmsds": LATE.rmsds}
    rich = dataclasses.replace(LATE, **extras, cpu_seconds=1.0)
    for redockings in ([PERFECT], [SHIFTED], [FAILED], [PERFECT, SHIFTED, LATE, FAILED], [rich, FAILED]):
        values = METRICS[name](redockings)
        assert values or (name in OPTIONAL and rich not in redockings)
        assert all(isinstance(key, str) and not float(value) < 0 for key, value in values.items())


def test_no_name_is_given_twice():
    names = [name for metric in METRICS.values() for name in metric([PERFECT])]
    assert len(names) == len(set(names))


def test_perfect_poses_score_one_everywhere():
    values = compute_metrics([PERFECT, PERFECT])
    assert all(values[name] == 1.0 for name in RATES)
    assert values["median_top1_rmsd"] == 0.0 and values["failed"] == 0 and values["n"] == 2


def test_poses_shifted_by_three_angstroms_miss_two_but_not_five():
    values = compute_metrics([SHIFTED])
    assert {name: values[name] for name in RATES} == {name: float(name == "top1_lt5") for name in RATES}
    assert values["median_top1_rmsd"] == 3.0


def test_times_are_means_over_complexes_that_took_any():
    never_begun = dataclasses.replace(FAILED, seconds=math.nan)
    values = compute_metrics([PERFECT, SHIFTED, never_begun])
    assert values["seconds_per_complex"] == 2.0 and math.isnan(values["cpu_seconds_per_complex"])


def test_a_failure_counts_against_every_rate():
    values = compute_metrics([PERFECT, FAILED])
    assert all(values[name] == 0.5 for name in RATES)
    assert values["failed"] == 1 and values["median_top1_rmsd"] == math.inf


def test_rank_matters_for_top_n_and_not_for_the_oracle():
    values = compute_metrics([LATE])
    assert (values["top1_lt2"], values["top5_lt2"], values["oracle_lt2"]) == (0.0, 0.0, 1.0)
    assert values["sample_lt2"] == pytest.approx(1 / 6)


def test_families_weigh_the_same_whatever_their_size():
    values = compute_metrics([PERFECT, SHIFTED, SHIFTED, SHIFTED])
    assert values["sample_lt2"] == 0.25 and values["sample_lt2_by_cluster"] == 0.5


def test_a_pose_must_be_both_near_native_and_valid():
    both, broken = dataclasses.replace(PERFECT, valid=(True, False, True)), dataclasses.replace(LATE, valid=(False,))
    decoy = dataclasses.replace(SHIFTED, valid=(True, True, True))
    values = compute_metrics([both, broken, decoy, FAILED])
    assert (values["pb_valid_top1"], values["top1_lt2_pb_valid"]) == (0.5, 0.25)
    assert compute_metrics([dataclasses.replace(PERFECT, valid=(False, True, True)), both])["top1_lt2_pb_valid"] == 0.5


def test_few_families_make_intervals_wide():
    one_family = [dataclasses.replace(PERFECT, id=str(n), cluster="a") for n in range(30)]
    one_family += [dataclasses.replace(SHIFTED, id=str(n), cluster="b") for n in range(30, 60)]
    values = compute_metrics(one_family)
    assert (values["top1_lt2_cluster_low"], values["top1_lt2_cluster_high"]) == (0.0, 1.0)
    assert values["top1_lt2_low"] > 0.3 and values["num_clusters"] == 2
    alone = compute_metrics([dataclasses.replace(r, cluster="") for r in one_family])
    assert alone["top1_lt2_cluster_low"] == pytest.approx(alone["top1_lt2_low"], abs=0.03)  # then it is Wilson's


def test_the_cluster_bootstrap_is_scipys():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, size=40)
    hits = rng.binomial(sizes, 0.4)
    redockings = [
        dataclasses.replace(PERFECT if n < hit else SHIFTED, id=f"{family}/{n}", cluster=f"f{family}")
        for family, (size, hit) in enumerate(zip(sizes, hits, strict=True))
        for n in range(size)
    ]
    reference = bootstrap(
        (hits, sizes), lambda h, s, axis: h.sum(axis) / s.sum(axis), paired=True, method="percentile", rng=1
    ).confidence_interval
    found = by_cluster(redockings)
    assert found["top1_lt2_cluster_low"] == pytest.approx(reference.low, abs=0.02)
    assert found["top1_lt2_cluster_high"] == pytest.approx(reference.high, abs=0.02)
    assert found["top1_lt2_by_cluster"] == pytest.approx(np.mean(hits / sizes))


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 7), (50, 100), (263, 263)])
def test_wilson_interval_is_scipys(successes, trials):
    reference = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_sites_count_within_six_angstrom_and_failures_as_not_found():
    first, second = (
        dataclasses.replace(PERFECT, site_distances=(5.9, 40.0)),
        dataclasses.replace(SHIFTED, site_distances=(20.0, 30.0, 40.0, 50.0, 6.1, 1.0)),
    )
    values = compute_metrics([first, second, FAILED, dataclasses.replace(LATE, site_distances=(7.0, 1.0))])
    assert values["site_top1_lt6"] == 0.25 and values["site_top5_lt6"] == 0.5


def test_the_confidence_model_alone_may_rank_another_pose_first():
    ranked = dataclasses.replace(PERFECT, rmsds=(9.0, 1.0), probs=(0.6, 0.5), confidences=(-1.0, 2.0))
    values = compute_metrics([ranked, FAILED])
    assert values["top1_lt2"] == 0 and values["top1_lt2_by_confidence"] == 0.5
    without = dataclasses.replace(ranked, confidences=())
    assert "top1_lt2_by_confidence" not in compute_metrics([without])


def test_copies_of_the_site_count_only_in_their_own_rates():
    elsewhere = dataclasses.replace(
        SHIFTED, rmsds=(25.0, 24.0), copy_rmsds=(1.0, 24.0), site_distances=(25.0,), copy_site_distances=(0.5,)
    )
    values = compute_metrics([elsewhere, dataclasses.replace(PERFECT, copy_rmsds=PERFECT.rmsds), FAILED, FAILED])
    assert values["top1_lt2"] == 0.25 and values["site_top1_lt6"] == 0
    assert values["top1_lt2_any_copy"] == values["oracle_lt2_any_copy"] == 0.5
    assert values["site_top1_lt6_any_copy"] == 0.25
    assert "top1_lt2_any_copy" not in compute_metrics([PERFECT])


def test_nothing_to_evaluate_is_refused():
    with pytest.raises(ValueError, match="no complexes"):
        compute_metrics([])
