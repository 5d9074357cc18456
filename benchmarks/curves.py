"""Training curves of runs side by side: a figure, and a table of every validation.

    python -m benchmarks.curves runs/without runs/with --out curves.png

Losses are those that `discodock train score` logs, relative to predicting zero; success is that of the poses redocked
in validation: of samples, and (`oracle_lt2`) of the best of each complex. `val_oracle` is with the codes that the
encoder reads off the answer. Training losses are moving means.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

Curve = list[tuple[int, float]]
"""(optimiser steps, value), by steps."""

LOSSES: Final = {"tr": "translation", "rot": "rotation", "tor": "torsions"}
SOURCES: Final = {"train": "train", "val": "val", "val_oracle": "val, oracle codes"}
SUCCESS: Final = "sample_lt2"
WINDOW: Final = 6
"""Logged training losses that are averaged."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the validations of every run and draw the curves of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of `discodock train score`")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="figure")
    options = parser.parse_args(arguments)
    curves = {str(run): read_curves(run) for run in options.runs}
    for name, each in curves.items():
        print(f"\n{name}\n" + validation_table(each))
    draw(curves, options.out)


def read_curves(run: Path) -> dict[str, Curve]:
    """All that a run logged, by name; where sessions overlap, the later one counts."""
    values: dict[str, dict[int, float]] = defaultdict(dict)
    sessions = sorted((run / "logs").glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name[8:]))
    for session in sessions:
        with session.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                step = int(row["step"]) + 1
                for name, value in row.items():
                    if value and name not in ("epoch", "step"):
                        values[name][step] = float(value)
    return {name: sorted(curve.items()) for name, curve in values.items()}


def validation_table(curves: Mapping[str, Curve]) -> str:
    """Markdown: a row for each validation."""
    names = [f"{source}/{kind}" for source in ("val", "val_oracle") for kind in (*LOSSES, SUCCESS, "oracle_lt2")]
    names = [name for name in names if name in curves]
    by_name = {name: dict(curves[name]) for name in names}
    if not names:
        return "no validation yet"
    lines = [f"| steps | {' | '.join(names)} |", "| --- |" + " --- |" * len(names)]
    for step, _ in curves[names[0]]:
        cells = [f"{by_name[name][step]:.3f}" if step in by_name[name] else "" for name in names]
        lines.append(f"| {step:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def smoothed(curve: Curve) -> Curve:
    """Means over `WINDOW` points in a row, at the last of them."""
    values = [value for _, value in curve]
    return [(curve[end][0], sum(values[end + 1 - WINDOW : end + 1]) / WINDOW) for end in range(WINDOW - 1, len(curve))]


def draw(curves: Mapping[str, Mapping[str, Curve]], path: Path) -> None:
    """One panel for each loss and one for success; a colour for each run, a line style for each source."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    panels = figure.subplots(1, len(LOSSES) + 1)
    kinds: Sequence[str] = (*LOSSES, SUCCESS)
    for axes, kind in zip(panels, kinds, strict=True):
        for colour, (run, each) in enumerate(curves.items()):
            for (source, label), style in zip(SOURCES.items(), (":", "-", "--"), strict=True):
                curve = each.get(f"{source}/{kind}", [])
                curve = smoothed(curve) if source == "train" else curve
                steps, values = [step for step, _ in curve], [value for _, value in curve]
                if values:
                    axes.plot(steps, values, style, color=f"C{colour}", label=f"{run}, {label}", linewidth=1)
        axes.set(xlabel="steps", title=LOSSES.get(kind, "poses redocked < 2 Å"))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=7)
    figure.savefig(path, dpi=150, metadata={"Software": None})


if __name__ == "__main__":
    main()
