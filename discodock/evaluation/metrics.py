"""Success rates of redocking, with 95 % intervals; every metric is one function that returns a flat dict."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from discodock.evaluation.calibration import calibration_error, selective_accuracy

Z_95: Final = 1.959963984540054
"""Half-width of the central 95 % of the normal distribution, in standard deviations."""

NUM_RESAMPLES: Final = 2000
SUCCESS_RMSD: Final = 2.0
"""Å below which a redocked pose counts as near-native, as everywhere in the docking literature."""

SITE_SUCCESS: Final = 6.0
"""Å from the crystal ligand's centroid within which a predicted site counts as found."""


@dataclass(frozen=True)
class RedockingResult:
    """What came of redocking one complex.

    Attributes:
        id: name of the complex.
        rmsds: symmetry-corrected RMSD of its poses, best-ranked first, Å; empty if docking failed.
        centroid_distance: distance of the top-ranked pose's centroid from the crystal's, Å; infinite if docking failed.
        seconds: wall-clock time of docking alone; of everything if it failed; not a number if it was not begun.
        cluster: protein family, empty if not known.
        site_distances: distance of each site that was found from the crystal centroid, most probable first, Å; empty if
            the pocket was given, or if docking failed.
        copy_rmsds: RMSD as in `rmsds`, but from the nearest copy of the site in like chains, Å; empty if a pocket was
            given.
        copy_site_distances: distance as in `site_distances`, but from the nearest copy of the site, Å; empty if a
            pocket was given.
        cpu_seconds: CPU time of docking, all cores together.
        valid: whether each pose is physically valid, best-ranked first; empty if that was not checked.
        probs: predicted probability of each pose to be below 2 Å, best-ranked first; empty without a prediction.
        confidences: log-odds of that by the confidence model alone; empty without one.
        num_atoms: heavy atoms of the ligand; None if it could not be read.
        num_torsions: rotatable bonds of the ligand; None if it could not be read.
        is_seen: whether its protein family was trained on; None if that is not known.
    """

    id: str
    rmsds: tuple[float, ...]
    centroid_distance: float
    seconds: float
    cluster: str = ""
    site_distances: tuple[float, ...] = ()
    copy_rmsds: tuple[float, ...] = ()
    copy_site_distances: tuple[float, ...] = ()
    cpu_seconds: float = math.nan
    valid: tuple[bool, ...] = ()
    probs: tuple[float, ...] = ()
    confidences: tuple[float, ...] = ()
    num_atoms: int | None = None
    num_torsions: int | None = None
    is_seen: bool | None = None

    @property
    def top1(self) -> float:
        """RMSD of the best-ranked pose, Å; infinite if docking failed."""
        return self.rmsds[0] if self.rmsds else math.inf

    @property
    def is_top1_near_native(self) -> bool:
        """Whether the best-ranked pose is below 2 Å."""
        return self.top1 < SUCCESS_RMSD

    @property
    def is_top1_valid(self) -> bool:
        """Whether the best-ranked pose is known to be physically valid."""
        return bool(self.valid and self.valid[0])


def compute_metrics(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """All metrics of `METRICS` over a set of complexes; docking that failed counts as not successful.

    Args:
        redockings: one of each complex.

    Raises:
        ValueError: there is no complex.
    """
    if not redockings:
        raise ValueError("no complexes to evaluate")
    values: dict[str, float] = {}
    for metric in METRICS.values():
        values |= metric(redockings)
    return values


def counts(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Number of complexes and how many of them could not be docked."""
    return {"n": len(redockings), "failed": sum(not r.rmsds for r in redockings)}


def top1(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Of the best-ranked pose: rates below 2 and 5 Å, its centroid's below 2 Å, median RMSD (infinite where failed)."""
    rmsds = [r.top1 for r in redockings]
    return {
        **_rate("top1_lt2", [r.is_top1_near_native for r in redockings]),
        **_rate("top1_lt5", [rmsd < 5.0 for rmsd in rmsds]),
        **_rate("centroid_top1_lt2", [r.centroid_distance < SUCCESS_RMSD for r in redockings]),
        "median_top1_rmsd": float(np.median(rmsds)),
    }


def top5(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Rate at which one of the five best-ranked poses is below 2 Å."""
    return _rate("top5_lt2", [min(r.rmsds[:5], default=math.inf) < SUCCESS_RMSD for r in redockings])


def oracle(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Rate at which any pose is below 2 Å, whatever its rank: the ceiling of any ranking; and its median RMSD."""
    best = [min(r.rmsds, default=math.inf) for r in redockings]
    return {**_rate("oracle_lt2", [rmsd < SUCCESS_RMSD for rmsd in best]), "median_oracle_rmsd": float(np.median(best))}


def per_sample(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Mean rate of single samples below 2 Å; over complexes, and over protein families so that large ones do not rule.

    The interval is a seeded bootstrap over complexes.
    """
    rates = np.array([np.mean(np.array(r.rmsds) < SUCCESS_RMSD) if r.rmsds else 0.0 for r in redockings])
    draws = np.random.default_rng(0).integers(len(rates), size=(NUM_RESAMPLES, len(rates)))
    low, high = np.quantile(rates[draws].mean(axis=1), [0.025, 0.975])
    by_cluster: dict[str, list[float]] = defaultdict(list)
    for redocking, rate in zip(redockings, rates, strict=True):
        by_cluster[redocking.cluster or redocking.id].append(float(rate))
    return {
        "sample_lt2": float(rates.mean()),
        "sample_lt2_low": float(low),
        "sample_lt2_high": float(high),
        "sample_lt2_by_cluster": float(np.mean([np.mean(group) for group in by_cluster.values()])),
    }


def validity(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Rates at which the best-ranked pose is physically valid, and at which it is that and below 2 Å; if checked."""
    if not any(r.valid for r in redockings):
        return {}
    return {
        **_rate("pb_valid_top1", [r.is_top1_valid for r in redockings]),
        **_rate("top1_lt2_pb_valid", [r.is_top1_valid and r.is_top1_near_native for r in redockings]),
    }


def by_cluster(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Top-1 success with every protein family weighing the same, and intervals that count families, not complexes.

    Complexes of one family succeed or fail together, so that Wilson's interval is too narrow. The intervals here are a
    seeded bootstrap over families; a complex whose family is not known is one of its own.
    """
    groups: dict[str, list[float]] = defaultdict(list)
    for redocking in redockings:
        groups[redocking.cluster or redocking.id].append(float(redocking.is_top1_near_native))
    hits, sizes = np.array([sum(group) for group in groups.values()]), np.array([len(g) for g in groups.values()])
    draws = np.random.default_rng(0).integers(len(sizes), size=(NUM_RESAMPLES, len(sizes)))
    pooled = np.quantile(hits[draws].sum(axis=1) / sizes[draws].sum(axis=1), [0.025, 0.975])
    means = np.quantile((hits / sizes)[draws].mean(axis=1), [0.025, 0.975])
    return {
        "num_clusters": len(sizes),
        "top1_lt2_cluster_low": float(pooled[0]),
        "top1_lt2_cluster_high": float(pooled[1]),
        "top1_lt2_by_cluster": float((hits / sizes).mean()),
        "top1_lt2_by_cluster_low": float(means[0]),
        "top1_lt2_by_cluster_high": float(means[1]),
    }


def confidence(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Calibration and selective accuracy of the predicted probabilities of best-ranked poses, if there are any.

    Also the rate at which the pose that the confidence model alone would rank first is below 2 Å.
    """
    scored = [r for r in redockings if r.probs]
    if not scored:
        return {}
    probs = np.array([r.probs[0] for r in scored])
    is_near_native = np.array([r.is_top1_near_native for r in scored])
    every = [(prob, rmsd < SUCCESS_RMSD) for r in scored for prob, rmsd in zip(r.probs, r.rmsds, strict=True)]
    all_probs, all_near_native = (np.array(column) for column in zip(*every, strict=True))
    chosen = [r.rmsds[int(np.argmax(r.confidences))] if r.confidences else math.inf for r in redockings]
    by_model_alone = _rate("top1_lt2_by_confidence", [rmsd < SUCCESS_RMSD for rmsd in chosen])
    return {
        **(by_model_alone if any(r.confidences for r in redockings) else {}),
        "ece_top1": calibration_error(probs, is_near_native),
        "ece_poses": calibration_error(all_probs, all_near_native),
        "top1_lt2_surest_half": selective_accuracy(probs, is_near_native, 0.5),
        "top1_lt2_surest_quarter": selective_accuracy(probs, is_near_native, 0.25),
    }


def sites(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Rates at which the first site, or any of the first five, is within 6 Å of the crystal centroid (blind mode)."""
    if not any(r.site_distances for r in redockings):
        return {}
    return {
        **_rate("site_top1_lt6", [min(r.site_distances[:1], default=math.inf) < SITE_SUCCESS for r in redockings]),
        **_rate("site_top5_lt6", [min(r.site_distances[:5], default=math.inf) < SITE_SUCCESS for r in redockings]),
    }


def copies(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Success where poses and sites near a copy of the site in like chains count, too (blind mode)."""
    if not any(r.copy_rmsds for r in redockings):
        return {}
    values: dict[str, float] = {}
    for name, num in (("top1", 1), ("top5", 5), ("oracle", None)):
        best = [min(r.copy_rmsds[:num], default=math.inf) for r in redockings]
        values |= _rate(f"{name}_lt2_any_copy", [rmsd < SUCCESS_RMSD for rmsd in best])
    if any(r.copy_site_distances for r in redockings):
        first = [min(r.copy_site_distances[:1], default=math.inf) for r in redockings]
        values |= _rate("site_top1_lt6_any_copy", [distance < SITE_SUCCESS for distance in first])
    return values


def timing(redockings: Sequence[RedockingResult]) -> dict[str, float]:
    """Mean wall-clock and CPU seconds of a complex, all its samples together, over those where it was measured."""
    return {
        "seconds_per_complex": _known_mean([r.seconds for r in redockings]),
        "cpu_seconds_per_complex": _known_mean([r.cpu_seconds for r in redockings]),
    }


def _known_mean(values: Sequence[float]) -> float:
    """Mean of what is known; not a number if nothing is."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a success probability (Wilson 1927, doi 10.1080/01621459.1927.10502953)."""
    rate = successes / trials
    centre = rate + Z_95**2 / (2 * trials)
    half = Z_95 * math.sqrt(rate * (1 - rate) / trials + Z_95**2 / (4 * trials**2))
    scale = 1 + Z_95**2 / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def _rate(name: str, successes: Sequence[bool]) -> dict[str, float]:
    low, high = wilson_interval(sum(successes), len(successes))
    return {name: sum(successes) / len(successes), f"{name}_low": low, f"{name}_high": high}


METRICS: Final[dict[str, Callable[[Sequence[RedockingResult]], dict[str, float]]]] = {
    "counts": counts,
    "top1": top1,
    "top5": top5,
    "oracle": oracle,
    "per_sample": per_sample,
    "validity": validity,
    "by_cluster": by_cluster,
    "confidence": confidence,
    "sites": sites,
    "copies": copies,
    "timing": timing,
}
