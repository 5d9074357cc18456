import numpy as np
import pytest
from rdkit import Chem

from discodock.chem.ligand_features import ligand_arrays
from discodock.chem.peptides import capped_peptide
from discodock.schema import AMINO_ACIDS

SMILES = {
    ("GLY",): "CC(=O)NCC(=O)NC",
    ("TRP",): "CC(=O)NC(Cc1c[nH]c2ccccc12)C(=O)NC",
    ("SER", "PRO"): "CC(=O)NC(CO)C(=O)N1CCCC1C(=O)NC",
    ("ASP", "LYS", "ARG"): "CC(=O)NC(CC(=O)O)C(=O)NC(CCCCN)C(=O)NC(CCCNC(=N)N)C(=O)NC",
}


@pytest.mark.parametrize("residues", SMILES)
def test_features_are_those_of_the_molecule_written_by_hand(residues):
    found, expected = capped_peptide(residues).arrays, ligand_arrays(Chem.MolFromSmiles(SMILES[residues]))
    assert sorted(map(tuple, found["ligand_atom_feat"])) == sorted(map(tuple, expected["ligand_atom_feat"]))
    assert len(found["ligand_tor_bond"]) == len(expected["ligand_tor_bond"])
    assert np.array_equal(np.sort(found["ligand_hops"].ravel()), np.sort(expected["ligand_hops"].ravel()))


@pytest.mark.parametrize("name", AMINO_ACIDS)
def test_every_amino_acid_has_its_atoms_by_name(name):
    atoms = capped_peptide((name,)).atoms
    assert len(set(atoms)) == len(atoms)
    assert {(0, "CA"), (0, "C"), (0, "O"), (2, "N"), (2, "CA")} == {atom for atom in atoms if atom[0] != 1}
    assert {(1, "N"), (1, "CA"), (1, "C"), (1, "O")} <= set(atoms) and (1, "OXT") not in atoms


def test_the_branches_of_isoleucine_are_named_as_in_the_pdb():
    peptide = capped_peptide(("ILE",))
    names = [name for _, name in peptide.atoms]
    bonds = {(names[i], names[j]) for i, j in peptide.arrays["ligand_bond_index"].T.astype(int)}
    assert ("CG1", "CD1") in bonds and ("CG2", "CD1") not in bonds


def test_what_is_no_amino_acid_is_refused():
    with pytest.raises(ValueError, match="ALA-HEM"):
        capped_peptide(("ALA", "HEM"))
