"""Pockets for force fields: whole stretches of amino acids, chains cut where the receptor is, the rest set apart."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem

from discodock.chem.ligand import heavy_positions, read_ligand
from discodock.chem.pocket_pdb import free_side_chains, pocket_structure
from discodock.chem.read_receptor import read_receptor
from tests.tiny import COMPLEXES


@pytest.fixture(scope="module")
def case():
    folder = COMPLEXES / "2azr_982"
    ligand = read_ligand(folder / "ligand.sdf")
    return read_receptor(folder / "protein.pdb", reference_ligands=[ligand.mol]), heavy_positions(ligand.mol)


def atoms_of(pdb):
    rows = [line for line in io.StringIO(pdb) if line.startswith("ATOM")]
    pos = np.array([[float(row[i : i + 8]) for i in (30, 38, 46)] for row in rows])
    return pos, [row[12:16].strip() for row in rows], [row[21:26] for row in rows]


def test_every_receptor_atom_nearby_is_in_it_once(case):
    receptor, ligand_pos = case
    pocket = pocket_structure(receptor, ligand_pos, 6.0)
    pos = np.concatenate([atoms_of(pocket.pdb)[0], receptor.pos[pocket.other]])
    distance = np.linalg.norm(receptor.pos[:, None] - ligand_pos[None], axis=2).min(axis=1)
    for place in receptor.pos[(distance < 6.0) & (receptor.atom_name != "OXT")]:
        assert (np.linalg.norm(pos - place, axis=1) < 2e-3).sum() == 1


def test_stretches_are_chains_of_at_least_two_residues_joined_by_peptide_bonds(case):
    pdb = pocket_structure(*case, 6.0).pdb
    for stretch in pdb.split("TER\n")[:-1]:
        pos, names, residues = atoms_of(stretch)
        order = list(dict.fromkeys(residues))
        assert len(order) >= 2 and len({residue[0] for residue in order}) == 1
        place = {(residue, name): xyz for residue, name, xyz in zip(residues, names, pos, strict=True)}
        for before, after in zip(order, order[1:], strict=False):
            assert np.linalg.norm(place[before, "C"] - place[after, "N"]) < 2.0


def test_atoms_are_told_in_the_order_of_the_file(case):
    receptor, ligand_pos = case
    pocket = pocket_structure(receptor, ligand_pos, 6.0)
    pos, names, _ = atoms_of(pocket.pdb)
    assert np.abs(receptor.pos[pocket.atoms] - pos).max() < 1e-3
    assert receptor.atom_name[pocket.atoms].tolist() == names


def test_side_chains_near_the_ligand_are_free_and_have_their_neighbours(case):
    receptor, ligand_pos = case
    pocket = pocket_structure(receptor, ligand_pos, 6.0, flexible=4.0)
    free = pocket.atoms[free_side_chains(receptor, pocket, ligand_pos, 4.0)]
    assert len(free) and not np.isin(receptor.atom_name[free], ["N", "CA", "C", "O", "OXT"]).any()
    gaps = np.linalg.norm(receptor.pos[free][:, None] - ligand_pos[None], axis=2).min(axis=1)
    for residue in np.unique(receptor.residue_idx[free]):
        assert gaps[receptor.residue_idx[free] == residue].min() < 4.0
    inside = set(pocket.atoms.tolist()) | set(pocket.other.tolist())
    around = np.linalg.norm(receptor.pos[:, None] - receptor.pos[free][None], axis=2).min(axis=1) < 5.0
    assert set(np.flatnonzero(around & (receptor.atom_name != "OXT")).tolist()) <= inside
    assert not len(free_side_chains(receptor, pocket, ligand_pos, 0.0))


def test_a_side_chain_bonded_to_what_the_force_field_lacks_is_not_free(case):
    receptor, ligand_pos = case
    pocket = pocket_structure(receptor, ligand_pos, 6.0, flexible=4.0)
    free = pocket.atoms[free_side_chains(receptor, pocket, ligand_pos, 4.0)]
    residue = receptor.residue_idx[free[0]]
    element = receptor.element.copy()
    name = receptor.atom_name.copy()
    element[free[0]], name[free[0]] = "P", "P"  # as in a phosphorylated residue
    modified = replace(receptor, element=element, atom_name=name)
    pocket = pocket_structure(modified, ligand_pos, 6.0, flexible=4.0)
    still_free = pocket.atoms[free_side_chains(modified, pocket, ligand_pos, 4.0)]
    assert set(receptor.residue_idx[free]) - set(receptor.residue_idx[still_free]) == {residue}


def test_rdkit_reads_it(case):
    pdb = pocket_structure(*case, 6.0).pdb
    assert Chem.MolFromPDBBlock(pdb, sanitize=False).GetNumAtoms() == len(atoms_of(pdb)[0])


def test_a_ligand_far_from_everything_has_an_empty_pocket(case):
    receptor, ligand_pos = case
    pocket = pocket_structure(receptor, ligand_pos + 500.0, 6.0)
    assert not len(pocket.other) and "ATOM" not in pocket.pdb
