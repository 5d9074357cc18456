"""What a user should know of the receptor around the places that are docked into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from discodock.chem.receptor import Receptor
from discodock.chem.residues import missing_side_chain_atoms
from discodock.chem.structures.change_log import named

NEAR: Final = 12.0
"""Å around a centre within which a ligand may meet a residue."""

WALL: Final = 8.0
"""Å around a centre within which residues make the pocket."""

OCCUPIED: Final = 2.5
"""Å from a centre to an atom of a group that fills the pocket; a ligand's centroid is 3 Å and more from any wall."""

MIN_GROUP: Final = 4  # atoms of a hetero group that is no ion
MAX_PEPTIDE: Final = 20
"""Amino acids of the longest chain that may be a bound peptide."""

MAX_BARE: Final = 0.5
"""Share of residues without side chains beyond which a model is one of the backbone."""

MAX_LINK: Final = 2.5
"""Å between the nearest atoms of two residues in sequence, numbers of which are left out without a gap."""

MAX_NAMED: Final = 5  # residues named in a warning, the rest is counted


def site_warnings(receptor: Receptor, centers: Sequence[np.ndarray]) -> list[str]:
    """A sentence on each group that fills a pocket, and on side chains and residues that are missing around it.

    Args:
        receptor: the receptor.
        centers: centre of each place that is docked into, Å, shape (3,).
    """
    found = []
    for center in centers:
        distance = np.full(len(receptor.residues), np.inf)
        np.minimum.at(distance, receptor.residue_idx, np.linalg.norm(receptor.pos - center, axis=1))
        found += [*_occupied(receptor, distance), *_bare(receptor, distance), *_gaps(receptor, distance)]
    return list(dict.fromkeys(found))


def _occupied(receptor: Receptor, distance: np.ndarray) -> list[str]:
    """Distances are those of each residue to a centre, Å, shape (N,)."""
    peptides = Counter(residue.chain for residue in receptor.residues if residue.kind == "amino_acid")
    found = []
    for index in np.flatnonzero(distance < OCCUPIED).tolist():
        residue, num_atoms = receptor.residues[index], int((receptor.residue_idx == index).sum())
        is_group = residue.kind == "cofactor" and num_atoms >= MIN_GROUP
        if is_group or (residue.kind == "amino_acid" and peptides[residue.chain] <= MAX_PEPTIDE):
            found.append(
                f"the pocket's centre lies within {residue.label} ({num_atoms} atoms), which stays in the receptor;"
                f" --drop {residue.chain}:{residue.number}{residue.icode} if it is the ligand to be replaced"
            )
    return found


def _gaps(receptor: Receptor, distance: np.ndarray) -> list[str]:
    """Residues that are missing between two that make the pocket."""
    chain = [i for i, residue in enumerate(receptor.residues) if residue.kind == "amino_acid"]
    found = []
    for one, other in zip(chain, chain[1:], strict=False):
        first, second = receptor.residues[one], receptor.residues[other]
        is_near = min(distance[one], distance[other]) < WALL
        if is_near and first.chain == second.chain and second.number > first.number + 1:
            pos = [receptor.pos[receptor.residue_idx == index] for index in (one, other)]
            if np.linalg.norm(pos[0][:, None] - pos[1][None], axis=-1).min() > MAX_LINK:
                found.append(f"{first.label} and {second.label}")
    return [f"residues missing at the pocket: between {named(found, MAX_NAMED)}"] if found else []


def _bare(receptor: Receptor, distance: np.ndarray) -> list[str]:
    atoms: list[set[str]] = [set() for _ in receptor.residues]
    for name, index in zip(receptor.atom_name.tolist(), receptor.residue_idx.tolist(), strict=True):
        if distance[index] < NEAR:
            atoms[index].add(name)
    near = [i for i in np.flatnonzero(distance < NEAR).tolist() if receptor.residues[i].kind == "amino_acid"]
    missing = {i: missing_side_chain_atoms(receptor.residues[i].parent, atoms[i]) for i in near}
    bare = [i for i in near if "CB" in missing[i]]
    if near and len(bare) > MAX_BARE * len(near):
        return [
            f"no side chain on {len(bare)} of the {len(near)} residues within {NEAR:g} Å of the pocket: poses will mean"
            " little; give a model with side chains"
        ]
    wall = [receptor.residues[i].label for i in near if distance[i] < WALL and missing[i]]
    return [f"incomplete side chains at the pocket: {named(wall, MAX_NAMED)}"] if wall else []
