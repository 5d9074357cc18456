"""The files a docking run leaves behind; a result's folder appears whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from discodock.chem.complex_file import write_complex, write_side_chains
from discodock.chem.write import write_poses
from discodock.config import dump_config
from discodock.errors import InputError
from discodock.files import replacing_folder, write_json, write_text
from discodock.inference.columns import score_names, sd_tags
from discodock.inference.config import DockingConfig
from discodock.inference.modes import Mode
from discodock.inference.network import DockingNetwork
from discodock.inference.pocket import Pocket
from discodock.inference.result import DockingResult
from discodock.inference.sites import DockingSite
from discodock.input_files import InputKind, open_regular, read_bytes, read_csv, read_json
from discodock.text import plain_cell, table_cell

POSES_FILE: Final = "poses.sdf"
BEST_FILE: Final = "best.sdf"
COMPLEX_FILE: Final = "complex_rank1.pdb"
SIDE_CHAINS_FILE: Final = "side_chains.pdb"
SCORES_FILE: Final = "scores.csv"
RUN_FILE: Final = "run.json"
DOCKING_FILE: Final = "docking.yaml"
"""Settings of docking that a run used, beside the folders of its results; `--config` reads it."""

DOCKING_COMMENT: Final = "Settings of docking that discodock used; --config reads them. Written anew by every run."

REPORT_FILE: Final = "report.html"
PYMOL_FILE: Final = "view.pml"
REPORT_FILES: Final = (REPORT_FILE, PYMOL_FILE)
"""What `discodock report` adds to a finished folder."""

OWN_FILE: Final = InputKind("file of a result", "dock this ligand again")

REMEDY: Final = "choose another --out or another name, or move it away"
"""What to do where something of a user's is in the way."""

RESULT_FILES: Final = (POSES_FILE, BEST_FILE, COMPLEX_FILE, SCORES_FILE, RUN_FILE)
"""What every finished folder has."""


def write_result(result: DockingResult, folder: Path, run: Mapping[str, Any] | None = None) -> None:
    """Write poses, best pose, complex, scores and the record of the run into `folder`, replacing what was there.

    Args:
        result: ranked poses.
        folder: the folder of this ligand; it appears under its name only when everything in it is written.
        run: entries of `run.json` beside the result's own figures, such as `run_record` gives.

    Raises:
        OSError: the folder cannot be written.
    """
    rows = result.to_dicts()
    tags = [sd_tags(row) for row in rows]
    positions = np.stack([pose.pos for pose in result.poses])
    with replacing_folder(folder) as draft:
        problems = write_poses(result.ligand, positions, tags, draft / POSES_FILE)
        for row, problem in zip(rows, problems, strict=True):
            if problem is not None:
                row |= {"stereo_ok": False, "message": problem}
        write_poses(result.ligand, positions[:1], tags[:1], draft / BEST_FILE)
        write_complex(result.receptor_of(result.best), result.best.mol, draft / COMPLEX_FILE)
        side_chains = [pose.side_chains for pose in result.poses]
        if any(moved is not None for moved in side_chains):
            write_side_chains(result.receptor, side_chains, draft / SIDE_CHAINS_FILE)
        write_table(draft / SCORES_FILE, score_names(), rows)
        record = dict(run or {}) | {
            "name": result.name,
            "pocket": _pocket_record(result.pocket),
            "sites": [_site_record(site, result) for site in result.sites],
            "modes": [_mode_record(mode, result) for mode in result.modes],
            "num_poses": len(result.poses),
            "seconds": round(result.seconds, 3),
            "warnings": list(result.warnings),
            "receptor_changes": list(result.receptor.changes),
            "files": {path.name: file_digest(path) for path in sorted(draft.iterdir())},
        }
        write_json(draft / RUN_FILE, record)


def _site_record(site: DockingSite, result: DockingResult) -> dict[str, Any]:
    num_poses = sum(pose.site is site for pose in result.poses)
    found = {"code": site.code, "prob": round(site.prob, 4), "num_poses": num_poses}
    return _pocket_record(site.pocket) | found


def _mode_record(mode: Mode, result: DockingResult) -> dict[str, Any]:
    num_poses = sum(pose.mode == mode for pose in result.poses)
    best = {"num_poses": num_poses, "best_rank": result.best_of(mode).rank}
    fraction = round(mode.fraction, 4)
    former = {"share": fraction, "place": mode.residue}  # names of both before; for a release
    return {"name": mode.name, "fraction": fraction, "residue": mode.residue} | best | former


def mode_lines(run: Mapping[str, Any]) -> list[str]:
    """The modes in a `run.json`, largest first, such as "mode A, 62% of samples, near A:ASP86; best pose: 1"."""
    lines = []
    with suppress(KeyError, TypeError, ValueError):  # a record that a person has edited
        for mode in run.get("modes", ()):
            known = Mode(mode["name"], mode["share"], mode["place"])  # of records of any version
            lines.append(f"{known.describe()}; best pose: {mode['best_rank']}")
    return lines


def _pocket_record(pocket: Pocket) -> dict[str, Any]:
    return {
        "source": pocket.source,
        "center": [round(float(x), 3) for x in pocket.center],
        "radius": pocket.radius,
    }


def run_record(network: DockingNetwork, settings: Mapping[str, Any], command: Sequence[str]) -> dict[str, Any]:
    """What a later reader needs to repeat a run: versions, settings, command, checkpoint and device."""
    return {
        "versions": package_versions(),
        "command": list(command),
        "settings": dict(settings),
        "checkpoint": {"path": str(network.path), "sha256": network.sha256, "info": network.info},
        "device": str(network.device),
    }


def package_versions() -> dict[str, str]:
    """Versions of what results depend on."""
    packages = ("discodock", "torch", "rdkit", "numpy", "gemmi", "posebusters")
    return {name: version(name) for name in packages} | {"python": platform.python_version()}


def read_run(folder: Path) -> dict[str, Any]:
    """The `run.json` of a finished folder; empty if there is none or it is damaged."""
    try:
        record = read_json(folder / RUN_FILE, OWN_FILE)
    except InputError:
        return {}
    return record if isinstance(record, dict) else {}


def write_docking(config: DockingConfig, out: Path) -> None:
    """Write the settings that a run used into its output folder.

    Raises:
        OSError: the folder cannot be written.
    """
    dump_config(config, out / DOCKING_FILE, DOCKING_COMMENT)


def foreign_docking(out: Path) -> str | None:
    """What is in the way of `docking.yaml`, such as a file that a user wrote; None if nothing is."""
    path = out / DOCKING_FILE
    if not (path.exists() or path.is_symlink()):
        return None
    with suppress(OSError, UnicodeDecodeError):
        if path.is_file() and path.read_text(encoding="utf-8").startswith(f"# {DOCKING_COMMENT}"):
            return None
    return f"{path}: is in the way of the settings that a run writes, and is not one of discodock's; {REMEDY}"


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV in one go, cells as `table_cell` has them, missing values empty.

    Raises:
        OSError: the file cannot be written.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: table_cell(row.get(column, "")) for column in columns} for row in rows)
    write_text(path, buffer.getvalue())


def file_digest(path: Path) -> str:
    """Hash of a file's content.

    Raises:
        InputError: the file cannot be read.
    """
    with open_regular(path, OWN_FILE) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12)).hexdigest()


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a table that `write_table` wrote; none if there is no such file or it cannot be read."""
    try:
        return [{key: plain_cell(value) for key, value in row.cells.items()} for row in read_csv(path, OWN_FILE).rows]
    except InputError:
        return []


def check_writable(folder: Path) -> None:
    """Make sure that an output folder can be made and written before any work is done; leaves nothing behind.

    Raises:
        InputError: the folder, or the nearest one above it that exists, cannot be written.
    """
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another output folder") from None


def fingerprint(*parts: object) -> str:
    """Hash of everything a result depends on; bytes as they are, files by content, the rest by its JSON."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        if isinstance(part, bytes):
            content = part
        elif isinstance(part, Path):
            content = read_bytes(part, InputKind())
        else:
            content = json.dumps(part, sort_keys=True).encode()
        digest.update(f"{len(content)}/".encode())
        digest.update(content)
    return digest.hexdigest()
