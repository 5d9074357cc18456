"""Jobs from a table: where paths start, SMILES that look like paths, names as folders."""

import pytest
from rdkit import Chem

from discodock.errors import InputError
from discodock.inference.many.jobs import folder_name, jobs_of_ligand, jobs_of_ligands, read_jobs, with_distinct_names
from discodock.inference.pocket import PocketSpec
from tests.tiny import SMALL

POCKET = PocketSpec(center=(0.0, 0.0, 0.0))
LONG_SMILES = "[CH3]" + "[CH2]" * 60  # longer than any file name may be


def write_table(folder, *rows, header="name,protein,ligand"):
    table = folder / "jobs.csv"
    table.write_text("\n".join([header, *rows]) + "\n")
    return table


def test_paths_start_at_the_table_and_else_at_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "here.sdf").write_text((SMALL / "ligand.sdf").read_text())
    table = write_table(tmp_path, "a,protein.pdb,here.sdf")
    (job,) = read_jobs(table, POCKET)
    assert job.problem is None and job.ligand.source == str(tmp_path / "here.sdf")
    assert str(job.protein) == "protein.pdb"


@pytest.mark.parametrize("smiles", ["F/C=C/F", "C/C=C/C.Cl", r"F/C=C\F", LONG_SMILES])
def test_smiles_are_left_as_they_are(tmp_path, smiles):
    (job,) = read_jobs(write_table(tmp_path, f"a,p.pdb,{smiles}"), POCKET)
    assert job.problem is None, job.problem
    assert job.ligand.source.startswith(f"SMILES '{smiles[:40]}".encode("unicode_escape").decode())


def test_pockets_of_rows_win_over_the_common_one(tmp_path):
    header = "name,protein,ligand,pocket_center,pocket_residues,pocket_radius"
    rows = (
        "a,p.pdb,CCO,,,",
        "b,p.pdb,CCO,1 2;-3.5,,",
        "c,p.pdb,CCO,,A:12 B:7,6",
        "d,p.pdb,CCO,1 2,,",
        "e,p.pdb,CCO,,,5",
    )
    jobs = read_jobs(write_table(tmp_path, *rows, header=header), POCKET)
    assert jobs[0].pocket == POCKET
    assert jobs[1].pocket.center == (1.0, 2.0, -3.5)
    assert jobs[2].pocket.residues == ("A:12", "B:7") and jobs[2].pocket.radius == 6.0
    assert "not 3 numbers" in jobs[3].problem
    assert jobs[4].pocket == PocketSpec(center=(0.0, 0.0, 0.0), radius=5.0)


def test_a_row_without_any_pocket_is_docked_blindly_and_a_radius_alone_is_refused(tmp_path):
    (job,) = read_jobs(write_table(tmp_path, "a,p.pdb,CCO"), None)
    assert job.problem is None and job.pocket is None
    (job,) = read_jobs(write_table(tmp_path, "a,p.pdb,CCO,5", header="name,protein,ligand,pocket_radius"), None)
    assert "--pocket-center" in job.problem


def test_what_the_command_line_gives_holds_for_rows_without_their_own(tmp_path):
    (tmp_path / "ligand.pdb").write_text(Chem.MolToPDBBlock(Chem.MolFromMolFile(str(SMALL / "ligand.sdf"))))
    smiles = Chem.MolToSmiles(Chem.MolFromMolFile(str(SMALL / "ligand.sdf")))
    header = "name,protein,ligand,pocket_center,pocket_radius,template_smiles"
    rows = ("a,p.pdb,ligand.pdb,1 2 3,,", "b,p.pdb,ligand.pdb,1 2 3,6,CC", "c,p.pdb,CCO,,,")
    jobs = read_jobs(write_table(tmp_path, *rows, header=header), None, default_radius=4.0, template_smiles=smiles)
    assert jobs[0].problem is None and jobs[0].pocket == PocketSpec(center=(1.0, 2.0, 3.0), radius=4.0)
    assert jobs[1].problem is not None, "its own template does not fit"
    assert "radius but no place" in jobs[2].problem


@pytest.mark.parametrize(
    ("name", "folder"),
    [("plain-1.2", "plain-1.2"), ("../../etc", "etc"), ("a b/c", "a_b_c"), ("  ", "ligand"), ("x" * 500, "x" * 200),
     ("α-pinene", "α-pinene"), (".hidden", "hidden"), ("配" * 120, "配" * 66), ("Summary.csv", "Summary.csv_ligand")],
)  # fmt: skip
def test_names_become_folders_inside_the_output(name, folder):
    assert folder_name(name) == folder


def test_ligands_of_one_name_are_numbered_and_say_so(tmp_path):
    given = [("A b", "CCO"), ("a_b", "CC"), ("a_b_2", "CCC"), ("a_b", "CCCC")]
    jobs = [job for name, smiles in given for job in jobs_of_ligand(SMALL, smiles, POCKET, name=name)]
    distinct = with_distinct_names(jobs)
    assert [job.name for job in distinct] == ["A_b", "a_b_3", "a_b_2", "a_b_4"]
    assert [job.note is None for job in distinct] == [True, False, True, False]
    assert "a_b as well" in distinct[1].note


def test_nothing_to_dock_is_refused():
    with pytest.raises(InputError, match="nothing to dock"):
        with_distinct_names([])


def test_several_files_folders_and_smiles_in_their_order(tmp_path):
    folder = tmp_path / "ligands"
    folder.mkdir()
    for name in ("b.sdf", "a.sdf", ".hidden.sdf"):
        (folder / name).write_text((SMALL / "ligand.sdf").read_text())
    (folder / "c.smi").write_text("CCO one\nCCN two\n")
    (folder / "summary.csv").write_text("name,status\n")
    (folder / "protein.pdb").write_text((SMALL / "protein.pdb").read_text())
    jobs = jobs_of_ligands(SMALL, ["CCCO propanol", str(folder)], POCKET)
    assert [job.problem for job in jobs] == [None] * 5
    assert [job.name for job in jobs][:1] + [job.name for job in jobs][3:] == ["propanol", "one", "two"]
    assert [job.ligand.source for job in jobs[1:3]] == [str(folder / "a.sdf"), str(folder / "b.sdf")]
    named = jobs_of_ligands(SMALL, ["CCCO propanol", "CCO ethanol"], POCKET, name="x")
    assert [job.name for job in named] == ["x_propanol", "x_ethanol"]


def test_of_several_files_a_bad_one_is_one_failed_job_and_the_only_one_is_an_error(tmp_path):
    jobs = jobs_of_ligands(SMALL, [str(tmp_path / "missing.sdf"), "CCO ethanol"], POCKET)
    assert jobs[0].name == "missing" and "no such" in jobs[0].problem and jobs[1].problem is None
    with pytest.raises(InputError, match="no such"):
        jobs_of_ligands(SMALL, [str(tmp_path / "missing.sdf")], POCKET)
    with pytest.raises(InputError, match="folder without ligand files"):
        jobs_of_ligands(SMALL, [str(tmp_path)], POCKET)


@pytest.mark.parametrize("ligands", [[""], [" "], ["CCO ethanol", ""]])
def test_an_empty_ligand_is_not_the_working_folder(ligands, tmp_path, monkeypatch):
    (tmp_path / "own.smi").write_text("CCO\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="empty"):
        jobs_of_ligands(SMALL, ligands, POCKET)
