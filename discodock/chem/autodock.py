"""AutoDock Vina (PyPI `vina`) on one receptor and one ligand: local optimisation of given poses."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.spatial import cKDTree

from discodock.chem.ligand import LigandRecord
from discodock.chem.pdbqt import NO_VINA, ligand_pdbqt, receptor_pdbqt
from discodock.chem.receptor import Receptor
from discodock.chem.write import pose_mol
from discodock.errors import InputError

if TYPE_CHECKING:
    from vina import Vina

CUTOFF: Final = 8.0  # Å, of Vina's terms
MARGIN: Final = 5.0
"""Å around given poses within which they may be optimised."""

SPACING: Final = 0.375  # Å, of Vina's grid
MAX_EDGE: Final = 32.0
"""Å, of a box that holds several given poses; those farther apart get boxes of their own."""


@dataclass(frozen=True)
class VinaPoses:
    """N poses and their scores.

    Attributes:
        pos: heavy atoms in the ligand's order, Å, shape (N, L, 3).
        scores: Vina's scores, kcal/mol, lower is better, shape (N,).
    """

    pos: np.ndarray
    scores: np.ndarray


def optimise_poses(pos: np.ndarray, ligand: LigandRecord, receptor: Receptor, *, seed: int = 0) -> VinaPoses:
    """Optimise poses locally in the rigid receptor by Vina's scoring function, and score them.

    Args:
        pos: heavy atoms, Å, shape (N, L, 3).
        ligand: the ligand, as read from its file.
        receptor: the receptor, as read from its file.
        seed: seed of Vina; the optimisation draws no random numbers.

    Raises:
        InputError: Vina is missing, or cannot use the ligand.
    """
    found, scores = np.empty_like(pos, dtype=np.float64), np.empty(len(pos))
    for group in _boxes(pos):
        center, size = _lattice_box(pos[group])
        gaps, _ = cKDTree(pos[group].reshape(-1, 3)).query(receptor.pos)
        engine = start_engine(receptor, gaps <= CUTOFF + MARGIN, seed)
        for number, index in enumerate(group):
            prepared = ligand_pdbqt(pose_mol(ligand, pos[index]), is_rigid=True)
            engine.set_ligand_from_string(prepared.text)
            if number == 0:
                compute_maps(engine, center, size)
            scores[index] = float(engine.optimize()[0])
            found[index] = prepared.positions(_current_pose(engine))
    return VinaPoses(found, scores)


def start_engine(receptor: Receptor, near: np.ndarray, seed: int) -> Vina:
    """Vina with some of a receptor's atoms, on one CPU.

    Args:
        receptor: receptor, as read from its file.
        near: atoms that the ligand can feel, bool, shape (R,); Vina takes its time for each.
        seed: seed of Vina.

    Raises:
        InputError: Vina is missing, or no atom is near.
    """
    try:
        from vina import Vina
    except ImportError:
        raise InputError(NO_VINA) from None
    if not near.any():
        raise InputError("AutoDock Vina has no receptor atom within reach of the poses")
    engine = Vina(sf_name="vina", cpu=1, seed=seed + 1, verbosity=0)  # Vina takes seed 0 for a random one
    with tempfile.TemporaryDirectory(prefix="discodock-") as folder:
        path = Path(folder) / "receptor.pdbqt"
        path.write_text(receptor_pdbqt(receptor, near))
        engine.set_receptor(str(path))
    return engine


def compute_maps(engine: Vina, center: np.ndarray, size: np.ndarray) -> None:
    """Compute Vina's grids for the ligand that it was given.

    Args:
        engine: Vina with a receptor and a ligand.
        center: centre of the box, Å, shape (3,).
        size: edges of the box, Å, shape (3,).
    """
    engine.compute_vina_maps(center=[float(x) for x in center], box_size=[float(x) for x in size], spacing=SPACING)


def _current_pose(engine: Vina) -> str:
    with tempfile.TemporaryDirectory(prefix="discodock-") as folder:
        path = Path(folder) / "pose.pdbqt"
        engine.write_pose(str(path))
        return path.read_text()


def _lattice_box(pos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and edges of a box around poses (N, L, 3) whose grid points lie on one lattice, whatever the poses are.

    A pose's optimum then does not depend on which other poses share its box.
    """
    first = np.floor((pos.min(axis=(0, 1)) - MARGIN) / (2 * SPACING))
    last = np.ceil((pos.max(axis=(0, 1)) + MARGIN) / (2 * SPACING))
    return (first + last) * SPACING, (last - first) * 2 * SPACING


def _boxes(pos: np.ndarray) -> list[list[int]]:
    """Poses (N, L, 3) in groups whose atoms fit into one box of moderate size, each into the first that has room."""
    groups: list[list[int]] = []
    for index in range(len(pos)):
        for group in groups:
            atoms = pos[[*group, index]].reshape(-1, 3)
            if (np.ptp(atoms, axis=0) <= MAX_EDGE).all():
                group.append(index)
                break
        else:
            groups.append([index])
    return groups
