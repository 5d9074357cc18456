"""The report of an evaluation: `report.md` with its plots, and `groups.csv`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from discodock.evaluation.groups import COLUMNS as GROUP_COLUMNS
from discodock.evaluation.metrics import RedockingResult
from discodock.evaluation.plots import write_plots
from discodock.files import write_text
from discodock.inference.outputs import write_table

REPORT_FILE: Final = "report.md"
GROUPS_FILE: Final = "groups.csv"
MAX_FAILURES: Final = 50  # listed in the report; `per_complex.csv` has all

HEADLINES: Final = {
    "top1_lt2": "top-1 < 2 Å",
    "top5_lt2": "top-5 < 2 Å",
    "oracle_lt2": "any pose < 2 Å",
    "sample_lt2": "all poses < 2 Å",
    "top1_lt2_by_confidence": "top-1 < 2 Å, ranked by the confidence model alone",
    "top1_lt5": "top-1 < 5 Å",
    "centroid_top1_lt2": "top-1 centroid < 2 Å",
    "pb_valid_top1": "top-1 physically valid",
    "top1_lt2_pb_valid": "top-1 < 2 Å and valid",
    "top1_lt2_by_cluster": "top-1 < 2 Å, families alike",
    "site_top1_lt6": "first site < 6 Å",
    "site_top5_lt6": "any of 5 sites < 6 Å",
    "top1_lt2_any_copy": "top-1 < 2 Å, any copy of the site",
    "top5_lt2_any_copy": "top-5 < 2 Å, any copy of the site",
    "oracle_lt2_any_copy": "any pose < 2 Å, any copy of the site",
    "site_top1_lt6_any_copy": "first site < 6 Å, any copy of the site",
}
"""Rates with a 95 % interval, in the order they are shown."""

CONFIDENCE: Final = {
    "ece_top1": "calibration error, top-1",
    "ece_poses": "calibration error, all poses",
    "top1_lt2_surest_half": "top-1 < 2 Å, surer half",
    "top1_lt2_surest_quarter": "top-1 < 2 Å, surest quarter",
}

GROUP_TITLES: Final = {
    "n": "n",
    "top1_lt2": "top-1 < 2 Å",
    "top5_lt2": "top-5 < 2 Å",
    "oracle_lt2": "any < 2 Å",
    "pb_valid_top1": "top-1 valid",
    "top1_lt2_pb_valid": "< 2 Å and valid",
}


def write_report(
    out: Path,
    redockings: Sequence[RedockingResult],
    metrics: Mapping[str, float],
    groups: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, str]],
    record: Mapping[str, Any],
) -> None:
    """Write `groups.csv`, the plots and `report.md` into a folder.

    Args:
        out: the folder.
        redockings: one of each complex.
        metrics: metrics over all redockings.
        groups: rates of groups of complexes, from `group_rates`.
        rows: rows of `per_complex.csv`, for the reasons of failures.
        record: record of the run.
    """
    write_table(out / GROUPS_FILE, GROUP_COLUMNS, groups)
    plots = write_plots(redockings, out)
    parts = [
        "# Redocking",
        _origin(metrics, record),
        _headline_table(metrics),
        _remarks(metrics),
        *_group_tables(groups),
        "\n".join(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in plots),
        *_failure_list(rows),
    ]
    write_text(out / REPORT_FILE, "\n\n".join(filter(None, parts)) + "\n")


def _origin(metrics: Mapping[str, float], record: Mapping[str, Any]) -> str:
    settings = record.get("settings", {})
    if "poses" in record:
        how = f"poses in `{record['poses']}`"
    else:
        docking = settings["docking"]
        where = f"pocket displaced by {settings['offset']:g} Å" if settings["mode"] == "pocket" else "no pocket given"
        how = (
            f"{docking['samples']} poses a complex of {docking['exhaustiveness']} times as many candidates,"
            f" {docking['solver']['steps']} steps, seed {docking['seed']},"
            f" {where}, checkpoint {record['checkpoint']['sha256'][:12]}"
        )
    version = record.get("versions", {}).get("discodock", "")
    return (
        f"{metrics['n']:.0f} complexes of `{record['source']}`, {metrics['failed']:.0f} of them failed and counted as"
        f" not successful; {how}; discodock {version}."
    )


def _headline_table(metrics: Mapping[str, float]) -> str:
    lines = ["| | rate | 95 % interval |", "| --- | --- | --- |"]
    for name, title in HEADLINES.items():
        if name in metrics:
            low, high = metrics[f"{name}_low"], metrics[f"{name}_high"]
            lines.append(f"| {title} | {metrics[name]:.1%} | {low:.1%} to {high:.1%} |")
    lines += [f"| {title} | {metrics[name]:.3f} | |" for name, title in CONFIDENCE.items() if name in metrics]
    return "\n".join(lines)


def _remarks(metrics: Mapping[str, float]) -> str:
    low, high = metrics["top1_lt2_cluster_low"], metrics["top1_lt2_cluster_high"]
    return (
        f"Median top-1 RMSD {_number(metrics['median_top1_rmsd'])} Å, of the best pose"
        f" {_number(metrics['median_oracle_rmsd'])} Å; {_number(metrics['seconds_per_complex'])} s and"
        f" {_number(metrics['cpu_seconds_per_complex'])} CPU-seconds a complex. Intervals take complexes as"
        f" independent; drawing {metrics['num_clusters']:.0f} protein families instead, top-1 < 2 Å lies between"
        f" {low:.1%} and {high:.1%}. RMSD is symmetry-corrected, of heavy atoms, without superposition."
    )


def _group_tables(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    parts = []
    for grouping in dict.fromkeys(row["grouping"] for row in groups):
        inside = [row for row in groups if row["grouping"] == grouping]
        columns = [name for name in GROUP_TITLES if name in inside[0]]
        header = [grouping, *(GROUP_TITLES[name] for name in columns)]
        lines = [f"## By {grouping}", "", _table_row(header), _table_row(["---"] * len(header))]
        lines += [_table_row([row["group"], *(_group_cell(row, name) for name in columns)]) for row in inside]
        parts.append("\n".join(lines))
    return parts


def _group_cell(row: Mapping[str, Any], name: str) -> str:
    if name == "n":
        return str(row[name])
    if name == "top1_lt2":
        return f"{row[name]:.0%} ({row['top1_lt2_low']:.0%}-{row['top1_lt2_high']:.0%})"
    return f"{row[name]:.0%}" if name in row else ""


def _failure_list(rows: Sequence[Mapping[str, str]]) -> list[str]:
    failed = [row for row in rows if row["status"] != "ok"]
    if not failed:
        return []
    lines = [f"* {row['id']}: {row['message']}" for row in failed[:MAX_FAILURES]]
    more = [f"* and {len(failed) - MAX_FAILURES} more"] if len(failed) > MAX_FAILURES else []
    return ["\n".join(["## Failures", "", *lines, *more])]


def _table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "an unknown number of"
