"""PDBQT, the format of AutoDock Vina: receptors as Vina sees them, ligands through Meeko, and poses back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from rdkit import Chem, rdBase

from discodock.chem.ligand import heavy_indices
from discodock.chem.receptor import Receptor
from discodock.chem.vina_types import receptor_vina_types
from discodock.errors import InputError

KNOWN_METALS: Final = frozenset("Mg Mn Zn Ca Fe Cu Na K Hg Co U Cd Ni".split())
OTHER_METAL: Final = "Zn"
"""Type of metals that Vina's reader does not know; to its scoring function they are all alike."""

PLAIN_TYPES: Final = {"P": "P", "F": "F", "Cl": "Cl", "Br": "Br", "I": "I", "S": "S", "Se": "S", "Si": "Si"}
HYDROGEN_BOND: Final = 1.0
"""Å from a donor to the hydrogen that marks it; Vina's scoring function does not look where hydrogens are."""

NEIGHBOUR: Final = 2.0  # Å within which atoms push that hydrogen to the other side
NO_VINA: Final = "AutoDock Vina is not installed; pip install 'discodock[vina]'"


@dataclass(frozen=True)
class LigandPdbqt:
    """A ligand for Vina.

    Attributes:
        text: PDBQT with its torsion tree.
        serials: serial number in `text` of each heavy atom in the molecule's order, shape (L,).
    """

    text: str
    serials: np.ndarray

    def positions(self, text: str) -> np.ndarray:
        """Heavy-atom positions of a pose that Vina wrote, Å, shape (L, 3)."""
        lines = (line for line in text.splitlines() if line.startswith(("ATOM", "HETATM")))
        by_serial = {int(line[6:11]): [float(line[at : at + 8]) for at in (30, 38, 46)] for line in lines}
        return np.array([by_serial[serial] for serial in self.serials.tolist()])


def receptor_pdbqt(receptor: Receptor, near: np.ndarray | None = None) -> str:
    """A rigid receptor, metals and cofactors included, with one hydrogen on each donor to mark it as such.

    Vina's scoring function takes no charges, and hydrogens only to tell which atoms donate, so this is all it needs:
    the scores equal those with a receptor that Meeko prepared, which has no templates for cofactors.

    Args:
        receptor: the receptor, as read from its file.
        near: atoms to write, bool, shape (R,); None writes all.
    """
    types = receptor_vina_types(receptor)
    lines: list[str] = []
    for index in range(len(receptor.pos)) if near is None else np.flatnonzero(near).tolist():
        element, pos = str(receptor.element[index]), receptor.pos[index]
        kind = _atom_type(element, is_metal=_is_metal(element), accepts=bool(types.acceptor[index]))
        lines.append(_line(receptor, index, len(lines) + 1, str(receptor.atom_name[index]), pos, kind))
        if types.donor[index] and not _is_metal(element):
            lines.append(_line(receptor, index, len(lines) + 1, "H", _hydrogen(receptor.pos, index), "HD"))
    return "\n".join(lines) + "\n"


def ligand_pdbqt(mol: Chem.Mol, *, is_rigid: bool = False) -> LigandPdbqt:
    """A ligand in its pose, hydrogens added, prepared by Meeko.

    Args:
        mol: sanitised molecule with a conformer.
        is_rigid: keep large rings as they are, which Meeko otherwise opens so that Vina can move them.

    Raises:
        InputError: Meeko is missing, or cannot type the molecule.
    """
    try:
        from meeko import MoleculePreparation, PDBQTWriterLegacy
    except ImportError:
        raise InputError(NO_VINA) from None
    with rdBase.BlockLogs():
        complete = Chem.AddHs(mol, addCoords=True)
        try:
            setups = MoleculePreparation(rigid_macrocycles=is_rigid).prepare(complete)
            text, is_ok, problem = PDBQTWriterLegacy.write_string(setups[0], add_index_map=True, bad_charge_ok=True)
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(f"Meeko cannot prepare the ligand: {str(error).splitlines()[0]}") from None
    if not is_ok:
        raise InputError(f"Meeko cannot prepare the ligand: {problem.strip()}")
    words = [line.split()[3:] for line in text.splitlines() if line.startswith("REMARK INDEX MAP")]
    pairs = np.array([int(word) for line in words for word in line]).reshape(-1, 2)
    serial = {int(index) - 1: int(number) for index, number in pairs}
    return LigandPdbqt(text, np.array([serial[int(index)] for index in heavy_indices(mol)]))


def _atom_type(element: str, *, is_metal: bool, accepts: bool) -> str:
    if is_metal:
        return element if element in KNOWN_METALS else OTHER_METAL
    if element == "N":
        return "NA" if accepts else "N"
    if element == "O":
        return "OA" if accepts else "O"
    return PLAIN_TYPES.get(element, "C")


def _is_metal(element: str) -> bool:
    import gemmi

    return bool(gemmi.Element(element).is_metal)


def _hydrogen(pos: np.ndarray, index: int) -> np.ndarray:
    """A place for a hydrogen on an atom, away from its neighbours; Å, shape (3,)."""
    arm = pos - pos[index]
    distance = np.linalg.norm(arm, axis=1)
    near = (distance < NEIGHBOUR) & (distance > 0)
    away = -(arm[near] / distance[near, None]).sum(axis=0)
    length = np.linalg.norm(away)
    return np.asarray(pos[index] + HYDROGEN_BOND * (away / length if length > 1e-3 else np.array([1.0, 0.0, 0.0])))


def _line(receptor: Receptor, index: int, serial: int, name: str, pos: np.ndarray, kind: str) -> str:
    residue = receptor.residues[receptor.residue_idx[index]]
    label = name if len(name) >= 4 else f" {name}"
    x, y, z = pos
    return (
        f"ATOM  {serial % 100_000:5d} {label:<4.4} {residue.name:>3.3} {residue.chain[:1] or 'A'}"
        f"{residue.number % 10_000:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00     0.000 {kind:<2}"
    )
