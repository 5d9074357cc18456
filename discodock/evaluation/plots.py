"""Plots of an evaluation, as PNG files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from discodock.evaluation.calibration import reliability
from discodock.evaluation.metrics import SUCCESS_RMSD, RedockingResult
from discodock.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUCCESS_CURVE: Final = "success_curve.png"
RMSD_DISTRIBUTION: Final = "rmsd_distribution.png"
CALIBRATION: Final = "calibration.png"

MAX_RMSD: Final = 10.0
"""Å at which the axes end; what lies beyond is in the last bin."""

RESOLUTION: Final = 150  # dots per inch
SIZE: Final = (5.0, 3.6)  # inches


def write_plots(redockings: Sequence[RedockingResult], folder: Path) -> list[str]:
    """Draw success curve, RMSD distribution and, where probabilities were predicted, calibration.

    Args:
        redockings: one of each complex, failures among them.
        folder: folder to write into.

    Returns:
        Names of the files.
    """
    drawings = {SUCCESS_CURVE: draw_success_curve, RMSD_DISTRIBUTION: draw_rmsd_distribution}
    if any(r.probs for r in redockings):
        drawings[CALIBRATION] = draw_calibration
    from matplotlib.figure import Figure

    for name, draw in drawings.items():
        figure = Figure(figsize=SIZE, layout="constrained")
        draw(figure.subplots(), redockings)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=RESOLUTION, metadata={"Software": None})
        write_atomically(folder / name, buffer.getvalue())
    return list(drawings)


def draw_success_curve(axes: Axes, redockings: Sequence[RedockingResult]) -> None:
    """Fraction of complexes with a pose below each RMSD: the best-ranked, the best of five, the best of all."""
    for count, label in ((1, "top-1"), (5, "best of top-5"), (None, "best of all")):
        best = np.sort([min(r.rmsds[:count], default=np.inf) for r in redockings])
        axes.step([0, *best], np.arange(len(best) + 1) / len(best), where="post", label=label)
    axes.axvline(SUCCESS_RMSD, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, MAX_RMSD), ylim=(0, 1), xlabel="RMSD (Å)", ylabel="fraction of complexes below")
    axes.legend(frameon=False)


def draw_rmsd_distribution(axes: Axes, redockings: Sequence[RedockingResult]) -> None:
    """RMSD of best-ranked poses and of all poses, each complex weighing the same."""
    docked = [np.minimum(r.rmsds, MAX_RMSD) for r in redockings if r.rmsds]
    edges = np.linspace(0, MAX_RMSD, 21).tolist()
    if docked:
        weights = [np.full(len(values), 1 / len(values)) for values in docked]
        everything, weight = np.concatenate(docked), np.concatenate(weights) / len(docked)
        axes.hist(everything, edges, weights=weight, alpha=0.5, label="all poses")
        first = [values[0] for values in docked]
        axes.hist(first, edges, weights=[1 / len(first)] * len(first), histtype="step", linewidth=1.5, label="top-1")
        axes.legend(frameon=False)
    axes.set(xlim=(0, MAX_RMSD), xlabel=f"RMSD (Å; last bin: {edges[-2]:g} and above)", ylabel="fraction")


def draw_calibration(axes: Axes, redockings: Sequence[RedockingResult]) -> None:
    """Predicted probability against the rate that came true, of best-ranked poses; dots as large as their counts."""
    scored = [r for r in redockings if r.probs]
    bins = reliability(np.array([r.probs[0] for r in scored]), np.array([r.is_top1_near_native for r in scored]))
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
    sizes = [200 * found.count / len(scored) + 10 for found in bins]
    axes.scatter([found.mean_prob for found in bins], [found.rate for found in bins], s=sizes)
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel="predicted probability of RMSD < 2 Å", ylabel="observed rate")
