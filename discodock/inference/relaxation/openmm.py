"""Poses through OpenMM: builds a system for each pocket that poses are in, and tells what could not be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from discodock.chem.ligand import LigandRecord, heavy_molecule
from discodock.chem.mmff import metal_binders, mmff_arrays, with_hydrogens
from discodock.chem.pocket_pdb import free_side_chains, pocket_structure
from discodock.chem.receptor import MovedAtoms, Receptor
from discodock.chem.vina_types import is_metal, receptor_vina_types
from discodock.errors import InputError
from discodock.geometry.clusters import leader_clusters
from discodock.inference.relaxation.relaxed import RelaxedPoses
from discodock.inference.relaxation.scorer import PoseScorer
from discodock.physics.config import OpenMMConfig
from discodock.physics.openmm_relax import LigandTerms, OpenMMRelaxer, OtherAtoms

SAME_POCKET: Final = 8.0
"""Å between centroids of poses that share a pocket."""

UNKNOWN_LIGAND: Final = "MMFF94 does not know an atom of the ligand: poses are relaxed by the fast method alone"
NOT_RELAXED_NOTE: Final = "OpenMM could not relax {} poses: they are those of the fast method"
NO_PARAMETERS_NOTE: Final = "without force-field parameters, held as uncharged spheres in OpenMM: {}"


@dataclass(frozen=True)
class OpenMMPoses:
    """N poses of one ligand after OpenMM.

    Attributes:
        pos: heavy atoms, Å, shape (N, L, 3).
        side_chains: receptor atoms that moved with each pose; None where nothing did.
        notes: a sentence for everything a user should know.
    """

    pos: np.ndarray
    side_chains: tuple[MovedAtoms | None, ...]
    notes: tuple[str, ...] = ()


def openmm_poses(pos: np.ndarray, ligand: LigandRecord, receptor: Receptor, config: OpenMMConfig) -> OpenMMPoses:
    """Relax poses with OpenMM; those that it cannot are returned as they are.

    Args:
        pos: heavy atoms, Å, shape (N, L, 3); without clashes, or it will tear them apart.
        ligand: the ligand, as read from its file.
        receptor: the receptor, as read from its file.
        config: settings of the relaxation.
    """
    full = with_hydrogens(heavy_molecule(ligand.mol), pos)
    mmff = mmff_arrays(full)
    if mmff is None:
        return OpenMMPoses(pos, (None,) * len(pos), (UNKNOWN_LIGAND,))
    starts = np.stack([conformer.GetPositions() for conformer in full.GetConformers()])
    terms = LigandTerms(mmff, np.arange(starts.shape[1]) < pos.shape[1], metal_binders(full))
    moved, num_kept = pos.copy(), 0
    side_chains: list[MovedAtoms | None] = [None] * len(pos)
    notes: dict[str, None] = {}
    for members in leader_clusters(pos.mean(axis=1), SAME_POCKET):
        try:
            site = _Site(receptor, pos[members], terms, config, notes)
        except InputError as error:
            notes[str(error)] = None
            num_kept += len(members)
            continue
        for index in members:
            found = site.relax(starts[index])
            if found is None:
                num_kept += 1
            else:
                moved[index], side_chains[index] = found
    return OpenMMPoses(moved, tuple(side_chains), (*notes, *([NOT_RELAXED_NOTE.format(num_kept)] if num_kept else [])))


class OpenMMPoseRelaxer:
    """Poses of fast relaxation, relaxed by OpenMM."""

    def relax(self, pos: np.ndarray, scorer: PoseScorer) -> RelaxedPoses:
        """As `scorer.Relaxer`; poses that OpenMM cannot relax stay, and a warning counts them."""
        config = scorer.config
        moved = openmm_poses(pos, scorer.ligand, scorer.receptor, config.openmm)
        return scorer.scored(pos, moved.pos, moved.side_chains if config.is_flexible else (), moved.notes)


class _Site:
    """The part of a receptor around some poses, ready to relax them."""

    def __init__(
        self,
        receptor: Receptor,
        poses: np.ndarray,
        ligand: LigandTerms,
        config: OpenMMConfig,
        notes: dict[str, None],
    ) -> None:
        self.receptor, self.config, self.is_heavy = receptor, config, ligand.is_heavy
        self.pocket = pocket = pocket_structure(receptor, poses.reshape(-1, 3), config.radius, config.flexible)
        if pocket.other_labels:
            notes[NO_PARAMETERS_NOTE.format(", ".join(pocket.other_labels))] = None
        types, place = receptor_vina_types(receptor), pocket.other
        others = OtherAtoms(receptor.pos[place], types.radius[place], is_metal(receptor.element[place]))
        self.relaxer = OpenMMRelaxer(pocket.pdb, others, ligand, config)

    def relax(self, start: np.ndarray) -> tuple[np.ndarray, MovedAtoms | None] | None:
        """Heavy atoms of a pose (N, 3) and the side chains around it, relaxed; None if that failed."""
        free = free_side_chains(self.receptor, self.pocket, start[self.is_heavy], self.config.flexible)
        found = self.relaxer.relax(start, free)
        if found is None:
            return None
        moved = MovedAtoms(self.pocket.atoms[free], found.protein[free]) if len(free) else None
        return found.ligand[self.is_heavy], moved
