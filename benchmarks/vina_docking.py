"""Docking by AutoDock Vina itself, which `benchmarks.vina` compares discodock with."""

from __future__ import annotations

import numpy as np
from rdkit import Chem

from discodock.chem.autodock import CUTOFF, VinaPoses, compute_maps, start_engine
from discodock.chem.pdbqt import ligand_pdbqt
from discodock.chem.receptor import Receptor
from discodock.errors import InputError

ENERGY_RANGE = 1e3  # kcal/mol above the best: no pose is held back


def dock_with_vina(
    start: Chem.Mol,
    receptor: Receptor,
    center: np.ndarray,
    size: np.ndarray,
    *,
    exhaustiveness: int,
    num_poses: int,
    seed: int,
) -> VinaPoses:
    """Dock by Vina itself, on one CPU; best-ranked first.

    Args:
        start: ligand with a conformer of its own; position and torsions are Vina's to find, rings stay.
        receptor: the receptor, as read from its file.
        center: centre of the search box, Å, shape (3,).
        size: edges of the search box, Å, shape (3,).
        exhaustiveness: number of independent runs.
        num_poses: most poses to return.
        seed: seed of Vina.

    Raises:
        InputError: Vina is missing, cannot use the ligand, or finds no pose.
    """
    prepared = ligand_pdbqt(start)
    engine = start_engine(receptor, (np.abs(receptor.pos - center) <= size / 2 + CUTOFF).all(axis=1), seed)
    engine.set_ligand_from_string(prepared.text)
    compute_maps(engine, center, size)
    engine.dock(exhaustiveness=exhaustiveness, n_poses=num_poses)
    text = engine.poses(n_poses=num_poses, energy_range=ENERGY_RANGE)
    models = [model for model in text.split("MODEL")[1:] if "ATOM" in model]
    if not models:
        raise InputError("AutoDock Vina finds no pose; is the box too small?")
    scores = np.asarray(engine.energies(n_poses=num_poses, energy_range=ENERGY_RANGE))[:, 0]
    return VinaPoses(np.stack([prepared.positions(model) for model in models]), scores[: len(models)])
