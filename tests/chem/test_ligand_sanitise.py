"""Common drawing errors are mended as a chemist would, said so, and nothing else is touched."""

import pytest
from rdkit import Chem

from discodock.chem.sanitise import largest_fragment, sanitise
from discodock.errors import InputError
from tests.chem.ligand_samples import CRYSTAL_LIGANDS, DATA


def drawn(smiles: str) -> Chem.Mol:
    params = Chem.SmilesParserParams()
    params.sanitize = False
    params.removeHs = False
    return Chem.MolFromSmiles(smiles, params)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("CC[C-](=O)=O", "CCC(=O)[O-]"),
        ("CCC(=O)=O", "CCC(=O)[O-]"),
        ("CN(C)(C)C", "C[N+](C)(C)C"),
        ("CCN(CC)(CC)C(=O)C", "CC[N+](CC)(CC)C(C)=O"),
        ("CO(C)C", "C[O+](C)C"),
        ("CB(F)(F)F", "C[B-](F)(F)F"),
        ("CP(=O)(=O)=O", "CP(=O)([O-])[O-]"),
        ("[H]N([H])=[C+](c1ccccc1)=N([H])[H]", "NC(=[NH2+])c1ccccc1"),
        ("[H]N([H])=C(N([H])[H])c1ccccc1", "NC(=[NH2+])c1ccccc1"),
        ("CN(=O)=O", "C[N+](=O)[O-]"),
        ("c1ccnc1", "c1cc[nH]c1"),
        ("Cc1nc2ccccc2n1", "Cc1nc2ccccc2[nH]1"),
        ("Cn1ccn(C)c1", "Cn1cc[n+](C)c1"),
        ("O:c(:O)C", "CC(=O)[O-]"),
        ("CS(:O)(:O):O", "CS(=O)(=O)[O-]"),
        ("CC(:N):N", "CC(N)=[NH2+]"),
    ],
)
def test_repairs(wrong: str, right: str) -> None:
    mol, notes = sanitise(drawn(wrong))
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == Chem.CanonSmiles(right)
    assert bool(notes) == (wrong != "CN(=O)=O")  # RDKit itself mends nitro groups
    assert [a.GetSymbol() for a in mol.GetAtoms()] == [a.GetSymbol() for a in drawn(wrong).GetAtoms()]


@pytest.mark.parametrize("wrong", ["CC(C)(C)(C)C", "CF(C)C", "c1cccc1", "C1=CC=CC=C1(=O)=C"])
def test_what_has_no_clear_repair_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="correct"):
        sanitise(drawn(wrong))


@pytest.mark.parametrize("name", CRYSTAL_LIGANDS)
def test_sound_molecules_are_left_alone(name: str) -> None:
    raw = Chem.MolFromMolFile(str(DATA / f"{name}.sdf"), sanitize=False, removeHs=False)
    mol, notes = sanitise(raw)
    assert notes == ()
    expected = Chem.MolFromMolFile(str(DATA / f"{name}.sdf"), removeHs=False)
    assert Chem.MolToSmiles(mol, isomericSmiles=False) == Chem.MolToSmiles(expected, isomericSmiles=False)


def test_largest_fragment_keeps_order_and_properties() -> None:
    mol = Chem.MolFromSmiles("Cl.OCC.[Na+]")
    mol.SetProp("tag", "kept")
    mol.GetAtomWithIdx(1).SetProp("name", "O7")
    kept, notes = largest_fragment(mol)
    assert [atom.GetSymbol() for atom in kept.GetAtoms()] == ["O", "C", "C"]
    assert kept.GetProp("tag") == "kept" and kept.GetAtomWithIdx(0).GetProp("name") == "O7"
    assert len(notes) == 1 and "Na" in notes[0]
    assert largest_fragment(kept)[1] == ()
