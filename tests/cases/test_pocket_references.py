"""What a pocket is named by: reference files that hold more than a ligand, and headers of tables that nearly name one.

`reference-ligand-files`: waters drew the centre off by several Å, PDBQT was refused for its lack of bond orders,
and the protein itself ended in 'no protein residues found'.
"""

from pathlib import Path

import numpy as np
import pytest

from discodock.chem.pocket_reference import read_reference
from discodock.chem.read_receptor import read_receptor
from discodock.errors import InputError
from discodock.inference.many.jobs import read_jobs
from discodock.inference.pocket import PocketSpec, resolve_pocket
from tests.tiny import SMALL

CASE = Path(__file__).parent / "reference-ligand-files"
LIGAND = [line for line in (CASE / "with_waters.pdb").read_text().splitlines() if " INH " in line]
CENTROID = np.array([[float(line[at : at + 8]) for at in (30, 38, 46)] for line in LIGAND]).mean(axis=0)


def moved(lines, number, shift=0.0, name="INH"):
    """The ligand as another residue, moved along x, Å."""
    return [f"{line[:17]}{name} A{number:4d}    {float(line[30:38]) + shift:8.3f}{line[38:]}" for line in lines]


def lay(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def receptor():
    return read_receptor(CASE / "protein.pdb")


@pytest.mark.parametrize("name", ["with_waters.pdb", "reference.pdbqt"])
def test_waters_do_not_count_and_of_pdbqt_positions_are_enough(name):
    reference = read_reference(CASE / name)
    assert reference.pos.mean(axis=0) == pytest.approx(CENTROID, abs=2e-3) and reference.warnings == ()


def test_a_receptor_as_reference_is_refused_by_that_name_and_its_ligand_named():
    with pytest.raises(InputError, match=r"protein\.pdb: is a receptor .*INH"):
        read_reference(CASE / "protein.pdb")


@pytest.mark.parametrize(
    "salt",
    [
        "HETATM  950 ZN    ZN A 400      30.000  20.000  25.000  1.00  0.00          ZN",
        "HETATM  950  S   SO4 A 400      30.000  20.000  25.000  1.00  0.00           S",
        "HETATM  950  O   TIP A 400      30.000  20.000  25.000  1.00  0.00           O",
    ],
)
def test_salts_do_not_count(tmp_path, salt):
    reference = read_reference(lay(tmp_path / "x.pdb", [*LIGAND, salt, "END"]))
    assert reference.pos.mean(axis=0) == pytest.approx(CENTROID, abs=2e-3)


def test_a_salt_alone_marks_a_pocket_and_water_alone_does_not(tmp_path):
    zinc = "HETATM  950 ZN    ZN A 400      30.000  20.000  25.000  1.00  0.00          ZN"
    reference = read_reference(lay(tmp_path / "x.pdb", [zinc, "END"]))
    assert reference.pos.tolist() == [[30, 20, 25]] and any("ZN" in warning for warning in reference.warnings)
    with pytest.raises(InputError, match="holds no ligand"):
        read_reference(lay(tmp_path / "x.pdb", [zinc.replace("ZN    ZN A", " O   HOH A"), "END"]))


def test_of_several_molecules_the_largest_marks_the_pocket_and_all_are_named(tmp_path):
    lines = [*moved(LIGAND[:7], 302, 30.0, "ABC"), *LIGAND, "END"]
    reference = read_reference(lay(tmp_path / "x.pdb", lines))
    assert reference.pos.mean(axis=0) == pytest.approx(CENTROID, abs=2e-3)
    (warning,) = reference.warnings
    assert "ABC302" in warning and "A:INH301 marks the pocket" in warning


@pytest.mark.parametrize("num_atoms", [20, 90])
def test_the_wall_of_a_pocket_beside_its_ligand_does_not_mark_it(tmp_path, num_atoms):
    """As a viewer saves a ligand with the residues around it: pieces of the chain are larger than the ligand."""
    wall = (CASE / "protein.pdb").read_text().splitlines()[:num_atoms]
    reference = read_reference(lay(tmp_path / "pocket.pdb", [*wall, *LIGAND]))
    assert reference.pos.mean(axis=0) == pytest.approx(CENTROID, abs=2e-3)
    assert "A:INH301 marks the pocket" in reference.warnings[0]
    assert len(read_reference(lay(tmp_path / "peptide.pdb", wall[:20])).pos) > 10


def test_copies_in_other_chains_do_not_draw_the_centre_between_them(tmp_path):
    reference = read_reference(lay(tmp_path / "x.pdb", [*LIGAND, *moved(LIGAND, 302, 40.0), "END"]))
    assert reference.pos.mean(axis=0) == pytest.approx(CENTROID, abs=2e-3) and reference.warnings


def test_bonded_residues_are_one_molecule(tmp_path):
    reference = read_reference(lay(tmp_path / "x.pdb", [*LIGAND[:5], *moved(LIGAND[5:], 302, 0.0, "ABC"), "END"]))
    assert len(reference.pos) == len(LIGAND) and reference.warnings == ()


def test_alternative_locations_and_models_count_once(tmp_path):
    twice = [f"{line[:16]}{where}{line[17:]}" for line in LIGAND for where in "AB"]
    reference = read_reference(lay(tmp_path / "x.pdb", ["MODEL        1", *twice, "ENDMDL", "MODEL        2",
                                                        *moved(LIGAND, 301, 20.0), "ENDMDL", "END"]))  # fmt: skip
    assert len(reference.pos) == len(LIGAND) and reference.pos.mean(axis=0) == pytest.approx(CENTROID, abs=2e-3)
    assert any("2 models" in warning for warning in reference.warnings)


def test_a_pdbqt_with_hydrogens_poses_and_flexible_residues(tmp_path):
    lines = (CASE / "reference.pdbqt").read_text().splitlines()
    hydrogen = "ATOM     99  H1  INH A 301      50.000  50.000  50.000  1.00  0.00     0.100 HD"
    side_chain = ["BEGIN_RES ARG A 12", hydrogen.replace("HD", "C "), "END_RES ARG A 12"]
    model = ["MODEL 1", *lines, hydrogen, *side_chain, "ENDMDL"]
    reference = read_reference(lay(tmp_path / "x.pdbqt", [*model, *model]))
    assert reference.pos.mean(axis=0) == pytest.approx(CENTROID, abs=2e-3)
    assert any("2 models" in warning for warning in reference.warnings)


def test_several_records_of_an_sdf_are_said(tmp_path):
    record = (SMALL / "ligand.sdf").read_text()
    (tmp_path / "x.sdf").write_text(record + record)
    assert any("several records" in warning for warning in read_reference(tmp_path / "x.sdf").warnings)
    assert read_reference(SMALL / "ligand.sdf").warnings == ()


def test_the_format_of_a_reference_is_told_by_its_content(tmp_path):
    assert len(read_reference(lay(tmp_path / "reference.txt", [*LIGAND, "END"])).pos) == len(LIGAND)


def test_warnings_of_a_reference_reach_the_pocket(tmp_path, receptor):
    path = lay(tmp_path / "x.pdb", [*LIGAND, *moved(LIGAND, 302, 40.0), "END"])
    assert resolve_pocket(PocketSpec(ligand=path), receptor).warnings


@pytest.mark.parametrize("text", ["A:12-18", "A:12-A:18", "A:12–18", "12-18"])  # noqa: RUF001
def test_ranges_of_residues(receptor, text):
    inside = tuple(f"A:{residue.number}" for residue in receptor.residues if 12 <= residue.number <= 18)
    each = resolve_pocket(PocketSpec(residues=inside), receptor)
    assert len(inside) > 1
    assert resolve_pocket(PocketSpec(residues=(text,)), receptor).center == pytest.approx(each.center)


@pytest.mark.parametrize("text", ["A:20-18", "A:900-950", "B:18-20", "A:18-20-22", "A:-"])
def test_ranges_that_mean_nothing_are_refused(receptor, text):
    with pytest.raises(InputError, match="residue"):
        resolve_pocket(PocketSpec(residues=(text,)), receptor)


def table(tmp_path, column, value="1 2 3"):
    path = tmp_path / "jobs.csv"
    path.write_text(f'name,protein,ligand,{column}\na,p.pdb,CCO,"{value}"\n')
    return path


@pytest.mark.parametrize(
    "column", [" pocket_center", "Pocket_Center", "POCKET CENTER", "pocket-center ", '" pocket_center"']
)
@pytest.mark.parametrize("value", ["1 2 3", "1, 2, 3", "(1, 2, 3)", "[1;2;3]"])
def test_headers_in_other_spellings_are_taken(tmp_path, column, value):
    (job,) = read_jobs(table(tmp_path, column, value), None)
    assert job.pocket.center == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("ref_ligand", "pocket_ligand"),
        ("crystal_ligand", "pocket_ligand"),
        ("autobox_ligand", "pocket_ligand"),
        ("poket_ligand", "pocket_ligand"),
        ("binding_site", "pocket_ligand"),
        ("center", "pocket_center"),
        ("center_x", "put the three into one, such as '7 7 13', call it pocket_center"),
        ("x", "pocket_center"),
        ("cz", "pocket_center"),
        ("coordinates", "pocket_center"),
        ("size_x", "pocket_radius"),
        ("bindingsite", "pocket_ligand"),
        ("pocket_centre", "pocket_center"),
        ("box center", "pocket_center"),
        ("residues", "pocket_residues"),
        ("radius", "pocket_radius"),
        ("template", "template_smiles"),
        ("template_smile", "template_smiles"),
    ],
)
def test_headers_that_may_mean_a_pocket_are_refused_not_docked_blindly(tmp_path, column, meant):
    with pytest.raises(InputError, match=meant):
        read_jobs(table(tmp_path, column), None)


@pytest.mark.parametrize(
    "column", ["ic50", "comment", "ligand_id", "protein_family", "note_site", "smiles_source", "note_x", "max"]
)
def test_remarks_of_the_user_are_passed_over(tmp_path, column):
    (job,) = read_jobs(table(tmp_path, column), None)
    assert job.pocket is None and job.ligand is not None


def test_a_column_without_a_name_is_refused_unless_it_is_an_index(tmp_path):
    with pytest.raises(InputError, match="no name"):
        read_jobs(table(tmp_path, "", "1 2 3"), None)
    assert read_jobs(table(tmp_path, "", "7"), None)[0].problem is None
