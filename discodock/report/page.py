"""The page of one result, and the page that lists the results of a run."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from markupsafe import Markup

from discodock.chem.view import CONTACT_DISTANCE
from discodock.inference.modes import NO_MODE, Mode
from discodock.report.columns import Column, describe_columns, table_columns
from discodock.report.folder import FinishedResult
from discodock.report.rendering import VIEWER_FILE, VIEWER_LICENSE_FILE, VIEWER_VERSION, asset, render, script, style

MODE_COLORS: Final = ("#17877f", "#c4811a", "#85509b", "#b04f37", "#3d6ca6", "#75852b", "#b9527a")
"""Of the modes, largest first."""

OTHER_COLOR: Final = "#7b878f"
"""Of poses without a mode."""

MAX_ROWS: Final = 500
"""Rows of the table of poses; more are in `scores.csv`."""

MAX_MESSAGES: Final = 5
"""Messages of single poses among the warnings."""

PROGRAM_FILES: Final = frozenset({"discodock", "discodock.exe", "main.py", "__main__.py"})


def result_page(result: FinishedResult) -> str:
    """HTML of one result; opens without a network and runs no scripts but its own."""
    rows = result.rows[:MAX_ROWS]
    columns = describe_columns(rows)
    modes = _modes(result)
    colors = {mode["name"]: mode["color"] for mode in modes}
    scripts = [script(VIEWER_FILE), script("table.js"), script("report.js")]
    values = {
        "result": result,
        "rows": rows,
        "columns": columns,
        "table_columns": table_columns(columns, rows),
        "colors": colors,
        "modes": modes,
        "sites": result.run.get("sites") or [],
        "is_blind": _is_blind(result.run),
        "run": result.run,
        "command": command_line(result.run.get("command") or ()),
        "depiction": Markup(result.depiction.svg),
        "warnings": _warnings(result, columns),
        "notes": _notes(result),
        "contact_distance": CONTACT_DISTANCE,
        "viewer_version": VIEWER_VERSION,
        "viewer_license": asset(VIEWER_LICENSE_FILE),
        "data": _viewer_data(result, rows, columns, colors),
        "scripts": scripts,
        "style": style("report.css"),
    }
    return render("report.html.j2", values)


def index_page(name: str, rows: Sequence[Mapping[str, str]], linked: Mapping[str, str]) -> str:
    """HTML that lists the results of a run.

    Args:
        name: name of the run's folder.
        rows: rows of `summary.csv`.
        linked: address of the report, relative to the page, by ligand, for those that have one.
    """
    hidden = {"name", "status", "message", "protein", "ligand"}
    columns = [column for column in describe_columns(rows) if column.name not in hidden]
    counts = Counter(row.get("status") for row in rows)
    values = {
        "name": name,
        "rows": rows,
        "columns": columns,
        "linked": linked,
        "num_ok": counts["ok"],
        "scripts": [script("table.js")],
        "style": style("report.css"),
    }
    return render("index.html.j2", values)


def command_line(words: Sequence[str]) -> str:
    """The command as a shell takes it, the program by its own name; empty if none was recorded."""
    if not words:
        return ""
    program = "discodock" if PurePath(words[0]).name in PROGRAM_FILES else words[0]
    return shlex.join([program, *words[1:]])


def _modes(result: FinishedResult) -> list[dict[str, Any]]:
    """The modes, largest first: name, colour, share of all samples in percent, best pose, and all that in words."""
    counts = Counter(row["mode"] for row in result.rows if row.get("mode"))
    names = sorted(counts, key=lambda name: (len(name), name))
    known = [mode for mode in result.run.get("modes") or () if isinstance(mode, Mapping)]
    places = {mode.get("name"): str(mode.get("place", "")) for mode in known}
    lines = [Mode(name, counts[name] / len(result.rows), places.get(name, "")).describe() for name in names]
    return [
        {
            "name": name,
            "color": OTHER_COLOR if name == NO_MODE else MODE_COLORS[number % len(MODE_COLORS)],
            "count": counts[name],
            "percent": 100 * counts[name] / len(result.rows),
            "best_row": next(i for i, row in enumerate(result.rows) if row.get("mode") == name),
            "words": line[:1].upper() + line[1:],
        }
        for number, (name, line) in enumerate(zip(names, lines, strict=True))
    ]


def _is_blind(run: Mapping[str, Any]) -> bool:
    """Whether the sites were found: the probability of a pocket that was given is 1."""
    sites = run.get("sites") or []
    return len(sites) > 1 or any(site.get("prob", 1) < 1 for site in sites)


def _warnings(result: FinishedResult, columns: Sequence[Column]) -> list[str]:
    """What a reader should know before looking at the poses."""
    best = result.rows[0]
    failed = [column.title for column in columns if column.kind == "check" and best.get(column.name) == "false"]
    warnings = [str(line) for line in result.run.get("warnings") or ()]
    if failed:
        warnings.append(f"the best pose fails: {', '.join(failed)}")
    messages = [f"pose {row['rank']}: {row['message']}" for row in result.rows if row.get("message")]
    warnings += messages[:MAX_MESSAGES]
    if len(messages) > MAX_MESSAGES:
        warnings.append(f"{len(messages) - MAX_MESSAGES} more poses have messages, see the table")
    return warnings


def _notes(result: FinishedResult) -> list[str]:
    """What the page leaves out."""
    notes = []
    if len(result.poses) < len(result.rows):
        notes.append(
            f"The 3-D view has the best {len(result.poses)} of {len(result.rows)} poses; all are in poses.sdf."
        )
    if len(result.rows) > MAX_ROWS:
        notes.append(f"The table has the best {MAX_ROWS} of {len(result.rows)} poses; all are in scores.csv.")
    if result.receptor.num_left_out:
        notes.append(f"The protein is large: {result.receptor.num_left_out} residues far from all poses are not shown.")
    return notes


def _viewer_data(
    result: FinishedResult, rows: Sequence[Mapping[str, str]], columns: Sequence[Column], colors: Mapping[str, str]
) -> dict[str, Any]:
    """What the scripts of the page read."""
    poses = []
    for index, row in enumerate(rows):
        is_viewed = index < len(result.poses)
        poses.append(
            {
                "rank": row.get("rank", str(index + 1)),
                "mode": row.get("mode", ""),
                "color": colors.get(row.get("mode", ""), MODE_COLORS[0]),
                "block": result.poses[index].block if is_viewed else None,
                "sideChains": result.side_chains[index] if is_viewed and result.side_chains else None,
                "near": result.receptor.near[index] if is_viewed else [],
                "details": [[c.title, c.shown(row[c.name]), c.kind, c.meaning] for c in columns if row.get(c.name)],
            }
        )
    sites = result.run.get("sites") or [] if _is_blind(result.run) else []
    return {
        "receptor": result.receptor.pdb,
        "residues": [[r.chain, r.number, r.icode, r.label] for r in result.receptor.residues],
        "poses": poses,
        "sites": [{"center": site["center"], "label": site.get("code") or site.get("source", "")} for site in sites],
    }
