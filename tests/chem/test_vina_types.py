"""Vina's atom types: what chemistry says of ligands, amino acids, metals and cofactors; rotors as Vina counts them."""

import numpy as np
import pytest
from rdkit import Chem

from discodock.chem.ligand_features import torsion_topology
from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor import Receptor, Residue
from discodock.chem.residues import SIDE_CHAIN_ATOMS, missing_side_chain_atoms
from discodock.chem.vina_types import (
    ACCEPTORS,
    DONORS,
    HYDROPHOBIC_CARBONS,
    count_rotors,
    internal_pairs,
    ligand_vina_types,
    receptor_vina_types,
)
from tests.tiny import COMPLEXES


def letters(types):
    """One letter for each atom: D, A, B (both), H (hydrophobic) or a dash."""
    both = types.donor & types.acceptor
    found = np.select([both, types.donor, types.acceptor, types.hydrophobic], list("BDAH"), "-")
    return "".join(found)


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CCO", "H-B"),  # carbon beside oxygen is polar
        ("CC(=O)NC", "H-AD-"),  # amide N donates only
        ("CN(C)C(C)=O", "----HA"),
        ("c1ccncc1", "HH-A-H"),  # pyridine accepts
        ("c1cc[nH]c1", "HH-D-"),  # pyrrole donates
        ("Nc1ccccc1", "D-HHHHH"),  # aniline
        ("C[NH3+]", "-D"),
        ("CC#N", "H-A"),
        ("CN(C)C", "-A--"),  # a tertiary amine accepts
        ("CC(=O)[O-]", "H-AA"),
        ("CS(=O)(=O)NC", "--AAB-"),  # sulfonamides count as both, as in AutoDock
        ("FCCl", "H-H"),
        ("C[N+](=O)[O-]", "--AA"),
        ("CB(O)O", "--BB"),
    ],
)
def test_ligand_atoms(smiles, expected):
    mol = Chem.MolFromSmiles(smiles)
    types = ligand_vina_types(mol)
    assert letters(types) == expected
    with_hydrogens = ligand_vina_types(Chem.AddHs(mol))
    assert letters(with_hydrogens) == expected


def test_radii_and_what_is_not_known():
    types = ligand_vina_types(Chem.MolFromSmiles("CB(Br)[Si](I)(F)Cl"))
    assert types.radius.tolist() == [1.9, 2.0, 2.0, 2.2, 2.2, 1.5, 1.8]
    assert types.guessed.tolist() == [False, True] + [False] * 5


@pytest.mark.parametrize(
    ("smiles", "rotors"),
    [
        ("CC", 0.0),
        ("CCCC", 1.0),
        ("CCO", 0.5),  # a hydroxyl counts a half
        ("CCCO", 1.5),
        ("CC(=O)NCC", 1.0),  # not the amide
        ("CCN(C)C(=O)CC", 3.0),  # a tertiary amide with two different substituents does turn
        ("CCC#CCC", 1.0),  # turns about the straight axis
        ("CCC#N", 0.0),
        ("c1ccccc1-c1ccccc1", 1.0),
        ("C1CCCCC1", 0.0),
    ],
)
def test_rotors(smiles, rotors):
    assert count_rotors(Chem.MolFromSmiles(smiles)) == rotors
    assert count_rotors(Chem.AddHs(Chem.MolFromSmiles(smiles))) == rotors


def test_internal_pairs_are_moved_and_far_apart_in_the_graph():
    mol = Chem.MolFromSmiles("CCCCCc1ccccc1")
    mask = torsion_topology(mol).mask_rotate
    first, second = internal_pairs(mol, mask)
    hops = Chem.GetDistanceMatrix(mol)
    assert (hops[first, second] > 3).all() and (first < second).all()
    assert (mask[:, first] != mask[:, second]).any(axis=0).all()
    ring = {5, 6, 7, 8, 9, 10}
    assert not any({i, j} <= ring for i, j in zip(first.tolist(), second.tolist(), strict=True))
    assert (0, 4) in set(zip(first.tolist(), second.tolist(), strict=True))


def test_tables_name_atoms_that_exist_and_leave_out_no_hetero_neighbour():
    for table in (HYDROPHOBIC_CARBONS, DONORS, ACCEPTORS):
        for residue, atoms in table.items():
            assert set(atoms.split()) <= set(SIDE_CHAIN_ATOMS[residue].split())
    for table, elements in ((HYDROPHOBIC_CARBONS, "C"), (DONORS, "NO"), (ACCEPTORS, "NO")):
        assert all(atom[0] in elements for atoms in table.values() for atom in atoms.split())


@pytest.mark.parametrize("folder", sorted(COMPLEXES.iterdir()), ids=lambda folder: folder.name)
def test_hydrophobic_carbons_of_real_proteins_touch_carbon_alone(folder):
    """The table against distances in crystal structures."""
    receptor = read_receptor(folder / "protein.pdb")
    types = receptor_vina_types(receptor)
    is_hetero = np.isin(receptor.element, ["N", "O", "S"])
    for index in np.flatnonzero((receptor.element == "C") & ~types.guessed):
        distance = np.linalg.norm(receptor.pos - receptor.pos[index], axis=1)
        residue = receptor.residue_idx == receptor.residue_idx[index]
        parent = receptor.residues[receptor.residue_idx[index]].parent
        if missing_side_chain_atoms(parent, set(receptor.atom_name[residue].tolist())):
            continue
        same = residue & is_hetero
        assert types.hydrophobic[index] != (same & (distance < 2.1)).any(), receptor.atom_name[index]


def receptor_of(kind, atoms):
    """A receptor of one residue from (element, x, y, z) rows."""
    element = np.array([row[0] for row in atoms])
    pos = np.array([row[1:] for row in atoms], dtype=float)
    residue = Residue("A", 1, "", "UNK", "UNK", kind)
    names = np.array([f"{e}{i}" for i, e in enumerate(element)])
    return Receptor("test", pos, element, names, np.zeros(len(atoms), dtype=int), (residue,))


def test_metals_water_and_cofactors_are_typed_from_their_bonds():
    zinc = receptor_vina_types(receptor_of("metal", [("Zn", 0, 0, 0)]))
    assert letters(zinc) == "D" and zinc.radius[0] == 1.2 and not zinc.guessed[0]
    water = receptor_vina_types(receptor_of("other", [("O", 0, 0, 0)]))
    assert letters(water) == "B" and water.guessed[0]
    acid = [("C", 0, 0, 0), ("C", 1.5, 0, 0), ("O", 2.1, 1.07, 0), ("O", 2.15, -1.17, 0)]  # C=O of 1.23, C-O of 1.34 Å
    assert letters(receptor_vina_types(receptor_of("cofactor", acid))) == "H-AB"
    amine = [("N", 0, 0, 0), ("C", 1.47, 0, 0), ("C", 2.2, 1.3, 0), ("N", 1.6, 2.6, 0), ("C", 2.4, 3.8, 0)]
    assert letters(receptor_vina_types(receptor_of("cofactor", amine))) == "D--D-"
    angles = np.arange(5) * 2 * np.pi / 5
    ring = [("N" if i in (0, 2) else "C", 1.15 * np.cos(a), 1.15 * np.sin(a), 0) for i, a in enumerate(angles)]
    assert letters(receptor_vina_types(receptor_of("cofactor", ring))) == "A-A--"


def test_a_haem_binds_its_iron_to_nothing():
    """Porphyrin nitrogens have two carbon neighbours; the iron beside them is no bond."""
    pyrrole = [("N", 0, 0, 0), ("C", 1.1, 0.8, 0), ("C", 0.7, 2.15, 0), ("C", -0.7, 2.15, 0), ("C", -1.1, 0.8, 0)]
    types = receptor_vina_types(receptor_of("cofactor", [*pyrrole, ("Fe", 0, -2.0, 0)]))
    assert letters(types) == "A-HH-D"
