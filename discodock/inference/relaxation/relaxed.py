"""Poses after relaxation, and what physics says of them: Vina's score, the ligand's strain, how far they moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from discodock.chem.receptor import MovedAtoms


@dataclass(frozen=True)
class RelaxedPoses:
    """N poses of one ligand and what physics says of them.

    Attributes:
        pos: heavy atoms, Å, shape (N, L, 3).
        vina_score: AutoDock Vina's, kcal/mol, shape (N,); lower is better.
        ranking_energy: energy to rank by, kcal/mol, shape (N,): Vina's score, of poses that were not relaxed with
            softened repulsion.
        strain: intramolecular energy above that of its best unbound conformer, kcal/mol, shape (N,).
        shift: RMSD from the pose as sampled, Å, shape (N,).
        side_chains: receptor atoms that moved with each pose, None where nothing did; empty if it was rigid.
        warnings: requests that could not be met.
    """

    pos: np.ndarray
    vina_score: np.ndarray
    ranking_energy: np.ndarray
    strain: np.ndarray
    shift: np.ndarray
    side_chains: tuple[MovedAtoms | None, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, np.ndarray]:
        """What physics says of each pose, by name; shape (N,) each."""
        return {name: getattr(self, name) for name in PER_POSE if name != "pos"}

    def __getitem__(self, idx: np.ndarray) -> RelaxedPoses:
        """The chosen poses."""
        chosen = {name: getattr(self, name)[idx] for name in PER_POSE}
        side_chains = tuple(self.side_chains[i] for i in idx) if self.side_chains else ()
        return replace(self, side_chains=side_chains, **chosen)


PER_POSE: Final = ("pos", "vina_score", "ranking_energy", "strain", "shift")
"""Fields of `RelaxedPoses` with an entry for each pose."""


def joined(parts: Sequence[RelaxedPoses]) -> RelaxedPoses:
    """All poses in a row, with the warnings of the first part."""
    together: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_POSE}
    return replace(parts[0], **together)


def pose_shift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """RMSD, Å, shape (N,), between the same poses, Å, shape (N, L, 3), before and after they were moved."""
    return np.sqrt(((after - before) ** 2).sum(axis=2).mean(axis=1))
