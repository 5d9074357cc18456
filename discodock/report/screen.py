"""The page of a screen: scores of all ligands, the best with their drawings and poses, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from discodock.chem.depict import depict
from discodock.chem.ligand import read_record
from discodock.chem.view import CONTACT_DISTANCE, ViewedPose, read_poses, view_bare_receptor
from discodock.files import write_atomically
from discodock.report.columns import describe_columns
from discodock.report.page import MODE_COLORS, command_line
from discodock.report.rendering import VIEWER_FILE, VIEWER_LICENSE_FILE, VIEWER_VERSION, asset, render, script, style
from discodock.screening.columns import Value, result_columns
from discodock.screening.config import ScreeningConfig
from discodock.screening.ledger import Ledger
from discodock.screening.results import (
    NOT_AN_AFFINITY,
    RECEPTOR_FILE,
    REPORT_FILE,
    TOP_FILE,
    read_config,
    rows,
    run_record,
)

MAX_LIGANDS: Final = 100
"""Best ligands on the page."""

CLUSTERED_LIGANDS: Final = 1_000
"""Best ligands whose scaffolds are counted."""

MAX_CLUSTERS: Final = 24
NUM_BINS: Final = 48
WIDTH, HEIGHT = 640, 150  # pixels of the histogram

TABLE_COLUMNS: Final = (
    *("rank", "id", "score", "stage", "vina_score", "p_rmsd_lt_2", "expected_rmsd", "pb_valid", "pocket_ok"),
    *("heavy_atoms", "weight", "logp", "rotatable_bonds", "vina_per_atom", "vina_size_corrected"),
)
"""Columns of the table; the panel of the selected ligand has all."""


@dataclass(frozen=True)
class Cluster:
    """Ligands with one scaffold.

    Attributes:
        drawing: SVG of the scaffold; empty for ligands without rings.
        count: number of ligands.
        best_rank: rank of the best of them.
        best_id: name of the best of them.
    """

    drawing: Markup
    count: int
    best_rank: int
    best_id: str


def write_screen_report(ledger: Ledger, out: Path, command: Sequence[str] = ()) -> Path | None:
    """Write `report.html` of a screen, from its ledger, `top.sdf` and `receptor.pdb`.

    Args:
        ledger: the screen.
        out: folder of the screen.
        command: command line, for the record.

    Returns:
        The page; None if nothing is docked yet.

    Raises:
        InputError: a file of the screen is missing or damaged.
        OSError: the folder cannot be written.
    """
    config = read_config(ledger)
    best = list(islice(rows(ledger, config), CLUSTERED_LIGANDS))
    if not best:
        return None
    poses = read_poses(out / TOP_FILE)[:MAX_LIGANDS]
    path = out / REPORT_FILE
    write_atomically(path, _page(ledger, out, config, best, poses, command).encode("utf-8"))
    return path


def _page(
    ledger: Ledger,
    out: Path,
    config: ScreeningConfig,
    best: Sequence[Mapping[str, Value]],
    poses: Sequence[ViewedPose],
    command: Sequence[str],
) -> str:
    shown = [{name: _text(value) for name, value in row.items()} for row in best[: len(poses)]]
    meanings = {column.name: column.meaning for column in result_columns(config)}
    columns = describe_columns(shown)
    record = run_record(ledger, config, command)
    receptor = view_bare_receptor(out / RECEPTOR_FILE, poses)
    scripts = [script(VIEWER_FILE), script("table.js"), script("report.js")]
    data = {
        "receptor": receptor.pdb,
        "residues": [[r.chain, r.number, r.icode, r.label] for r in receptor.residues],
        "poses": [
            {
                "rank": row["rank"],
                "title": f"{row['rank']}. {row['id']}",
                "mode": "",
                "color": MODE_COLORS[0],
                "block": pose.block,
                "sideChains": None,
                "near": near,
                "details": [
                    [c.title, c.shown(row[c.name]), c.kind, meanings.get(c.name, "")] for c in columns if row[c.name]
                ],
            }
            for row, pose, near in zip(shown, poses, receptor.near, strict=True)
        ],
        "sites": [],
    }
    values = {
        "name": out.absolute().name,
        "record": record,
        "note": NOT_AN_AFFINITY,
        "rows": shown,
        "columns": columns,
        "table_columns": [column for name in TABLE_COLUMNS for column in columns if column.name == name],
        "meanings": meanings,
        "drawings": [_drawing(row["smiles"]) for row in shown],
        "histogram": _histogram(np.fromiter(ledger.scores(0), dtype=np.float64)),
        "first_stage": config.stages[0].name,
        "clusters": _clusters(best),
        "num_clustered": len(best),
        "num_failed": sum(1 for _ in ledger.failures()),
        "command": command_line(command),
        "contact_distance": CONTACT_DISTANCE,
        "viewer_version": VIEWER_VERSION,
        "viewer_license": asset(VIEWER_LICENSE_FILE),
        "data": data,
        "scripts": scripts,
        "style": style("report.css"),
    }
    return render("screen.html.j2", values)


def _text(value: Value) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _drawing(smiles: str) -> Markup:
    """SVG of a molecule that docking has written down itself; empty for no molecule."""
    if not smiles:
        return Markup()
    return Markup(depict(read_record(smiles, "smi", name="", where=smiles).mol).svg)


def _clusters(best: Sequence[Mapping[str, Value]]) -> list[Cluster]:
    """The most frequent scaffolds of the best ligands."""
    groups: dict[str, list[Mapping[str, Value]]] = {}
    for row in best:
        groups.setdefault(str(row.get("scaffold") or ""), []).append(row)
    largest = sorted(groups.items(), key=lambda item: (-len(item[1]), int(str(item[1][0]["rank"]))))[:MAX_CLUSTERS]
    return [
        Cluster(_drawing(scaffold), len(members), int(str(members[0]["rank"])), str(members[0]["id"]))
        for scaffold, members in largest
    ]


def _histogram(scores: np.ndarray) -> Markup:
    """SVG of how often scores, shape (N,), occur; only numbers go into it."""
    if len(scores) == 0:
        return Markup()
    counts, edges = np.histogram(scores, bins=NUM_BINS)
    scale, step = HEIGHT / counts.max(), WIDTH / NUM_BINS
    bars = "".join(
        f'<rect x="{index * step:.1f}" y="{HEIGHT - count * scale:.1f}" width="{step - 1:.1f}"'
        f' height="{count * scale:.1f}"><title>{edges[index]:.2f} to {edges[index + 1]:.2f}: {count}</title></rect>'
        for index, count in enumerate(counts)
        if count
    )
    ticks: list[Any] = [
        f'<text x="{x:.0f}" y="{HEIGHT + 16}" text-anchor="{anchor}">{value:.2f}</text>'
        for x, value, anchor in (
            (0, edges[0], "start"),
            (WIDTH / 2, edges[NUM_BINS // 2], "middle"),
            (WIDTH, edges[-1], "end"),
        )
    ]
    box = f'viewBox="0 0 {WIDTH} {HEIGHT + 20}"'
    return Markup(f'<svg {box} class="histogram" role="img" aria-label="Scores">{bars}{"".join(ticks)}</svg>')
