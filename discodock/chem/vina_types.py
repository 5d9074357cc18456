"""What AutoDock Vina's scoring function wants to know of atoms: radius, hydrophobic, donor, acceptor.

Ligands follow AutoDock's rules for N and O acceptors as SMARTS; standard amino acids follow a table (histidine with its
hydrogen on NE2); of everything else in a receptor the hydrogen bonding is guessed from how its heavy atoms are bonded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import gemmi
import numpy as np
from rdkit import Chem
from scipy.spatial import cKDTree

from discodock.chem.ligand import heavy_molecule
from discodock.chem.receptor import RECEPTORS_KEPT, Receptor
from discodock.chem.residues import is_standard_atom

RADII: Final = {
    "C": 1.9, "N": 1.8, "O": 1.7, "S": 2.0, "Se": 2.0, "P": 2.1, "F": 1.5, "Cl": 1.8, "Br": 2.0, "I": 2.2, "Si": 2.2,
}  # fmt: skip
"""Å, of AutoDock Vina's atom types."""

METAL_RADIUS: Final = 1.2
OTHER_RADIUS: Final = 2.0  # Å, of elements that Vina does not know, such as boron
HALOGENS: Final = ("F", "Cl", "Br", "I")

HYDROPHOBIC_CARBONS: Final = {
    "ALA": "CB", "ARG": "CB CG", "ASN": "CB", "ASP": "CB", "GLN": "CB CG", "GLU": "CB CG", "HIS": "CB",
    "ILE": "CB CG1 CG2 CD1", "LEU": "CB CG CD1 CD2", "LYS": "CB CG CD", "MET": "CB", "PHE": "CB CG CD1 CD2 CE1 CE2 CZ",
    "PRO": "CB CG", "THR": "CG2", "TRP": "CB CG CD2 CE3 CZ2 CZ3 CH2", "TYR": "CB CG CD1 CD2 CE1 CE2",
    "VAL": "CB CG1 CG2",
}  # fmt: skip
"""Carbons of amino acids that are bonded to carbon alone."""

DONORS: Final = {
    "ARG": "NE NH1 NH2", "ASN": "ND2", "GLN": "NE2", "HIS": "NE2", "LYS": "NZ", "SER": "OG", "THR": "OG1", "TRP": "NE1",
    "TYR": "OH",
}  # fmt: skip
"""Side-chain donors; the backbone's N donates too, but in proline."""

ACCEPTORS: Final = {
    "ASN": "OD1", "ASP": "OD1 OD2", "GLN": "OE1", "GLU": "OE1 OE2", "HIS": "ND1", "SER": "OG", "THR": "OG1",
    "TYR": "OH",
}  # fmt: skip
"""Side-chain acceptors; the backbone's O and OXT accept too."""

# Nitrogens that accept no hydrogen bond: pyrrole and aniline, amide and amidine, triazene, charged.
_NO_ACCEPTOR: Final = tuple(
    Chem.MolFromSmarts(s) for s in ("[#7X3v3][a]", "[#7X3v3][#6X3v4]", "[#7X3v3][NX2]=[*]", "[#7+1]")
)
_AMIDE: Final = Chem.MolFromSmarts("[NX3]-[CX3]=[O,N,S]")
_TRIPLE: Final = Chem.MolFromSmarts("[*]-[*]#[*]")

COVALENT_RADII: Final = {"C": 0.77, "N": 0.75, "O": 0.73, "S": 1.02, "P": 1.06, "F": 0.71, "Se": 1.17}
OTHER_COVALENT: Final = 1.2
BOND_TOLERANCE: Final = 1.1
HYDROXYL_BOND: Final = 1.32  # Å: a longer bond from carbon to a terminal oxygen is single
NITRILE_BOND: Final = 1.22  # Å: a shorter bond from carbon to a terminal nitrogen is triple


@dataclass(frozen=True)
class VinaTypes:
    """Vina's view of N heavy atoms.

    Attributes:
        radius: Vina's radii, Å, float64, shape (N,).
        hydrophobic: true for hydrophobic atoms, bool, shape (N,).
        donor: true for hydrogen-bond donors, bool, shape (N,).
        acceptor: true for hydrogen-bond acceptors, bool, shape (N,).
        guessed: true for atoms whose hydrogens or element are uncertain, bool, shape (N,).
    """

    radius: np.ndarray
    hydrophobic: np.ndarray
    donor: np.ndarray
    acceptor: np.ndarray
    guessed: np.ndarray


def ligand_vina_types(mol: Chem.Mol) -> VinaTypes:
    """Types of a ligand's heavy atoms, in their order; hydrogens are known from the formula, not from coordinates."""
    heavy = heavy_molecule(mol)
    no_acceptor = {match[0] for pattern in _NO_ACCEPTOR for match in heavy.GetSubstructMatches(pattern)}
    elements = [atom.GetSymbol() for atom in heavy.GetAtoms()]
    has_hydrogen = np.array([atom.GetTotalNumHs() > 0 for atom in heavy.GetAtoms()])
    accepts = [e == "O" or (e == "N" and index not in no_acceptor) for index, e in enumerate(elements)]
    is_polar = [any(n.GetSymbol() != "C" for n in atom.GetNeighbors()) for atom in heavy.GetAtoms()]
    return _types(np.array(elements), np.array(is_polar), has_hydrogen, np.array(accepts))


def count_rotors(mol: Chem.Mol) -> float:
    """Rotatable bonds as Vina counts them in a ligand prepared by Meeko.

    Single bonds outside rings that are neither amides (tertiary ones with two different substituents do turn) nor next
    to a triple bond, which turns in their place inside a chain; each end of one that has another heavy neighbour counts
    a half, so that a hydroxyl counts a half.
    """
    heavy = heavy_molecule(mol)
    ranks = list(Chem.CanonicalRankAtoms(heavy, breakTies=False))
    rigid = {frozenset(match[:2]) for match in heavy.GetSubstructMatches(_TRIPLE)}
    turning: set[frozenset[int]] = set()
    for nitrogen, carbon, _ in heavy.GetSubstructMatches(_AMIDE):
        others = [n for n in heavy.GetAtomWithIdx(nitrogen).GetNeighbors() if n.GetIdx() != carbon]
        is_mixed = len(others) == 2 and ranks[others[0].GetIdx()] != ranks[others[1].GetIdx()]
        (turning if is_mixed else rigid).add(frozenset((nitrogen, carbon)))
    halves = 0
    for bond in heavy.GetBonds():
        ends = bond.GetBeginAtom(), bond.GetEndAtom()
        if bond.GetBondType() == Chem.BondType.TRIPLE and all(end.GetDegree() == 2 for end in ends):
            halves += 2
        if bond.GetBondType() != Chem.BondType.SINGLE or bond.IsInRing():
            continue
        if frozenset(end.GetIdx() for end in ends) in rigid - turning:
            continue
        if all(end.GetDegree() > 1 or _turns_hydrogens(end) for end in ends):
            halves += sum(end.GetDegree() > 1 for end in ends)
    return halves / 2


def _turns_hydrogens(end: Chem.Atom) -> bool:
    """Whether a terminal atom has polar hydrogens that a turn would move."""
    return end.GetSymbol() in ("N", "O", "S") and end.GetTotalNumHs() > 0


def internal_pairs(mol: Chem.Mol, mask_rotate: np.ndarray) -> np.ndarray:
    """Pairs of heavy atoms that a ligand's torsions move against each other, more than three bonds apart.

    Args:
        mol: the ligand, L heavy atoms.
        mask_rotate: atoms that move with each rotatable bond, bool, shape (T, L).

    Returns:
        Atom indices, int64, shape (2, N), the first below the second.
    """
    first, second = np.triu_indices(mask_rotate.shape[1], k=1)
    hops = Chem.GetDistanceMatrix(heavy_molecule(mol))[first, second]
    moves = (mask_rotate[:, first] != mask_rotate[:, second]).any(axis=0)
    return np.stack([first, second])[:, moves & (hops > 3)].astype(np.int64)


@lru_cache(maxsize=RECEPTORS_KEPT)
def receptor_vina_types(receptor: Receptor) -> VinaTypes:
    """Types of a receptor's atoms: amino acids from tables, anything else from how its heavy atoms are bonded."""
    residues = receptor.residues
    num_atoms = len(receptor.pos)
    polar, donor, acceptor = (np.zeros(num_atoms, dtype=bool) for _ in range(3))
    guessed = np.zeros(num_atoms, dtype=bool)
    for index, (name, at) in enumerate(zip(receptor.atom_name.tolist(), receptor.residue_idx.tolist(), strict=True)):
        parent = residues[at].parent
        if residues[at].kind != "amino_acid" or not is_standard_atom(parent, name):
            guessed[index] = residues[at].kind != "metal"
            continue
        polar[index] = name not in HYDROPHOBIC_CARBONS.get(parent, "").split()
        donor[index] = name in DONORS.get(parent, "").split() or (name == "N" and parent != "PRO")
        acceptor[index] = name in ACCEPTORS.get(parent, "").split() or name in ("O", "OXT")
    if guessed.any():
        _guess(receptor, np.flatnonzero(guessed), polar, donor, acceptor)
    return _types(receptor.element, polar, donor, acceptor, guessed)


def _types(
    element: np.ndarray,
    is_polar: np.ndarray,
    has_hydrogen: np.ndarray,
    accepts: np.ndarray,
    guessed: np.ndarray | None = None,
) -> VinaTypes:
    """Types from elements and what is known of their bonds; only nitrogen and oxygen, and metals, bond hydrogens."""
    metal = is_metal(element)
    is_no = np.isin(element, ["N", "O"])
    known = metal | np.isin(element, list(RADII))
    fallback = np.where(metal, METAL_RADIUS, OTHER_RADIUS)
    return VinaTypes(
        radius=np.array([RADII.get(symbol, other) for symbol, other in zip(element.tolist(), fallback, strict=True)]),
        hydrophobic=((element == "C") & ~is_polar) | np.isin(element, HALOGENS),
        donor=(is_no & has_hydrogen) | metal,
        acceptor=is_no & accepts,
        guessed=~known if guessed is None else guessed | ~known,
    )


def is_metal(element: np.ndarray) -> np.ndarray:
    """Which element symbols, shape (N,), are metals; bool."""
    metals = [symbol for symbol in set(element.tolist()) if gemmi.Element(symbol).is_metal]
    return np.isin(element, metals)


def _guess(receptor: Receptor, atoms: np.ndarray, polar: np.ndarray, donor: np.ndarray, acceptor: np.ndarray) -> None:
    """Fill in what the bonds of `atoms` tell.

    Terminal oxygens accept, and donate too if their bond to carbon is single or there is none (water); terminal
    nitrogens donate, but those of nitriles accept; nitrogens with two neighbours accept in rings and donate in chains.
    """
    bonds = _bonds(receptor, atoms)
    in_ring = _ring_atoms(bonds)  # without metals: the nitrogens of a haem have two neighbours
    for index in atoms.tolist():
        near = bonds.get(index, {})
        element = receptor.element[index]
        elements = {receptor.element[other] for other in near}
        polar[index] = bool(elements - {"C"})
        if element == "O":
            acceptor[index] = True
            donor[index] = not near or (len(near) == 1 and elements == {"C"} and min(near.values()) > HYDROXYL_BOND)
        elif element == "N" and len(near) == 1:
            acceptor[index] = min(near.values()) < NITRILE_BOND
            donor[index] = not acceptor[index]
        elif element == "N" and len(near) == 2:
            acceptor[index] = index in in_ring
            donor[index] = not acceptor[index]
        elif element == "N" and not near:
            donor[index] = True


def _bonds(receptor: Receptor, atoms: np.ndarray) -> dict[int, dict[int, float]]:
    """Bonded atoms of each of `atoms` and their distances, Å, by covalent radii; metals are bonded to nothing."""
    radius = np.array([COVALENT_RADII.get(symbol, OTHER_COVALENT) for symbol in receptor.element.tolist()])
    cov = np.where(is_metal(receptor.element), 0.0, radius)
    pairs = cKDTree(receptor.pos[atoms]).sparse_distance_matrix(cKDTree(receptor.pos), 2.6, output_type="coo_matrix")
    first, second = atoms[pairs.row], pairs.col
    is_bond = (pairs.data < BOND_TOLERANCE * (cov[first] + cov[second])) & (first != second)
    is_bond &= (cov[first] > 0) & (cov[second] > 0)
    bonds: dict[int, dict[int, float]] = {}
    for i, j, distance in zip(first[is_bond].tolist(), second[is_bond].tolist(), pairs.data[is_bond], strict=True):
        bonds.setdefault(i, {})[j] = float(distance)
    return bonds


def _ring_atoms(bonds: dict[int, dict[int, float]]) -> set[int]:
    """Atoms in rings of the graph of bonds."""
    graph, place = Chem.RWMol(), {}
    for index in bonds:
        place[index] = graph.AddAtom(Chem.Atom(0))
    for i, near in bonds.items():
        for j in near:
            if i < j and j in place:
                graph.AddBond(place[i], place[j], Chem.BondType.SINGLE)
    Chem.FastFindRings(graph)
    return {index for index, at in place.items() if graph.GetAtomWithIdx(at).IsInRing()}
