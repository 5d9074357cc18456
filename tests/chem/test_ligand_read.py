"""Every ligand format comes in as the same molecule; every unusable input is one clear line."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, rdMolTransforms

from discodock.chem.ligand import (
    MAX_HEAVY_ATOMS,
    heavy_molecule,
    heavy_positions,
    iter_ligands,
    read_ligand,
)
from discodock.chem.ligand_formats import FORMATS, LigandFormat, suffix_format
from discodock.chem.records.smiles_file import parse_smiles
from discodock.errors import InputError
from tests.chem.ligand_samples import CRYSTAL_LIGANDS, DATA, embedded, mol2, pdb, read_ligands, sdf

AMINO_ACID = "C[C@H](N)C(=O)O"


def smiles_of(mol: Chem.Mol) -> str:
    return Chem.MolToSmiles(Chem.RemoveHs(mol))


@pytest.mark.parametrize("name", CRYSTAL_LIGANDS)
def test_crystal_ligands_read_as_rdkit_reads_them(name: str) -> None:
    record = read_ligand(DATA / f"{name}.sdf")
    expected = Chem.MolFromMolFile(str(DATA / f"{name}.sdf"), removeHs=False)
    Chem.AssignStereochemistryFrom3D(expected)
    assert Chem.MolToSmiles(record.mol) == Chem.MolToSmiles(expected)
    assert [a.GetSymbol() for a in record.mol.GetAtoms()] == [a.GetSymbol() for a in expected.GetAtoms()]
    assert record.has_3d and record.name and record.mol.HasProp("ligand_code")
    np.testing.assert_allclose(heavy_positions(record.mol), expected.GetConformer().GetPositions())


@pytest.mark.parametrize("suffix", [".sdf", ".sdf.gz", ".mol", ".mol2", ".dat"])
@pytest.mark.parametrize("v3000", [False, True])
def test_sdf_is_told_by_content_whatever_its_name(tmp_path: Path, suffix: str, v3000: bool) -> None:
    mol = embedded(AMINO_ACID)
    text = Chem.MolToMolBlock(mol, forceV3000=v3000)
    path = tmp_path / f"ala{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode())
    record = read_ligand(path)
    assert smiles_of(record.mol) == AMINO_ACID
    assert record.mol.GetNumAtoms() == mol.GetNumAtoms()  # hydrogens stay
    assert record.name == "ala"
    assert any("read as SDF" in warning for warning in record.warnings) == (suffix == ".mol2")


def test_gzip_is_told_by_content_too(tmp_path: Path) -> None:
    path = tmp_path / "ala.sdf"
    path.write_bytes(gzip.compress(sdf(embedded(AMINO_ACID)).encode()))
    assert smiles_of(read_ligand(path).mol) == AMINO_ACID


def test_several_records_keep_order_names_and_tags(tmp_path: Path) -> None:
    texts = []
    for i, smiles in enumerate(["CCO", "c1ccccc1", "CC(=O)O"]):
        mol = embedded(smiles)
        mol.SetProp("_Name", f"lig{i}" if i != 1 else "")
        texts.append(sdf(mol, {"IC50": str(i)}).replace("\n", "\r\n"))
    path = tmp_path / "library.sdf"
    path.write_text("".join(texts), newline="")
    records = read_ligands(path)
    assert [record.name for record in records] == ["lig0", "library_2", "lig2"]
    assert [record.mol.GetProp("IC50") for record in records] == ["0", "1", "2"]
    with pytest.raises(InputError, match="several ligands where one is needed"):
        read_ligand(path)


def test_a_bad_record_does_not_stop_the_next_ones(tmp_path: Path) -> None:
    good = sdf(embedded("CCO"))
    path = tmp_path / "library.sdf"
    path.write_text(good + good.replace("M  END", "") + good)
    kinds = [type(record).__name__ for record in iter_ligands(path)]
    assert kinds == ["LigandRecord", "InputError", "LigandRecord"]
    with pytest.raises(InputError, match="record 2: truncated"):
        read_ligands(path)


@pytest.mark.parametrize("smiles", ["CCO", "C/C=C/C(=O)O", "C/C=C\\Cl", "[O-]C(=O)[C@@H]([NH3+])CO", "c1cc[nH]c1"])
def test_smiles_string_and_file(tmp_path: Path, smiles: str) -> None:
    path = tmp_path / "set.smi"
    path.write_text(f"smiles name\n{smiles} first one\nC second\n")
    records = read_ligands(path)
    assert [record.name for record in records] == ["first one", "second"]
    for record in (read_ligand(smiles), records[0]):
        assert Chem.MolToSmiles(record.mol) == Chem.CanonSmiles(smiles)
        assert not record.has_3d and record.mol.GetNumConformers() == 0


def test_mol2_keeps_hydrogens_names_and_finds_the_charges(tmp_path: Path) -> None:
    # Zwitterionic alanine: charges come from the types N.4 and O.co2.
    mol = embedded("C[C@H]([NH3+])C(=O)[O-]")
    types = ["C.3", "C.3", "N.4", "C.2", "O.co2", "O.co2"] + ["H"] * 7
    path = tmp_path / "ala.mol2"
    path.write_text(mol2(mol, types, "alanine") + mol2(mol, types, "again"))
    records = read_ligands(path)
    assert [record.name for record in records] == ["alanine", "again"]
    assert smiles_of(records[0].mol) == Chem.CanonSmiles("C[C@H]([NH3+])C(=O)[O-]")
    assert records[0].mol.GetNumAtoms() == mol.GetNumAtoms() and records[0].has_3d
    assert [atom.GetProp("name") for atom in records[0].mol.GetAtoms()][:3] == ["C1", "C2", "N3"]


@pytest.mark.parametrize(
    ("smiles", "types"),
    [
        # RDKit puts a charge on N.pl3 of a pyridone and then fails; PDBbind has many.
        ("O=c1cccc[nH]1", ["O.2"] + ["C.ar"] * 5 + ["N.pl3"] + ["H"] * 5),
        ("Cc1nnn[n-]1", ["C.3", "C.ar", "N.ar", "N.ar", "N.ar", "N.ar"] + ["H"] * 3),
        ("C[O-]", ["C.3", "O.co2"] + ["H"] * 3),
        ("CP(=O)([O-])[O-]", ["C.3", "P.3", "O.co2", "O.co2", "O.co2"] + ["H"] * 3),
        ("Cc1[nH]cc[nH+]1", ["C.3", "C.ar", "N.pl3", "C.ar", "C.ar", "N.pl3"] + ["H"] * 7),
    ],
)
def test_mol2_whose_types_mislead_rdkit(tmp_path: Path, smiles: str, types: list[str]) -> None:
    mol = embedded(smiles)
    path = tmp_path / "x.mol2"
    path.write_text(mol2(mol, types[: mol.GetNumAtoms()]))
    record = read_ligand(path)
    assert smiles_of(record.mol) == Chem.CanonSmiles(smiles)
    assert record.mol.GetNumAtoms() == mol.GetNumAtoms()


@pytest.mark.parametrize("name", ["3o5r_FK5", "6wtn_RXT", "7qpp_VDX"])
@pytest.mark.parametrize("seed", range(3))
def test_pdb_with_template_gives_bond_orders_in_the_file_order(tmp_path: Path, name: str, seed: int) -> None:
    crystal = read_ligand(DATA / f"{name}.sdf").mol
    order = np.random.default_rng(seed).permutation(crystal.GetNumAtoms()).tolist()
    shuffled = Chem.RenumberAtoms(crystal, order)
    path = tmp_path / "ligand.pdb"
    path.write_text(pdb(shuffled))
    record = read_ligand(path, template_smiles=Chem.MolToSmiles(crystal, isomericSmiles=False))
    assert Chem.MolToSmiles(record.mol) == Chem.MolToSmiles(crystal)  # stereo from the coordinates
    assert [a.GetSymbol() for a in record.mol.GetAtoms()] == [a.GetSymbol() for a in shuffled.GetAtoms()]
    np.testing.assert_allclose(heavy_positions(record.mol), heavy_positions(shuffled), atol=1e-3)
    assert record.mol.GetAtomWithIdx(0).GetProp("name")


def test_pdb_template_puts_the_double_bond_where_the_short_bond_is(tmp_path: Path) -> None:
    mol = embedded("CC(=O)O", hydrogens=False)
    pos = mol.GetConformer()
    rdMolTransforms.SetBondLength(pos, 1, 2, 1.20)
    rdMolTransforms.SetBondLength(pos, 1, 3, 1.34)
    for swap in (False, True):
        path = tmp_path / f"acid{swap}.pdb"
        path.write_text(pdb(Chem.RenumberAtoms(mol, [0, 1, 3, 2]) if swap else mol))
        read = read_ligand(path, template_smiles="CC(=O)O").mol
        assert read.GetBondBetweenAtoms(1, 3 if swap else 2).GetBondTypeAsDouble() == 2


@pytest.mark.parametrize("smiles", [AMINO_ACID, "C/C=C\\C(=O)O", "O[C@H]1CC[C@@H](F)CC1"])
def test_flat_drawing_takes_stereo_from_the_drawing(tmp_path: Path, smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles)
    AllChem.Compute2DCoords(mol)
    path = tmp_path / "flat.mol"
    path.write_text(Chem.MolToMolBlock(mol))
    record = read_ligand(path)
    assert not record.has_3d
    assert Chem.MolToSmiles(record.mol) == Chem.CanonSmiles(smiles)
    assert any("no 3-D coordinates" in warning for warning in record.warnings)


@pytest.mark.parametrize("scale", [0.0, 1e-3])
def test_collapsed_coordinates_are_no_structure(tmp_path: Path, scale: float) -> None:
    mol = embedded("CCO")
    for i, xyz in enumerate(mol.GetConformer().GetPositions()):
        mol.GetConformer().SetAtomPosition(i, (1.0 + scale * xyz).tolist())
    path = tmp_path / "dot.sdf"
    path.write_text(sdf(mol))
    assert not read_ligand(path).has_3d


@pytest.mark.parametrize(
    ("smiles", "kept", "dropped"),
    [
        ("CC[NH2+]CC.[Cl-]", "CC[NH2+]CC", "Cl-"),
        ("[Na+].[Na+].CC(=O)[O-].O", "CC(=O)[O-]", "2 x Na+"),
        ("c1ccccc1.CCO", "c1ccccc1", "C2H6O"),
    ],
)
def test_salts_and_mixtures_reduce_to_the_largest_fragment(smiles: str, kept: str, dropped: str) -> None:
    record = read_ligand(smiles)
    assert Chem.MolToSmiles(record.mol) == Chem.CanonSmiles(kept)
    assert any("kept the largest" in warning and dropped in warning for warning in record.warnings)


def test_undefined_stereo_is_a_warning_and_defined_is_not() -> None:
    assert any("atom 2 (C)" in warning for warning in read_ligand("CC(F)Cl").warnings)
    assert any("bond 2=3" in warning for warning in read_ligand("CC=CC").warnings)
    assert any("bond 2=3" in warning for warning in read_ligand("CC=CC=CC").warnings)
    for quiet in ("C[C@H](F)Cl", "C/C=C/C", "CC(=N)N", "CCO", "CC=C=C(C)C", "CN=[N+]=[N-]", "CN=C=O", "CC=C=O"):
        assert read_ligand(quiet).warnings == ()


def _nan(text: str) -> str:
    lines = text.splitlines()
    lines[5] = "       nan" + lines[5][10:]
    return "\n".join(lines)


GOOD = sdf(embedded("CCO"))
DUMMY = sdf(Chem.MolFromSmiles("*CCO"))
BAD_FILES = {
    "missing.sdf": (None, "no such ligand file"),
    "empty.sdf": (b"", "is empty"),
    "blank.sdf": (b" \n\n", "is empty"),
    "binary.sdf": (b"\x00\x01\x02" * 50, "binary"),
    "cut.sdf": (GOOD[: len(GOOD) // 2].encode(), "truncated"),
    "cut.sdf.gz": (gzip.compress(GOOD.encode())[:-20], "truncated or damaged gzip"),
    "cut.mol2": (mol2(embedded("CCO"), ["C.3", "C.3", "O.3"] + ["H"] * 6)[:250].encode(), "truncated or damaged MOL2"),
    "nan.sdf": (_nan(GOOD).encode(), "not numbers"),
    "noatoms.sdf": (sdf(Chem.Mol()).encode(), "without atoms"),
    "dummy.sdf": (DUMMY.encode(), "query or dummy atom"),
    "hydrogen.sdf": (sdf(embedded("[H][H]")).encode(), "no heavy atoms"),
    "text.sdf": (b"this is\nnot an SDF file\nat all\nreally\nnot\n", "truncated SDF record"),
    "page.sdf": (b"<!DOCTYPE html><html></html>\n", "a web page"),
    "protein.cif": (b"data_1ABC\n_atom_site.id\n", "CIF"),
    "ligand.pdbqt": (b"ROOT\nATOM      1  C   LIG A   1       0.0 0.0 0.0\nENDROOT\n", "PDBQT"),
    "nothing.txt": (b"hello world, nothing here\n", "not a ligand in a known format"),
    "noorders.pdb": (pdb(embedded("CCO")).encode(), "template SMILES"),
    "valence.smi": (b"CC(C)(C)(C)C five\n", "greater than permitted"),
    "syntax.smi": (b"CC(C five\n", "not a valid SMILES"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_raise_one_line_with_file_and_remedy(tmp_path: Path, name: str, capfd: pytest.CaptureFixture) -> None:
    content, expected = BAD_FILES[name]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=expected) as error:
        read_ligand(path)
    message = str(error.value)
    assert name in message and "\n" not in message and ";" in message
    assert capfd.readouterr().err == ""  # RDKit's own noise is kept out


@pytest.mark.parametrize(
    ("source", "expected"),
    [("", "empty string"), ("not-a-smiles", "no such file and no SMILES"), ("ligand.sdf", "no such ligand file")],
)
def test_bad_strings(source: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_ligand(source)


def test_a_folder_is_no_ligand(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_ligand(tmp_path)


WRONG_TEMPLATES = {"CCC": "atoms or bonds differ", "CC": "3 heavy atoms in the file", "C(C": "not a valid SMILES"}


@pytest.mark.parametrize(("template", "expected"), WRONG_TEMPLATES.items())
def test_wrong_template(tmp_path: Path, template: str, expected: str) -> None:
    path = tmp_path / "x.pdb"
    path.write_text(pdb(embedded("CCO")))
    with pytest.raises(InputError, match=expected):
        read_ligand(path, template_smiles=template)


def test_size_limit_names_the_count() -> None:
    assert read_ligand("C" * MAX_HEAVY_ATOMS).mol.GetNumAtoms() == MAX_HEAVY_ATOMS
    with pytest.raises(InputError, match=f"{MAX_HEAVY_ATOMS + 1} heavy atoms, at most {MAX_HEAVY_ATOMS}") as caught:
        read_ligand("C" * (MAX_HEAVY_ATOMS + 1))
    assert len(str(caught.value)) < 200  # the line does not repeat the whole SMILES


def test_query_columns_written_by_pdbbind_are_no_queries(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    lines[4] = lines[4][:42] + "  4" + lines[4][45:]
    first_bond = 4 + int(lines[3][:3])
    lines[first_bond] = f"{lines[first_bond][:12]:<15}  2"
    path = tmp_path / "x.sdf"
    path.write_text("\n".join(lines) + "\n")
    assert smiles_of(read_ligand(path).mol) == "CCO"
    assert not any(atom.HasQuery() for atom in read_ligand(path).mol.GetAtoms())


def test_heavy_molecule_keeps_order_and_counts_hydrogens() -> None:
    mol = Chem.RenumberAtoms(embedded("OC([2H])C"), [8, 7, 3, 2, 1, 0, 4, 5, 6])
    heavy = heavy_molecule(mol)
    assert [atom.GetSymbol() for atom in heavy.GetAtoms()] == ["C", "C", "O"]
    assert [atom.GetTotalNumHs() for atom in heavy.GetAtoms()] == [3, 2, 1]


def test_every_ending_belongs_to_one_format() -> None:
    endings = [suffix for each in FORMATS.values() for suffix in each.suffixes]
    assert len(endings) == len(set(endings)) and all(suffix_format(Path(f"x{suffix}.gz")) for suffix in endings)


def test_a_registered_format_is_read_and_named_in_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = LigandFormat(
        "TOY", (".toy",), lambda text: text.startswith("toy "), lambda text: iter([parse_smiles(text[4:])])
    )
    monkeypatch.setitem(FORMATS, "toy", toy)
    (tmp_path / "a.toy").write_text("toy CCO")
    assert smiles_of(read_ligand(tmp_path / "a.toy").mol) == "CCO"
    (tmp_path / "a.sdf").write_text("toy CCO ethanol")
    assert any("read as TOY" in warning for warning in read_ligand(tmp_path / "a.sdf").warnings)
    (tmp_path / "page.sdf").write_text("<html>")
    with pytest.raises(InputError, match="SDF, SMILES or TOY"):
        read_ligand(tmp_path / "page.sdf")
    with pytest.raises(InputError, match="no such ligand file"):
        read_ligand("missing.toy")


@pytest.mark.parametrize("name", ["list.mol2", "list.sdf", "list.txt", "list"])
def test_a_list_of_smiles_is_told_by_its_first_word(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("CCO ethanol\n")
    assert read_ligand(tmp_path / name).name == "ethanol"
