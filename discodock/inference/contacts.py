"""How well a pose touches its receptor: a plain contact score, for ranking poses of one ligand against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

RADII: Final = {"C": 1.9, "N": 1.8, "O": 1.7, "S": 2.0, "P": 2.1, "F": 1.5, "Cl": 1.8, "Br": 2.0, "I": 2.2}
"""Å, the radii of AutoDock Vina; anything else (metals above all) has 1.2."""

OTHER_RADIUS: Final = 1.2
POLAR: Final = ("N", "O")
HYDROPHOBIC: Final = ("C", "S", "F", "Cl", "Br", "I")
Elements = Sequence[str] | np.ndarray

MAX_DISTANCE: Final = 8.0  # Å between atoms, as in Vina

WEIGHTS: Final = {"gauss1": -0.0356, "gauss2": -0.00516, "repulsion": 0.840, "hydrophobic": -0.0351, "polar": -0.587}
"""Vina's, kcal/mol."""

SOFTENING: Final = 0.3
"""Factor on the repulsion, because poses are not relaxed: small clashes would drown everything else."""


def contact_scores(
    poses: np.ndarray, ligand_elements: Elements, receptor_pos: np.ndarray, receptor_elements: Elements
) -> np.ndarray:
    """Contact score of N poses, shape (N,); lower is better.

    The intermolecular terms of AutoDock Vina (Trott and Olson 2010, doi 10.1002/jcc.21334) with its weights, but softer
    repulsion, nitrogens and oxygens all taken as hydrogen-bonding with each other, and carbon, sulfur and halogens as
    hydrophobic. Its unit is about a kcal/mol, yet it is no affinity: it only compares poses of one ligand.

    Args:
        poses: heavy atoms, Å, shape (N, L, 3).
        ligand_elements: L element symbols.
        receptor_pos: heavy atoms in the same frame, Å, shape (R, 3).
        receptor_elements: R element symbols.
    """
    low, high = poses.min(axis=(0, 1)) - MAX_DISTANCE, poses.max(axis=(0, 1)) + MAX_DISTANCE
    near = ((receptor_pos > low) & (receptor_pos < high)).all(axis=1)
    receptor_pos, elements = receptor_pos[near], np.asarray(receptor_elements)[near]
    ligand = np.asarray(ligand_elements)
    touch = _radii(ligand)[:, None] + _radii(elements)[None]  # (L, R) Å
    both_polar = np.isin(ligand, POLAR)[:, None] & np.isin(elements, POLAR)[None]
    both_hydrophobic = np.isin(ligand, HYDROPHOBIC)[:, None] & np.isin(elements, HYDROPHOBIC)[None]
    return np.array([_score(pos, receptor_pos, touch, both_polar, both_hydrophobic) for pos in poses])


def _score(
    pos: np.ndarray, receptor_pos: np.ndarray, touch: np.ndarray, polar: np.ndarray, hydrophobic: np.ndarray
) -> float:
    """One pose (L, 3); the pair arrays have shape (L, R)."""
    distance = np.linalg.norm(pos[:, None] - receptor_pos[None], axis=2)
    close = distance < MAX_DISTANCE
    gap = (distance - touch)[close]  # Å between the surfaces, negative where they overlap
    terms = {
        "gauss1": np.exp(-((gap / 0.5) ** 2)).sum(),
        "gauss2": np.exp(-(((gap - 3.0) / 2.0) ** 2)).sum(),
        "repulsion": SOFTENING * (np.minimum(gap, 0.0) ** 2).sum(),
        "hydrophobic": np.clip(1.5 - gap, 0.0, 1.0)[hydrophobic[close]].sum(),
        "polar": np.clip(-gap / 0.7, 0.0, 1.0)[polar[close]].sum(),
    }
    return float(sum(WEIGHTS[name] * value for name, value in terms.items()))


def _radii(elements: np.ndarray) -> np.ndarray:
    return np.array([RADII.get(str(element), OTHER_RADIUS) for element in elements])
