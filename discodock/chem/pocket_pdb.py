"""The part of a receptor around a ligand, in a form that a force field can take up."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from discodock.chem.receptor import Receptor
from discodock.chem.residues import BACKBONE_ATOMS, is_standard_atom

CHAIN_BREAK: Final = 2.0  # Å: a C and an N farther apart than this are of two chains
BACKBONE: Final = ("N", "CA", "C")
BOUND: Final = 2.8
"""Å: a side chain this near to an atom that the force field does not have may be bonded to it, as to a metal."""

SURROUNDINGS: Final = 5.0
"""Å around side chains that move within which they have neighbours."""

CHAIN_NAMES: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class PocketStructure:
    """Residues around a ligand.

    Attributes:
        pdb: standard amino acids as a PDB file, every stretch of them a chain of its own.
        atoms: the R receptor atoms in it, in its order, int64, shape (M,).
        other: the R receptor atoms near the ligand that are in no standard amino acid, int64, shape (K,).
        other_labels: residues of the atoms in `other`, such as `A:ZN301`.
    """

    pdb: str
    atoms: np.ndarray
    other: np.ndarray
    other_labels: tuple[str, ...]


def pocket_structure(
    receptor: Receptor, ligand_pos: np.ndarray, radius: float, flexible: float = 0.0
) -> PocketStructure:
    """Residues with an atom within `radius` Å of any of the ligand's positions (N, 3), and their chain neighbours.

    The neighbours keep the artificial chain ends one residue away from what matters. Residues without a backbone, or
    alone in their chain, count as other. Side chains that move have the residues around them in it too.

    Args:
        receptor: the receptor, as read from its file.
        ligand_pos: ligand atoms of all poses, Å, shape (N, 3).
        radius: distance from the ligand within which residues are taken, Å.
        flexible: distance from the ligand within which side chains are to move, Å.
    """
    is_near = _distance(receptor.pos, ligand_pos) < radius
    is_moving = _side_chains_near(receptor, ligand_pos, flexible)
    is_near |= _distance(receptor.pos, receptor.pos[is_moving]) < SURROUNDINGS
    links = _links(receptor)
    wanted = set(receptor.residue_idx[is_near].tolist())
    wanted |= {after for before, after in links if before in wanted} | {b for b, after in links if after in wanted}
    linked = {before: after for before, after in links if before in wanted and after in wanted}
    followers = set(linked.values())
    stretches = []
    for first in sorted(linked.keys() - followers):
        stretch = [first]
        while stretch[-1] in linked:
            stretch.append(linked[stretch[-1]])
        stretches.append(stretch)
    inside = {index for stretch in stretches for index in stretch}
    standard = _standard_atoms(receptor, np.arange(len(receptor.pos))) & np.isin(receptor.residue_idx, list(inside))
    other = np.flatnonzero(is_near & ~standard)
    labels = dict.fromkeys(receptor.residues[index].label for index in receptor.residue_idx[other])
    order = [index for stretch in stretches for index in stretch]
    atoms = [np.flatnonzero((receptor.residue_idx == index) & standard) for index in order]
    return PocketStructure(_pdb(receptor, stretches, atoms), np.concatenate([*atoms, _NONE]), other, tuple(labels))


def free_side_chains(receptor: Receptor, pocket: PocketStructure, pose: np.ndarray, flexible: float) -> np.ndarray:
    """Which atoms of a pocket may move with a pose, as places in `pocket.atoms`, int64, shape (K,).

    They are the heavy atoms from CB on of amino acids of which one of these is within `flexible` Å of the pose (L, 3).
    Left out are side chains that may be bonded to something outside the force field: a metal, a cofactor, a
    modification, the other half of a disulfide bridge.
    """
    is_inside = np.zeros(len(receptor.pos), dtype=bool)
    is_inside[pocket.atoms] = True
    is_moving = _side_chains_near(receptor, pose, flexible) & is_inside
    is_bound = is_moving & (_distance(receptor.pos, receptor.pos[~is_inside]) < BOUND)
    is_moving &= ~np.isin(receptor.residue_idx, receptor.residue_idx[is_bound])
    return np.flatnonzero(is_moving[pocket.atoms])


_NONE: Final = np.empty(0, dtype=np.int64)


def _side_chains_near(receptor: Receptor, pos: np.ndarray, distance: float) -> np.ndarray:
    """Side-chain atoms of standard amino acids with one of these within the distance of the positions, shape (R,)."""
    is_near = _distance(receptor.pos, pos) < distance
    candidates = np.isin(receptor.residue_idx, receptor.residue_idx[is_near])
    is_side_chain = candidates & ~np.isin(receptor.atom_name, BACKBONE_ATOMS)
    is_side_chain[is_side_chain] = _standard_atoms(receptor, np.flatnonzero(is_side_chain))
    return is_side_chain & np.isin(receptor.residue_idx, receptor.residue_idx[is_side_chain & is_near])


def _distance(pos: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each of the positions to the nearest of the others, Å; infinite if there are none."""
    return cKDTree(others).query(pos)[0] if len(others) else np.full(len(pos), np.inf)


def _standard_atoms(receptor: Receptor, atoms: np.ndarray) -> np.ndarray:
    """Which of some atoms belong to an amino acid as the force field has it, bool."""
    residues = [receptor.residues[index] for index in receptor.residue_idx[atoms]]
    pairs = zip(residues, receptor.atom_name[atoms].tolist(), strict=True)
    found = [r.kind == "amino_acid" and n != "OXT" and is_standard_atom(r.parent, n) for r, n in pairs]
    return np.array(found, dtype=bool)


def _links(receptor: Receptor) -> list[tuple[int, int]]:
    """Residues (before, after) joined by a peptide bond, both with a whole backbone."""
    places: dict[int, dict[str, int]] = {}
    for atom, (name, residue) in enumerate(
        zip(receptor.atom_name.tolist(), receptor.residue_idx.tolist(), strict=True)
    ):
        if name in BACKBONE and receptor.residues[residue].kind == "amino_acid":
            places.setdefault(residue, {})[name] = atom
    whole = {residue: atoms for residue, atoms in places.items() if len(atoms) == len(BACKBONE)}
    return [
        (index, index + 1)
        for index in sorted(whole)
        if index + 1 in whole
        and np.linalg.norm(receptor.pos[whole[index]["C"]] - receptor.pos[whole[index + 1]["N"]]) < CHAIN_BREAK
    ]


def _pdb(receptor: Receptor, stretches: list[list[int]], atoms: list[np.ndarray]) -> str:
    lines, serial, groups = [], 0, iter(atoms)
    for number, stretch in enumerate(stretches):
        chain = CHAIN_NAMES[number % len(CHAIN_NAMES)]
        for index in stretch:
            residue = receptor.residues[index]
            for atom in next(groups):
                serial += 1
                name = str(receptor.atom_name[atom])
                x, y, z = receptor.pos[atom]
                lines.append(
                    f"ATOM  {serial % 100000:5d} {name if len(name) == 4 else f' {name}':<4} {residue.parent:3} "
                    f"{chain}{index % 10000:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00"
                    f"          {receptor.element[atom]:>2}"
                )
        lines.append("TER")
    return "\n".join([*lines, "END", ""])
