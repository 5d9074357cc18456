"""The static `ligand_*` fields of a prepared complex: features, bonds, rotatable bonds and symmetry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rdkit import Chem

from discodock.chem.ligand import heavy_molecule
from discodock.schema import BOND_TYPES, ELEMENTS, LIGAND_ATOM_FEATURES, MAX_HOPS, OTHER

MAX_AUTOMORPHISMS = 128

# Donors and acceptors as in RDKit's Lipinski module (rdkit/Chem/Lipinski.py), donors widened to any N, O or S with H.
_DONOR = Chem.MolFromSmarts("[#7,O,S;!H0]")
_ACCEPTOR = Chem.MolFromSmarts(
    "[$([O,S;H1;v2]-[!$(*=[O,N,P,S])]),$([O,S;H0;v2]),$([O,S;-]),$([N;v3;!$(N-*=!@[O,N,P,S])]),$([nH0,o,s;+0])]"
)
_HYBRIDIZATIONS = (Chem.HybridizationType.SP, Chem.HybridizationType.SP2, Chem.HybridizationType.SP3)
_BOND_TYPES = {
    Chem.BondType.SINGLE: BOND_TYPES.index("single"),
    Chem.BondType.DOUBLE: BOND_TYPES.index("double"),
    Chem.BondType.TRIPLE: BOND_TYPES.index("triple"),
    Chem.BondType.AROMATIC: BOND_TYPES.index("aromatic"),
}


@dataclass(frozen=True)
class TorsionTopology:
    """Rotatable bonds of a ligand with L heavy atoms.

    Attributes:
        tor_bond: (fixed end, moving end) of each bond, int16, shape (T, 2).
        mask_rotate: atoms that move with each bond, bool, shape (T, L).
    """

    tor_bond: np.ndarray
    mask_rotate: np.ndarray


def ligand_arrays(mol: Chem.Mol) -> dict[str, np.ndarray]:
    """All static `ligand_*` fields of `discodock.schema.FIELDS`; coordinates are added by the caller.

    Args:
        mol: sanitised molecule; explicit hydrogens are ignored, indices count heavy atoms in the molecule's order.

    Returns:
        `ligand_atom_feat`, `ligand_bond_index`, `ligand_bond_type`, `ligand_hops`, `ligand_tor_bond`,
        `ligand_mask_rotate` and `ligand_automorphisms`.
    """
    heavy = heavy_molecule(mol)
    topology = torsion_topology(heavy)
    bonds = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx(), _BOND_TYPES.get(b.GetBondType(), 0)) for b in heavy.GetBonds()]
    directed = np.array([(i, j, k) for a, b, k in bonds for i, j in ((a, b), (b, a))], dtype=np.int64).reshape(-1, 3)
    hops = np.minimum(Chem.GetDistanceMatrix(heavy), MAX_HOPS)
    return {
        "ligand_atom_feat": atom_features(heavy),
        "ligand_bond_index": np.ascontiguousarray(directed[:, :2].T).astype(np.int16),
        "ligand_bond_type": directed[:, 2].astype(np.uint8),
        "ligand_hops": hops.astype(np.uint8),
        "ligand_tor_bond": topology.tor_bond,
        "ligand_mask_rotate": topology.mask_rotate,
        "ligand_automorphisms": automorphisms(heavy),
    }


def atom_features(heavy: Chem.Mol) -> np.ndarray:
    """Category of every heavy atom under each feature of `LIGAND_ATOM_FEATURES`, uint8, shape (L, features)."""
    donors = {idx for (idx,) in heavy.GetSubstructMatches(_DONOR, maxMatches=10_000)}
    acceptors = {idx for (idx,) in heavy.GetSubstructMatches(_ACCEPTOR, maxMatches=10_000)}
    rings = heavy.GetRingInfo()
    rows = []
    for atom in heavy.GetAtoms():
        idx, hybridization = atom.GetIdx(), atom.GetHybridization()
        ring_size = rings.MinAtomRingSize(idx)
        rows.append(
            (
                ELEMENTS.index(atom.GetSymbol() if atom.GetSymbol() in ELEMENTS else OTHER),
                min(atom.GetDegree(), 6),
                int(np.clip(atom.GetFormalCharge(), -2, 2)) + 2,
                min(atom.GetTotalNumHs(), 4),
                _HYBRIDIZATIONS.index(hybridization) if hybridization in _HYBRIDIZATIONS else len(_HYBRIDIZATIONS),
                int(atom.GetIsAromatic()),
                min(ring_size, 8) - 2 if ring_size else 0,
                int(idx in donors),
                int(idx in acceptors),
            )
        )
    return np.array(rows, dtype=np.uint8).reshape(heavy.GetNumAtoms(), len(LIGAND_ATOM_FEATURES))


def torsion_topology(heavy: Chem.Mol) -> TorsionTopology:
    """Rotatable bonds: single, acyclic, with something off the axis to move on both sides.

    Amide bonds rotate, as in DiffDock. Atoms in line with the bond (nitriles, alkynes) are looked through: a side that
    is only such atoms moves nothing, and of the bonds on one straight axis (both ends of an alkyne) only the first
    counts. The moving side is the smaller one; ties go to the bond's second atom.
    """
    num_atoms = heavy.GetNumAtoms()
    tor_bond, masks, axes = [], [], set()
    for bond in heavy.GetBonds():
        if bond.GetBondType() != Chem.BondType.SINGLE or bond.IsInRing():
            continue
        begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
        axis = (_axis_end(begin, end), _axis_end(end, begin))
        if None in axis or frozenset(axis) in axes:
            continue
        axes.add(frozenset(axis))
        fixed, moving, side = begin.GetIdx(), end.GetIdx(), _side(end, begin)
        if 2 * len(side) > num_atoms:
            fixed, moving, side = moving, fixed, set(range(num_atoms)) - side
        mask = np.zeros(num_atoms, dtype=bool)
        mask[list(side)] = True
        tor_bond.append((fixed, moving))
        masks.append(mask)
    return TorsionTopology(
        tor_bond=np.array(tor_bond, dtype=np.int16).reshape(-1, 2),
        mask_rotate=np.array(masks, dtype=bool).reshape(-1, num_atoms),
    )


def _axis_end(atom: Chem.Atom, previous: Chem.Atom) -> int | None:
    """First atom, from `atom` away from `previous`, where the chain leaves the bond's axis; None if it never does."""
    while atom.GetDegree() == 2 and atom.GetHybridization() == Chem.HybridizationType.SP:
        ahead = next(neighbor for neighbor in atom.GetNeighbors() if neighbor.GetIdx() != previous.GetIdx())
        atom, previous = ahead, atom
    return atom.GetIdx() if atom.GetDegree() > 1 else None


def _side(start: Chem.Atom, blocked: Chem.Atom) -> set[int]:
    """Atoms reached from `start` without passing `blocked`, across a bond that is in no ring."""
    seen, stack = {start.GetIdx()}, [start]
    while stack:
        for neighbor in stack.pop().GetNeighbors():
            if neighbor.GetIdx() not in seen and neighbor.GetIdx() != blocked.GetIdx():
                seen.add(neighbor.GetIdx())
                stack.append(neighbor)
    return seen


def automorphisms(heavy: Chem.Mol, limit: int = MAX_AUTOMORPHISMS) -> np.ndarray:
    """Atom permutations that leave the molecule the same, for symmetry-corrected RMSD.

    Terminal atoms of one element on one atom count as equal whatever the drawn bond order and charge (carboxylate,
    phosphate, guanidinium). Stereocentres only map to centres of the same hand.

    Args:
        heavy: molecule without explicit hydrogens, L atoms.
        limit: most permutations to return; symmetry beyond it is left out.

    Returns:
        Permutations, int16, shape (S, L), identity first: `pos[permutation]` is an equivalent labelling.
    """
    graph = _resonance_free(heavy)
    ranks = Chem.CanonicalRankAtoms(graph, breakTies=False, includeChirality=True)
    identity = tuple(range(heavy.GetNumAtoms()))
    if len(set(ranks)) == len(ranks):
        return np.array([identity], dtype=np.int16)
    # Labelling atoms by symmetry class prunes the search to almost only true automorphisms, so it cannot blow up.
    for atom, rank in zip(graph.GetAtoms(), ranks, strict=True):
        atom.SetIsotope(rank + 1)
        atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    matches = graph.GetSubstructMatches(graph, uniquify=False, maxMatches=limit)
    others = [match for match in matches if match != identity]
    return np.array([identity, *others][:limit], dtype=np.int16)


def _resonance_free(heavy: Chem.Mol) -> Chem.Mol:
    """A copy in which equal terminal atoms on one centre are drawn alike: single bonds, no charge, no hydrogens."""
    graph = Chem.RWMol(heavy)
    for centre in graph.GetAtoms():
        terminal: dict[int, list[Chem.Atom]] = {}
        for neighbor in centre.GetNeighbors():
            if neighbor.GetDegree() == 1 and neighbor.GetAtomicNum() in (7, 8, 16):
                terminal.setdefault(neighbor.GetAtomicNum(), []).append(neighbor)
        for atom in (atom for group in terminal.values() if len(group) > 1 for atom in group):
            atom.SetFormalCharge(0)
            atom.SetNoImplicit(True)
            atom.SetNumExplicitHs(0)
            graph.GetBondBetweenAtoms(atom.GetIdx(), centre.GetIdx()).SetBondType(Chem.BondType.SINGLE)
    graph.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(graph)
    return graph.GetMol()
