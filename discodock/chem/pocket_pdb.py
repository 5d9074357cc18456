"""The part of a receptor around a ligand, in a form that a force field can take up."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from discodock.chem.protein import Receptor
from discodock.chem.residues import is_standard_atom

PEPTIDE_BOND: Final = 2.0  # Å: a C and an N closer than this are one chain
BACKBONE: Final = ("N", "CA", "C")
CHAIN_NAMES: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class PocketStructure:
    """Residues around a ligand.

    Attributes:
        pdb: standard amino acids as a PDB file, every stretch of them a chain of its own.
        other: the R receptor atoms near the ligand that are in no standard amino acid, int64, shape (K,).
        other_labels: their residues, such as `A:ZN301`.
    """

    pdb: str
    other: np.ndarray
    other_labels: tuple[str, ...]


def pocket_structure(receptor: Receptor, ligand_pos: np.ndarray, radius: float) -> PocketStructure:
    """Residues with an atom within `radius` Å of any of the ligand's positions (N, 3), and their chain neighbours.

    The neighbours keep the artificial chain ends one residue away from what matters. Residues without a backbone, or
    alone in their chain, count as other.
    """
    is_near = cKDTree(ligand_pos).query(receptor.pos)[0] < radius
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
    standard = _standard_atoms(receptor) & np.isin(receptor.residue_idx, list(inside))
    other = np.flatnonzero(is_near & ~standard)
    labels = dict.fromkeys(receptor.residues[index].label for index in receptor.residue_idx[other])
    return PocketStructure(_pdb(receptor, stretches, standard), other, tuple(labels))


def _standard_atoms(receptor: Receptor) -> np.ndarray:
    residues = [receptor.residues[index] for index in receptor.residue_idx]
    pairs = zip(residues, receptor.atom_name.tolist(), strict=True)
    return np.array([r.kind == "amino_acid" and n != "OXT" and is_standard_atom(r.parent, n) for r, n in pairs])


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
        and np.linalg.norm(receptor.pos[whole[index]["C"]] - receptor.pos[whole[index + 1]["N"]]) < PEPTIDE_BOND
    ]


def _pdb(receptor: Receptor, stretches: list[list[int]], standard: np.ndarray) -> str:
    lines, serial = [], 0
    for number, stretch in enumerate(stretches):
        chain = CHAIN_NAMES[number % len(CHAIN_NAMES)]
        for index in stretch:
            residue = receptor.residues[index]
            for atom in np.flatnonzero((receptor.residue_idx == index) & standard):
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
