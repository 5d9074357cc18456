"""A finished result folder, read back for its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from discodock.chem.depict import Depiction, depict
from discodock.chem.ligand import read_ligand
from discodock.chem.view import ViewedPose, ViewedReceptor, read_poses, read_side_chains, view_receptor
from discodock.errors import InputError
from discodock.inference.outputs import (
    BEST_FILE,
    COMPLEX_FILE,
    POSES_FILE,
    RUN_FILE,
    SCORES_FILE,
    SIDE_CHAINS_FILE,
    read_run,
    read_table,
)

MAX_VIEWED_POSES: Final = 40
"""Best poses that the 3-D view has; more make a heavy page and a picture that nobody can read."""

SOURCE_FILES: Final = (POSES_FILE, BEST_FILE, SCORES_FILE, COMPLEX_FILE, RUN_FILE)
"""What a report is made from, besides `SIDE_CHAINS_FILE` if there is one."""


@dataclass(frozen=True)
class FinishedResult:
    """What docking left in a folder.

    Attributes:
        name: name of the job.
        rows: rows of `scores.csv`, best first.
        run: the record of the run.
        poses: the first `MAX_VIEWED_POSES` poses.
        receptor: receptor around these poses; side chains as with the first.
        side_chains: PDB text of the residues that moved with each of these poses; empty if none did.
        depiction: drawing and formula of the ligand.
    """

    name: str
    rows: list[dict[str, str]]
    run: Mapping[str, Any]
    poses: list[ViewedPose]
    receptor: ViewedReceptor
    side_chains: list[str]
    depiction: Depiction


def is_result(folder: Path) -> bool:
    """Whether a folder has all that a report is made from."""
    return all((folder / name).is_file() for name in SOURCE_FILES)


def read_result(folder: Path) -> FinishedResult:
    """Read a result folder back.

    Raises:
        InputError: a file is missing or damaged, or the files do not belong together.
    """
    missing = [name for name in SOURCE_FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder}: has no {missing[0]}; give a result folder of `discodock predict`")
    rows, run = read_table(folder / SCORES_FILE), read_run(folder)
    poses = read_poses(folder / POSES_FILE)
    if not rows or not run:
        raise InputError(f"{folder / (RUN_FILE if rows else SCORES_FILE)}: damaged or empty; dock this ligand again")
    if len(poses) != len(rows):
        raise InputError(f"{folder}: {len(poses)} poses in {POSES_FILE} but {len(rows)} rows in {SCORES_FILE}")
    shown = poses[:MAX_VIEWED_POSES]
    side_chains = read_side_chains(folder / SIDE_CHAINS_FILE) if (folder / SIDE_CHAINS_FILE).is_file() else []
    if side_chains and len(side_chains) != len(poses):
        raise InputError(f"{folder}: {len(poses)} poses but {len(side_chains)} models in {SIDE_CHAINS_FILE}")
    return FinishedResult(
        name=str(run.get("name") or folder.name),
        rows=rows,
        run=run,
        poses=shown,
        receptor=view_receptor(folder / COMPLEX_FILE, shown),
        side_chains=side_chains[: len(shown)],
        depiction=depict(read_ligand(folder / BEST_FILE).mol),
    )
