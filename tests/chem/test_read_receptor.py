"""Reading receptors: real PDB and mmCIF files, and variations generated from them."""

import gzip
from pathlib import Path

import gemmi
import numpy as np
import pytest
from Bio.PDB import PDBParser

from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor import Receptor
from discodock.chem.receptor_features import receptor_arrays
from discodock.chem.residues import parent_amino_acid
from discodock.errors import InputError
from discodock.schema import AMINO_ACIDS, ATOM_NAMES, ELEMENTS, RESIDUE_TYPES

PROTEINS = Path(__file__).parents[1] / "data" / "proteins"
KINASE = PROTEINS / "1atp_site.pdb"  # chain E with ATP, two manganese ions, TPO and SEP; chain I; five waters
PROTEASE = PROTEINS / "5rgf_site.pdb"  # many alternative locations, two ligands 6NT, two sulphates
TRYPSIN = PROTEINS.parent / "complexes" / "1bju_GP6" / "protein.pdb"
SELENO = PROTEINS / "6a5k_site.cif"  # six selenomethionines, SAM


def text_of(path: Path, tmp_path: Path, text: str) -> Path:
    variant = tmp_path / path.name
    variant.write_text(text)
    return variant


def atom_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith(("ATOM", "HETATM"))]


def changes(receptor: Receptor) -> str:
    return "\n".join(receptor.changes)


def kinds(receptor: Receptor) -> dict[str, str]:
    return {residue.label: residue.kind for residue in receptor.residues if residue.kind != "amino_acid"}


def assert_same_arrays(first: Receptor, second: Receptor) -> None:
    one, two = receptor_arrays(first), receptor_arrays(second)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_atoms_agree_with_biopython() -> None:
    structure = PDBParser(QUIET=True).get_structure("1atp", KINASE)
    expected = {
        (atom.get_parent().get_parent().id, atom.get_parent().id[1], atom.name): atom.coord
        for atom in structure.get_atoms()
        if atom.get_parent().get_resname() != "HOH"
    }
    receptor = read_receptor(KINASE)
    labels = [receptor.residues[index] for index in receptor.residue_idx]
    found = {
        (r.chain, r.number, str(name)): pos
        for r, name, pos in zip(labels, receptor.atom_name, receptor.pos, strict=True)
    }
    assert found.keys() == expected.keys()
    for key, pos in found.items():
        np.testing.assert_allclose(pos, expected[key], atol=1e-3)


def test_metals_and_cofactors_stay_waters_go() -> None:
    receptor = read_receptor(KINASE)
    assert kinds(receptor) == {"E:MN351": "metal", "E:MN352": "metal", "E:ATP355": "cofactor"}
    assert "waters dropped: 5" in changes(receptor)


def test_modified_residues_take_their_parents_and_are_logged() -> None:
    receptor = read_receptor(KINASE)
    parents = {residue.label: residue.parent for residue in receptor.residues}
    assert parents["E:TPO197"] == "THR" and parents["E:SEP338"] == "SER"
    assert "TPO read as THR" in changes(receptor) and "E:SEP338" in changes(receptor)
    arrays = receptor_arrays(receptor)
    of_tpo = receptor.residue_idx == receptor.find_residues("E:197")[0]
    assert set(arrays["receptor_residue_type"][of_tpo]) == {RESIDUE_TYPES.index("THR")}
    assert ELEMENTS.index("P") in arrays["receptor_element"][of_tpo]


def test_selenomethionine_becomes_methionine() -> None:
    receptor = read_receptor(SELENO)
    assert sum(residue.name == "MSE" for residue in receptor.residues) == 6
    of_mse = np.isin(receptor.residue_idx, [i for i, r in enumerate(receptor.residues) if r.name == "MSE"])
    assert "SE" not in receptor.atom_name and "Se" not in receptor.element
    assert (receptor.element[of_mse & (receptor.atom_name == "SD")] == "S").all()
    assert (receptor_arrays(receptor)["receptor_residue_type"][of_mse] == AMINO_ACIDS.index("MET")).all()


@pytest.mark.parametrize(
    ("name", "parent"),
    [
        ("HIE", "HIS"), ("HID", "HIS"), ("HIP", "HIS"), ("HSD", "HIS"), ("CYX", "CYS"), ("CYM", "CYS"), ("ASH", "ASP"),
        ("GLH", "GLU"), ("LYN", "LYS"), ("MSE", "MET"), ("SEP", "SER"), ("TPO", "THR"), ("PTR", "TYR"), ("CSO", "CYS"),
        ("KCX", "LYS"), ("MLY", "LYS"), ("HYP", "PRO"), ("PCA", "GLN"), ("LLP", "LYS"), ("ALA", "ALA"), ("cme", "CYS"),
        ("HEM", None), ("ATP", None), ("HOH", None), ("ZN", None), ("6NT", None),
    ],
)  # fmt: skip
def test_parents(name: str, parent: str | None) -> None:
    assert parent_amino_acid(name) == parent


@pytest.mark.parametrize(
    ("standard", "variant"), [("HIS", "HIE"), ("GLU", "GLH"), ("ASP", "ASH"), ("LYS", "LYN"), ("CYS", "CYX")]
)
def test_force_field_names_change_nothing_but_the_log(standard: str, variant: str, tmp_path: Path) -> None:
    renamed = text_of(TRYPSIN, tmp_path, TRYPSIN.read_text().replace(f"{standard} ", f"{variant} "))
    receptor = read_receptor(renamed)
    assert f"{variant} read as {standard}" in changes(receptor)
    assert_same_arrays(receptor, read_receptor(TRYPSIN))


def test_gzip_and_mmcif_give_the_same_receptor(tmp_path: Path) -> None:
    packed = tmp_path / "kinase.pdb"  # the name lies on purpose: content decides
    packed.write_bytes(gzip.compress(KINASE.read_bytes()))
    assert_same_arrays(read_receptor(packed), read_receptor(KINASE))
    structure = gemmi.read_structure(str(KINASE))
    structure.setup_entities()
    converted = tmp_path / "kinase.ent"
    converted.write_text(structure.make_mmcif_document().as_string())
    assert_same_arrays(read_receptor(converted), read_receptor(KINASE))


def test_alternative_locations_keep_the_highest_occupancy() -> None:
    occupancies: dict[tuple[str, str], dict[str, list[float]]] = {}
    for line in atom_lines(PROTEASE):
        if line[16] != " ":
            occupancies.setdefault((line[21], line[22:27].strip()), {}).setdefault(line[16], []).append(
                float(line[54:60])
            )
    receptor = read_receptor(PROTEASE)
    pos_of = {tuple(pos): index for pos, index in zip(receptor.pos.round(3), receptor.residue_idx, strict=True)}
    kept: dict[tuple[str, str], set[str]] = {}
    for line in atom_lines(PROTEASE):
        pos = tuple(float(line[start : start + 8]) for start in (30, 38, 46))
        if line[16] != " " and pos in pos_of:
            kept.setdefault((line[21], line[22:27].strip()), set()).add(line[16])
    checked = 0
    for residue, locations in kept.items():
        mean = {location: np.mean(values) for location, values in occupancies[residue].items()}
        sizes = {len(values) for values in occupancies[residue].values()}
        if len(sizes) == 1 and len(set(mean.values())) > 1:
            assert locations == {max(mean, key=lambda location: mean[location])}, residue
            checked += 1
    assert checked >= 3
    names = [(index, str(name)) for index, name in zip(receptor.residue_idx, receptor.atom_name, strict=True)]
    assert len(names) == len(set(names))
    assert "alternative locations" in changes(receptor)


def test_two_residues_at_one_position(tmp_path: Path) -> None:
    """Microheterogeneity: a serine/alanine mixture at one number keeps the more occupied one."""
    serine = [line for line in atom_lines(KINASE) if line[17:20] == "SER"]
    number = serine[0][22:27]
    mixture = []
    for line in [line for line in serine if line[22:27] == number]:
        mixture.append(f"{line[:16]}ASER{line[20:54]}  0.30{line[60:]}")
        if line[12:16].strip() != "OG":
            mixture.append(f"{line[:16]}BALA{line[20:54]}  0.70{line[60:]}")
    mixture.sort(key=lambda line: line[16])
    rest = [line for line in atom_lines(KINASE) if not (line[17:20] == "SER" and line[22:27] == number)]
    receptor = read_receptor(text_of(KINASE, tmp_path, "\n".join(mixture + rest)))
    assert [receptor.residues[i].name for i in receptor.find_residues(f"E:{number.strip()}")] == ["ALA"]
    assert "two residues at one position" in changes(receptor)


def test_insertion_codes_keep_residues_apart(tmp_path: Path) -> None:
    lines = atom_lines(KINASE)
    second = next(line for line in lines if line[22:27] != lines[0][22:27])[22:27]
    inserted = f"{lines[0][22:26]}A"
    text = "\n".join(line.replace(f"{line[21]}{second}", f"{line[21]}{inserted}", 1) for line in lines)
    receptor = read_receptor(text_of(KINASE, tmp_path, text))
    assert_same_arrays(receptor, read_receptor(KINASE))
    assert receptor.residue_labels[1].endswith(inserted.strip())
    assert receptor.find_residues(f"E:{inserted.strip()}") == [1]


def test_first_model_is_used(tmp_path: Path) -> None:
    first = "\n".join(atom_lines(KINASE))
    second = "\n".join(f"{line[:30]}{float(line[30:38]) + 1.0:8.3f}{line[38:]}" for line in atom_lines(KINASE))
    text = f"MODEL        1\n{first}\nENDMDL\nMODEL        2\n{second}\nENDMDL\nEND\n"
    receptor = read_receptor(text_of(KINASE, tmp_path, text))
    assert_same_arrays(receptor, read_receptor(KINASE))
    assert "2 models" in changes(receptor)


def test_missing_side_chain_atoms_are_tolerated_and_named(tmp_path: Path) -> None:
    gone = next(line for line in atom_lines(KINASE) if line[17:20] == "LYS" and line[12:16] == " NZ ")
    receptor = read_receptor(text_of(KINASE, tmp_path, KINASE.read_text().replace(gone + "\n", "")))
    assert len(receptor.pos) == len(read_receptor(KINASE).pos) - 1
    assert f"{gone[21]}:LYS{gone[22:26].strip()}" in changes(receptor)


def test_hydrogens_and_unnamed_elements(tmp_path: Path) -> None:
    """Hydrogens go; without element columns and with shifted names, CA is still carbon and not calcium."""
    lines = [line for line in atom_lines(KINASE) if line.startswith("ATOM")]
    hydrogens = [f"{line[:12]} H  {line[16:76]} H" for line in lines if line[12:16] == " N  "]
    assert_same_arrays(
        read_receptor(text_of(KINASE, tmp_path, "\n".join(lines + hydrogens))),
        read_receptor(text_of(KINASE, tmp_path, "\n".join(lines))),
    )
    plain = read_receptor(text_of(KINASE, tmp_path, "\n".join(lines)))
    shifted = [line[:12] + f"{line[12:16].strip():<4}" + line[16:66] for line in lines]
    assert_same_arrays(read_receptor(text_of(KINASE, tmp_path, "\n".join(shifted))), plain)


@pytest.mark.parametrize("end", ["END", "END   ", "END" + " " * 77])
def test_hetero_groups_after_an_end_line_stay(end: str, tmp_path: Path) -> None:
    lines = atom_lines(KINASE)
    protein = [line for line in lines if line.startswith("ATOM")]
    hetero = [line for line in lines if line.startswith("HETATM")]
    plain = read_receptor(text_of(KINASE, tmp_path, "\n".join([*protein, *hetero, "END"]) + "\n"))
    joined = read_receptor(text_of(KINASE, tmp_path, "\n".join([*protein, end, *hetero, end]) + "\n"))
    assert kinds(joined) == kinds(plain) != {}
    assert_same_arrays(joined, plain)


def test_frames_of_a_trajectory_are_not_read_on_top_of_each_other(tmp_path: Path) -> None:
    text = KINASE.read_text()
    assert_same_arrays(read_receptor(text_of(KINASE, tmp_path, text + text)), read_receptor(KINASE))


@pytest.mark.parametrize("path", [KINASE, SELENO], ids=lambda path: path.suffix)
def test_a_byte_order_mark_changes_nothing(path: Path, tmp_path: Path) -> None:
    text = path.read_text() if path.suffix == ".cif" else "\n".join(atom_lines(path)) + "\n"
    plain = read_receptor(text_of(path, tmp_path, text))
    assert_same_arrays(read_receptor(text_of(path, tmp_path, "\ufeff" + text)), plain)


@pytest.mark.parametrize("name", ["HG", "HE", "HO", "HG1", "HF", "1HB"])
def test_hydrogens_named_from_the_first_column_are_not_metals(name: str, tmp_path: Path) -> None:
    lines = [line[:76].rstrip() for line in atom_lines(TRYPSIN)]
    at = next(number for number, line in enumerate(lines) if line[12:16].strip() == "OG" and line[17:20] == "SER")
    hydrogen = f"{lines[at][:12]}{name:<4}{lines[at][16:]}"
    plain = read_receptor(text_of(TRYPSIN, tmp_path, "\n".join(lines) + "\n"))
    found = read_receptor(text_of(TRYPSIN, tmp_path, "\n".join([*lines[: at + 1], hydrogen, *lines[at + 1 :]]) + "\n"))
    assert_same_arrays(found, plain)


def test_mercury_without_an_element_stays_mercury_outside_of_amino_acids(tmp_path: Path) -> None:
    atom = "HETATM 9999 HG    HG A 900      10.000  20.000  30.000  1.00 20.00"
    receptor = read_receptor(text_of(TRYPSIN, tmp_path, "\n".join([*atom_lines(TRYPSIN), atom]) + "\n"))
    assert kinds(receptor)["A:HG900"] == "metal"


def test_extra_file_is_appended(tmp_path: Path) -> None:
    hetero = [line for line in atom_lines(KINASE) if line[17:20] in ("ATP", " MN")]
    protein = [line for line in atom_lines(KINASE) if line not in hetero]
    (tmp_path / "cofactors.pdb").write_text("\n".join(hetero))
    receptor = read_receptor(text_of(KINASE, tmp_path, "\n".join(protein)), extra=tmp_path / "cofactors.pdb")
    assert kinds(receptor) == kinds(read_receptor(KINASE))


@pytest.mark.parametrize("path", [KINASE, PROTEASE, SELENO])
def test_features_fit_the_schema(path: Path) -> None:
    receptor = read_receptor(path)
    arrays = receptor_arrays(receptor)
    assert arrays["receptor_element"].max() < len(ELEMENTS)
    assert arrays["receptor_atom_name"].max() < len(ATOM_NAMES)
    assert arrays["receptor_residue_type"].max() < len(RESIDUE_TYPES)
    assert arrays["receptor_residue_idx"][0] == 0 and set(np.diff(arrays["receptor_residue_idx"])) <= {0, 1}
    assert arrays["receptor_residue_idx"][-1] == len(receptor.residues) - 1
    back = [ELEMENTS[index] for index in arrays["receptor_element"]]
    assert back == list(receptor.element)
    of_hetero = np.isin(receptor.residue_idx, [i for i, r in enumerate(receptor.residues) if r.kind == "cofactor"])
    assert set(arrays["receptor_atom_name"][of_hetero]) <= {len(ATOM_NAMES) - 1}


BAD = {
    "empty": (b"", "empty"),
    "blank": (b"\n  \n", "empty"),
    "binary": (b"\x7fELF\x00\x01\x02", "binary"),
    "gzip": (gzip.compress(KINASE.read_bytes())[:2000], "gzip"),
    "sdf": (b"x\n     RDKit          3D\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n", "SDF"),
    "mol2": (b"@<TRIPOS>MOLECULE\nx\n", "MOL2"),
    "fasta": (b">seq\nMKTAYIAKQR\n", "FASTA"),
    "html": (b"<html>404</html>", "web page"),
    "text": (b"hello\nworld\n", "no ATOM"),
    "cif_without_atoms": (b"data_x\n_cell.length_a 1\n", "without atoms"),
    "cif_truncated": (SELENO.read_bytes()[:20000], "mmCIF"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_by_name(name: str, tmp_path: Path) -> None:
    content, word = BAD[name]
    path = tmp_path / f"{name}.pdb"
    path.write_bytes(content)
    with pytest.raises(InputError, match=word) as error:
        read_receptor(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_receptor(tmp_path / "none.pdb")
    with pytest.raises(InputError, match="is a folder"):
        read_receptor(tmp_path)


def test_unusable_coordinates_and_truncated_lines(tmp_path: Path) -> None:
    lines = atom_lines(KINASE)
    for bad in (lines[3][:30] + "     nan" + lines[3][38:], lines[3][:30] + "********" + lines[3][38:]):
        with pytest.raises(InputError, match="line 4 has no usable coordinates"):
            read_receptor(text_of(KINASE, tmp_path, "\n".join([*lines[:3], bad, *lines[4:]])))
    with pytest.raises(InputError, match="cut off"):
        read_receptor(text_of(KINASE, tmp_path, "\n".join([*lines[:5], lines[5][:40]])))
    structure = gemmi.read_structure(str(KINASE))
    text = structure.make_mmcif_document().as_string().replace(" 12.", " nan", 1)
    with pytest.raises(InputError, match="no usable coordinates|mmCIF"):
        read_receptor(text_of(KINASE, tmp_path, text))


def test_receptor_without_residues(tmp_path: Path) -> None:
    hetero = "\n".join(line for line in atom_lines(KINASE) if line[17:20] in ("ATP", "HOH"))
    with pytest.raises(InputError, match="no protein residues"):
        read_receptor(text_of(KINASE, tmp_path, hetero))
