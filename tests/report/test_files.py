"""What stands beside the page: the PyMOL script, the index of many results, and when a report counts as up to date."""

import os
import re

from discodock.inference.many.result_folder import summary_columns
from discodock.inference.outputs import write_table
from discodock.report.write import has_report, result_folders, write_index, write_report
from tests.report.pages import Page


def test_the_pymol_script_loads_what_is_there_and_drops_the_ligand_of_the_complex(folder):
    write_report(folder)
    script = (folder / "view.pml").read_text()
    loaded = re.findall(r"^load (\S+), ", script, re.MULTILINE)
    assert set(loaded) == {"complex_rank1.pdb", "best.sdf", "poses.sdf"}
    assert all((folder / name).is_file() for name in loaded)
    ligand = [line for line in (folder / "complex_rank1.pdb").read_text().splitlines() if line[17:20] == "LIG"]
    assert f"remove receptor and chain {ligand[0][21]} and resn LIG" in script


def test_the_pymol_script_loads_the_side_chains_that_moved(moved_folder):
    write_report(moved_folder)
    loaded = re.findall(r"^load (\S+), side_chains", (moved_folder / "view.pml").read_text(), re.MULTILINE)
    assert loaded == ["side_chains.pdb"]
    assert (moved_folder / "side_chains.pdb").is_file()


def test_a_report_is_out_of_date_when_a_result_is_newer_or_a_part_is_missing(folder):
    assert not has_report(folder)
    path = write_report(folder)
    assert has_report(folder)
    later = path.stat().st_mtime + 5
    os.utime(folder / "scores.csv", (later, later))
    assert not has_report(folder)
    write_report(folder)
    os.utime(path, (later, later))
    assert has_report(folder)
    (folder / "view.pml").unlink()
    assert not has_report(folder)


def test_the_index_links_the_reports_and_says_what_failed(folder):
    out = folder.parent
    rows = [
        {"name": "aspirin", "status": "ok", "num_poses": 8, "rank_score": 1.5, "pocket_ok": True},
        {"name": "<b>x</b>", "status": "failed", "message": "no such file: <i>.sdf", "num_poses": 0},
    ]
    write_table(out / "summary.csv", summary_columns(), rows[:1])
    assert write_index(out) is None
    write_table(out / "summary.csv", summary_columns(), rows)
    write_report(folder)
    page = Page(write_index(out).read_text())
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == ["aspirin/report.html"]
    assert (out / "aspirin" / "report.html").is_file()
    titles, body = page.table("Ligand")
    assert [row[0] for row in body] == ["aspirin", "<b>x</b>"] and body[1][-1] == "no such file: <i>.sdf"
    assert body[0][titles.index("In pocket")] == "✓yes" and "1 of 2 ligands docked" in page.text
    assert not {"b", "i"} & {tag for tag, _ in page.tags if tag == "b"} and len(page.scripts) == 1


def test_results_are_found_in_a_folder_or_are_the_folder(folder):
    (folder.parent / "empty").mkdir()
    (folder.parent / ".draft").symlink_to(folder)
    assert result_folders(folder) == [folder] and result_folders(folder.parent) == [folder]
    assert result_folders(folder.parent / "empty") == [] == result_folders(folder / "missing")
