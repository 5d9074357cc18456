"""Ligand files that were read as something else than they say, and what is said of those that leave things open.

`mol2-without-hydrogens`: every atom without hydrogens became a radical, N and O with one single bond an anion.
`cxsmiles`: the part between bars became the title, stereo groups were lost without a word, further columns the name.
`unicode-sd-tag`: a long tag of characters of several bytes ended in a UnicodeDecodeError; others were changed.
"""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

from discodock.chem import write
from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import iter_ligands, read_ligand
from discodock.chem.pose_file import read_poses
from discodock.chem.records import sd_tags
from discodock.chem.write import write_poses
from discodock.errors import InputError
from tests.chem.ligand_samples import embedded, mol2, read_ligands, sdf

CASES = Path(__file__).parent


def smiles_of(mol):
    return Chem.MolToSmiles(Chem.RemoveHs(mol))


def lay(path, text):
    path.write_text(text)
    return path


def test_a_mol2_record_without_hydrogens_has_them_by_valence():
    record = read_ligand(CASES / "mol2-without-hydrogens" / "ligand.mol2")
    assert smiles_of(record.mol) == "Nc1ccccc1" and record.mol.GetNumAtoms() == 7
    assert any("without hydrogens" in warning for warning in record.warnings)


MOL2_TYPES = {
    "CC(=O)Nc1ccc(O)cc1": ["C.3", "C.2", "O.2", "N.am", *["C.ar"] * 4, "O.3", *["C.ar"] * 2],
    "C[C@H]([NH3+])C(=O)[O-]": ["C.3", "C.3", "N.4", "C.2", "O.co2", "O.co2"],
    "O=[N+]([O-])c1ccccc1": ["O.2", "N.pl3", "O.2", *["C.ar"] * 6],
    "c1cc[nH]c1": ["C.ar", "C.ar", "C.ar", "N.pl3", "C.ar"],
    "CC#CCO": ["C.3", "C.1", "C.1", "C.3", "O.3"],
    "COP(=O)(O)O": ["C.3", "O.3", "P.3", "O.2", "O.3", "O.3"],
    "NC(=[NH2+])NCC": ["N.pl3", "C.cat", "N.pl3", "N.pl3", "C.3", "C.3"],
    "[C-]#[N+]CC": ["C.1", "N.1", "C.3", "C.3"],
    "CSCC(F)(F)Cl": ["C.3", "S.3", "C.3", "C.3", "F", "F", "Cl"],
}


@pytest.mark.parametrize("named", ["all", "polar", "none"])
@pytest.mark.parametrize("smiles", MOL2_TYPES)
def test_mol2_records_that_name_all_polar_or_no_hydrogens_are_one_molecule(tmp_path, smiles, named):
    mol = embedded(smiles)
    left_out = {"all": [], "polar": ["C"], "none": ["C", "N", "O", "P"]}[named]
    some = Chem.RWMol(mol)
    hydrogens = [atom for atom in mol.GetAtoms() if atom.GetAtomicNum() == 1]
    for atom in reversed(hydrogens):
        if atom.GetNeighbors()[0].GetSymbol() in left_out:
            some.RemoveAtom(atom.GetIdx())
    types = MOL2_TYPES[smiles] + ["H"] * (some.GetNumAtoms() - len(MOL2_TYPES[smiles]))
    record = read_ligand(lay(tmp_path / "x.mol2", mol2(some.GetMol(), types)))
    assert smiles_of(record.mol) == Chem.CanonSmiles(smiles)
    assert any("hydrogens" in warning for warning in record.warnings) == (named != "all")


def test_single_missing_hydrogens_of_a_mol2_record_are_named(tmp_path):
    mol = Chem.RWMol(embedded("CCO"))
    mol.RemoveAtom(3)
    record = read_ligand(lay(tmp_path / "x.mol2", mol2(mol.GetMol(), ["C.3", "C.3", "O.3"] + ["H"] * 5)))
    assert smiles_of(record.mol) == "CCO" and any("atom 1 (C)" in warning for warning in record.warnings)


@pytest.mark.parametrize("order", ["zz", "un", "du", "9"])
def test_a_mol2_bond_without_a_definite_order_does_not_vanish(tmp_path, order):
    text = mol2(embedded("CCO"), ["C.3", "C.3", "O.3"] + ["H"] * 6)
    assert "\n2 2 3 1\n" in text
    with pytest.raises(InputError, match="bond 2-3"):
        read_ligand(lay(tmp_path / "x.mol2", text.replace("\n2 2 3 1\n", f"\n2 2 3 {order}\n")))


@pytest.mark.parametrize("source", ["C[C+99](C)C", "[C+100]", "CC[N+9]", "CC(=O)[O-7]"])
def test_charges_beyond_belief_are_refused_with_the_atom(source):
    with pytest.raises(InputError, match=r"atom \d \([CNO]\)|no SMILES"):
        read_ligand(source)


def test_a_charge_beyond_belief_in_an_sdf_is_refused(tmp_path):
    text = sdf(embedded("CCO", hydrogens=False)).replace("M  END", "M  CHG  1   3  99\nM  END")
    with pytest.raises(InputError, match=r"atom 3 \(O\) has a charge of \+99"):
        read_ligand(lay(tmp_path / "x.sdf", text))


@pytest.mark.parametrize("smiles", ["CS(=O)(=O)O", "C[N+](C)(C)C", "[O-][Cl+3]([O-])([O-])[O-]", "CP(=O)([O-])[O-]"])
def test_charges_of_ordinary_drawings_are_read(smiles):
    assert smiles_of(read_ligand(smiles).mol) == Chem.CanonSmiles(smiles)


def test_a_radical_is_a_warning():
    assert any("atom 2 (C)" in w and "radical" in w for w in read_ligand("C[CH]C").warnings)


CAGES = {
    "amantadine": "NC12CC3CC(C1)CC(C3)C2",
    "memantine": "CC12CC3CC(C)(C1)CC(N)(C3)C2",
    "vildagliptin": "N#C[C@@H]1CCCN1C(=O)CNC12CC3CC(CC(O)(C3)C1)C2",
    "propellane acid": "NC12CC(C1)(C2)C(=O)O",
    "cubane": "OC(=O)C12C3C4C1C5C2C3C45",
    "quinuclidine": "C1CN2CCC1CC2",
    "quaternary quinuclidine": "C[N+]12CCC(CC1)CC2",
    "norbornane": "C1CC2CCC1C2",
    "triptycene": "c1ccc2c(c1)C1c3ccccc3C2c2ccccc21",
    "2-adamantanol": "OC1C2CC3CC(C2)CC1C3",
    "phosphate diester": "CCOP(=O)([O-])OC",
    "triphosphate": "CCOP(=O)(O)OP(=O)(O)OP(=O)(O)O",
    "phosphinic acid": "CP(=O)(O)c1ccccc1",
    "sulfinate": "CCS(=O)[O-]",
}


@pytest.mark.parametrize("smiles", CAGES.values(), ids=CAGES)
def test_cages_and_acids_of_one_form_are_not_called_open(smiles):
    assert read_ligand(smiles).warnings == ()


@pytest.mark.parametrize(
    ("smiles", "named"),
    [
        ("CC(N)C12CC3CC(CC(C3)C1)C2", ["atom 2 (C)"]),  # rimantadine
        ("OC1CN2CCC1CC2", ["atom 2 (C)"]),  # 3-quinuclidinol
        ("CC1(C)C2CCC1(C)C(=O)C2", ["atom 4 (C)", "atom 7 (C)"]),  # camphor, both hands or none
        ("C1CCC2CCCCC2C1", ["atom 4 (C)", "atom 9 (C)"]),  # decalin, cis or trans
        ("OC1CC(N)C1", ["atom 2 (C)", "atom 4 (C)"]),
        ("CC[N+](C)(CCC)Cc1ccccc1", ["atom 3 (N)"]),
        ("CCOP(=S)([O-])OC", ["atom 4 (P)"]),
        ("CCS(C)=O", ["atom 3 (S)"]),
        ("CN1C2CCC1CC(C2)OC(=O)C(CO)c1ccccc1", ["atom 3 (C)", "atom 6 (C)", "atom 8 (C)", "atom 13 (C)"]),  # atropine
    ],
)
def test_centres_that_are_open_are_named_and_no_others(smiles, named):
    (warning,) = read_ligand(smiles).warnings
    assert warning.startswith("undefined stereo") and warning.partition(": ")[2] == ", ".join(named)


def test_stereo_groups_are_said_and_kept(tmp_path):
    """The case: two ligands were both called 1_1, the second file's ligand '1_1_Z11'."""
    first, second = read_ligands(CASES / "cxsmiles" / "ligands.smi")
    assert (first.name, second.name) == ("ligands_1", "ligands_2")
    assert any("AND group (atom 2 (C))" in w and "one form of a racemate" in w for w in first.warnings)
    record = read_ligand(CASES / "cxsmiles" / "named.smi")
    assert record.name == "Z11"
    path = tmp_path / "poses.sdf"
    assert write_poses(record, generate_conformers(record.mol, 1, 0), [{}], path) == [None]
    assert "V3000" in path.read_text() and "STERAC1 ATOMS=(1 2)" in path.read_text()
    assert any("AND group" in warning for warning in read_ligand(path).warnings)


def test_an_or_group_of_a_v3000_file_is_said(tmp_path):
    mol = Chem.MolFromSmiles("C[C@H](F)CO |o1:1|")
    text = Chem.MolToMolBlock(embedded("CCO")) if mol is None else Chem.MolToV3KMolBlock(mol)
    assert any("OR group (atom 2 (C))" in w for w in read_ligand(lay(tmp_path / "x.sdf", text + "$$$$\n")).warnings)


def test_a_broken_extension_is_refused():
    with pytest.raises(InputError, match="CXSMILES"):
        read_ligand("C[C@H](F)CO |nonsense|")


LISTS = {
    "case": (CASES / "cxsmiles" / "wide.smi").read_text(),
    "no header": "CCO\tZ1\t46\nCCN\tZ2\t45\n",
    "commas": "CCO,Z1,46\nCCN,Z2,45\n",
    "semicolons": "smiles;id\nCCO;Z1\nCCN;Z2\n",
    "quotes": '"SMILES","ID"\n"CCO","Z1"\n"CCN","Z2"\n',
    "names first": "Compound ID,MW,Canonical_SMILES\nZ1,46,CCO\nZ2,45,CCN\n",
    "names first, no header": "Z1 CCO\nZ2 CCN\n",
    "blanks": "SMILES ID MW\nCCO Z1 46\nCCN Z2 45\n",
    "remarks": "# from a vendor\nCCO Z1\n\nCCN Z2\n",
    "commented header": "#SMILES\tID\nCCO\tZ1\nCCN\tZ2\n",
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_lists_of_smiles_of_any_layout(tmp_path, text):
    records = read_ligands(lay(tmp_path / "list.smi", text))
    assert [(record.name, smiles_of(record.mol)) for record in records] == [("Z1", "CCO"), ("Z2", "CCN")]


def test_names_with_blanks_and_extensions_in_columns(tmp_path):
    text = "CXSMILES\tname\tx\nC[C@H](F)CO |&1:1|\tacetic acid\t1\nC[C@H](F)CO\t|&1:1|\tother\n"
    assert [record.name for record in read_ligands(lay(tmp_path / "list.smi", text))][0] == "acetic acid"
    assert read_ligand("CC(=O)O acetic acid").name == "acetic acid"
    assert read_ligand("C[C@H](F)CO\t|&1:1|\tZ11\t5").name == "Z11"


def test_a_bad_line_of_a_list_is_one_failed_record(tmp_path):
    found = list(iter_ligands(lay(tmp_path / "list.smi", "SMILES\tID\nC(C\tZ1\nCCN\tZ2\n")))
    assert isinstance(found[0], InputError) and found[1].name == "Z2"
    assert np.isfinite(generate_conformers(found[1].mol, 1, 0)).all()


TAGS = [
    ("note", "µ≤β" * 1500),  # the case
    ("unit", "5 µM \N{GREEK SMALL LETTER ALPHA} 日本"),
    ("_Name", "of RDKit"),
    ("_MolFileInfo", "x"),
    ("_StereochemDone", "1"),
    ("__computedProps", "2"),
    ("numArom", "3"),
    ("twice", "first"),
    ("twice", "second"),
    ("", "without a name"),
    ("IC50 > 5", "> 10"),
    ("several lines", "one\n two \nthree"),
    ("empty", ""),
    ("discodock_rank", "earlier"),
    ("input_discodock_rank", "earlier still"),
]


def test_tags_come_back_letter_for_letter(tmp_path):
    text = sdf(embedded("Nc1ccccc1")).replace("$$$$\n", "")
    text += "".join(f">  <{name}>\n{value}\n\n" for name, value in TAGS) + "$$$$\n"
    (tmp_path / "x.sdf").write_text(text, encoding="utf-8")
    record = read_ligand(tmp_path / "x.sdf")
    assert list(record.tags) == TAGS
    path = tmp_path / "poses.sdf"
    poses = generate_conformers(record.mol, 2, 0)
    assert write_poses(record, poses, [{"discodock_rank": rank} for rank in (1, 2)], path) == [None, None]
    kept = [(f"input_{name}" if "discodock_rank" in name else name, value) for name, value in TAGS]
    for rank, pose in enumerate(read_ligands(path), start=1):
        assert list(pose.tags) == [*kept, ("discodock_rank", str(rank))]
    assert len(read_poses(path)) == 2


def test_a_tag_that_is_changed_on_the_way_is_noticed(tmp_path, monkeypatch):
    record = read_ligand(lay(tmp_path / "x.sdf", sdf(embedded("CCO"), {"unit": "5 µM"})))
    monkeypatch.setattr(write, "tag_text", lambda tags, number: sd_tags.tag_text(tags, number).replace("µ", "?"))
    (problem,) = write_poses(record, generate_conformers(record.mol, 1, 0), [{}], tmp_path / "poses.sdf")
    assert problem is not None and "SD tag unit" in problem
