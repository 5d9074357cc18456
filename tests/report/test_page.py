"""`report.html` as a text: everything that docking found is in it, nothing else runs in it, and it needs no network."""

import base64
import hashlib
import re

import numpy as np
import pytest
from rdkit import Chem

from discodock.errors import InputError
from discodock.inference.columns import find_column
from discodock.inference.outputs import write_result
from discodock.report import folder as folder_module
from discodock.report import page as page_module
from discodock.report.columns import describe_columns
from discodock.report.folder import SOURCE_FILES
from discodock.report.rendering import VIEWER_FILE, VIEWER_SHA256, VIEWER_VERSION, asset
from discodock.report.write import write_report
from tests.report.pages import Page, edit_run, read_rows, write_rows

EVIL = "</script><script>alert(1)</script><img src=http://evil.example/x onerror='alert(2)'>\"&"


def page_of(folder):
    return Page(write_report(folder).read_text(encoding="utf-8"))


def policy(page):
    (content,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    return dict(part.strip().split(" ", 1) for part in content.split(";"))


def test_the_table_has_every_pose_with_its_scores_and_checks(folder):
    page, rows = page_of(folder), read_rows(folder / "scores.csv")
    titles, body = page.table("Rank")
    assert len(body) == len(rows) == 8
    for name in ("rank", "mode", "latent_code"):
        column = titles.index(find_column(name).title)
        assert [cells[column] for cells in body] == [row[name] for row in rows]
    for name in ("rank_score", "agreement", "vina_score", "strain", "min_dist_protein"):
        column = titles.index(find_column(name).title)
        assert [float(cells[column]) for cells in body] == [float(row[name]) for row in rows]
    for name in ("pocket_ok", "stereo_ok"):
        column = titles.index(find_column(name).title)
        assert [cells[column] for cells in body] == [{"true": "✓yes", "false": "✗no"}[row[name]] for row in rows]
    assert not {"seed", "confidence", "id"} & set(titles), "the same for all poses, or empty"


def test_the_viewer_gets_poses_and_protein_as_docked(folder, result):
    data = page_of(folder).data
    for pose, shown in zip(result.poses, data["poses"], strict=True):
        mol = Chem.MolFromMolBlock(shown["block"], removeHs=False)
        assert mol.GetConformer().GetPositions() == pytest.approx(pose.mol.GetConformer().GetPositions(), abs=1e-3)
        assert shown["mode"] == pose.mode.name
    atoms = [line for line in data["receptor"].splitlines() if line.startswith(("ATOM", "HETATM"))]
    alpha = {(line[21], line[22:27].strip()) for line in atoms if line[12:16] == " CA "}
    assert alpha == {(r.chain, f"{r.number}{r.icode}") for r in result.receptor.residues if r.kind == "amino_acid"}
    assert " LIG " not in data["receptor"]


def test_the_viewer_gets_the_side_chains_of_each_pose(moved_folder, moved_result, folder):
    assert all(pose["sideChains"] is None for pose in page_of(folder).data["poses"])
    for pose, shown in zip(moved_result.poses, page_of(moved_folder).data["poses"], strict=True):
        (atom,) = pose.side_chains.atoms
        lines = [
            x for x in shown["sideChains"].splitlines() if x[12:16].strip() == moved_result.receptor.atom_name[atom]
        ]
        (at,) = [[float(x[start : start + 8]) for start in (30, 38, 46)] for x in lines]
        assert at == pytest.approx(pose.side_chains.pos[0], abs=1e-3)
    text = (moved_folder / "side_chains.pdb").read_text()
    (moved_folder / "side_chains.pdb").write_text(text.split("MODEL        8")[0] + "END\n")
    with pytest.raises(InputError, match="8 poses but 7 models in side_chains.pdb"):
        write_report(moved_folder)


def test_residues_near_a_pose_are_those_within_the_distance_and_complete(folder, result):
    data, receptor = page_of(folder).data, result.receptor
    lines = data["receptor"].splitlines()
    for pose, shown in zip(result.poses, data["poses"], strict=True):
        gaps = np.linalg.norm(receptor.pos[:, None] - pose.pos[None], axis=2).min(axis=1)
        expected = {receptor.residue_labels[i] for i in receptor.residue_idx[gaps <= 4.5]}
        borderline = {receptor.residue_labels[i] for i in receptor.residue_idx[np.abs(gaps - 4.5) < 2e-3]}
        near = {data["residues"][index][3] for index in shown["near"]}
        assert near ^ expected <= borderline and near
    for chain, number, _, label in data["residues"]:
        index = receptor.residue_labels.index(label)
        drawn = [line for line in lines if line[21:26] == f"{chain}{number:4d}"]
        assert len(drawn) == (receptor.residue_idx == index).sum(), label


def test_nothing_is_loaded_and_only_the_own_scripts_may_run(folder):
    path = write_report(folder)
    page = Page(path.read_text(encoding="utf-8"))
    for tag, attributes in page.tags:
        assert not {"src", "href", "action", "srcset", "data"} & set(attributes), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        outside = [v for name, v in attributes.items() if v and "//" in v and not name.startswith("xmlns")]
        assert not outside, (tag, outside)
    (style,) = re.findall(r"<style>(.*?)</style>", path.read_text(encoding="utf-8"), re.DOTALL)
    assert "url(" not in style and "@import" not in style
    rules = policy(page)
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data: blob:"
    scripts = [text for attributes, text in page.scripts if not attributes]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in hashes]
    assert path.stat().st_size < 2_000_000


def test_what_the_input_says_stays_text(folder, result, record):
    changed = record | {"command": ["discodock", EVIL], "versions": {EVIL: EVIL}, "device": EVIL}
    write_result(result, folder, changed)
    edit_run(folder, name=EVIL, warnings=[EVIL], receptor_changes=[EVIL], modes=[EVIL, {"name": "A", "place": EVIL}])
    rows = read_rows(folder / "scores.csv")
    write_rows(
        folder / "scores.csv", [row | {"message": EVIL, "latent_code": EVIL + row["rank"], EVIL: EVIL} for row in rows]
    )
    poses = (folder / "poses.sdf").read_text().split("$$$$\n")
    (folder / "poses.sdf").write_text("$$$$\n".join(EVIL[:60] + p[p.index("\n") :] for p in poses[:-1]) + "$$$$\n")
    page = page_of(folder)
    assert len(page.scripts) == 4 and not [tag for tag, _ in page.tags if tag == "img"]
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count(EVIL) >= 8
    assert page.data["poses"][0]["block"].startswith(EVIL[:60])
    assert ["Message", EVIL, "text", find_column("message").description] in page.data["poses"][0]["details"]


def test_a_column_that_nobody_knows_is_shown_by_its_kind(folder):
    rows = read_rows(folder / "scores.csv")
    values = ["true", "false", "", "true", "true", "true", "true", "true"]
    write_rows(
        folder / "scores.csv",
        [
            row | {"shiny_ok": v, "new_energy": f"-{i}.5", "empty": ""}
            for i, (row, v) in enumerate(zip(rows, values, strict=True))
        ],
    )
    titles, body = page_of(folder).table("Rank")
    assert [cells[titles.index("shiny ok")] for cells in body[:3]] == ["✓yes", "✗no", "–not checked"]
    assert [cells[titles.index("new energy")] for cells in body[:2]] == ["-0.5", "-1.5"]
    assert "empty" not in titles


def test_numbers_of_a_column_have_the_same_decimals_and_nothing_else_changes():
    values = ["-1.5", "2", "3.25", "1e-7", ""]
    (column,) = describe_columns([{"x": value} for value in values])
    assert [column.shown(value) for value in values] == ["-1.50", "2.00", "3.25", "1e-7", ""]
    (scientific,) = describe_columns([{"x": "1e-7"}, {"x": "inf"}])
    assert scientific.kind == "number" and scientific.shown("1e-7") == "1e-7"


def test_warnings_come_first_and_name_what_the_best_pose_fails(folder):
    edit_run(folder, warnings=["the ligand is unusual"])
    rows = read_rows(folder / "scores.csv")
    rows[0] |= {"pocket_ok": "false"}
    for row in rows:
        row["message"] = f"bond {row['rank']} broke"
    write_rows(folder / "scores.csv", rows)
    page = page_of(folder)
    start, end = page.text.index("Please note"), page.text.index("Selected")
    shown = page.text[start:end]
    assert "the ligand is unusual" in shown and "the best pose fails: In pocket" in shown
    assert "pose 5: bond 5 broke" in shown and "bond 6 broke" not in shown and "3 more poses have messages" in shown


def test_without_anything_to_warn_of_there_is_no_warning(folder):
    edit_run(folder, warnings=[])
    rows = read_rows(folder / "scores.csv")
    write_rows(folder / "scores.csv", [{n: "true" if v == "false" else v for n, v in row.items()} for row in rows])
    assert "Please note" not in page_of(folder).text


def test_modes_sites_and_command_are_there(folder, result):
    page = page_of(folder)
    for mode in result.modes:
        assert mode.describe()[1:] in page.text
    _, sites = page.table("Site")
    assert [row[0] for row in sites] == [site.residue for site in result.sites]
    assert [row[1] for row in sites] == [f"{100 * round(site.prob, 4):.1f} %" for site in result.sites]
    assert len(page.data["sites"]) == len(result.sites)
    assert "discodock predict --protein 'my protein.pdb' --ligand 'CC(=O)O'" in page.text
    assert "the log-odds of P(RMSD" in page.text and "No number here is a binding affinity" in page.text


def test_a_given_pocket_is_named_and_a_result_without_a_command_too(folder, result, tmp_path):
    write_result(result, tmp_path / "bare")
    assert "no command was recorded" in page_of(tmp_path / "bare").text
    pocket = {"source": "ligand ref.sdf", "center": [1.0, 2.0, 3.0], "radius": 10.0, "code": "", "prob": 1.0}
    edit_run(folder, sites=[pocket | {"num_poses": 8}])
    page = page_of(folder)
    assert "ligand ref.sdf" in page.text and "docked into a given pocket" in page.text and not page.data["sites"]


def test_many_poses_are_cut_and_the_page_says_so(folder, monkeypatch):
    rows = read_rows(folder / "scores.csv")
    write_rows(folder / "scores.csv", [row | {"rank": 8 * i + int(row["rank"])} for i in range(6) for row in rows])
    (folder / "poses.sdf").write_text((folder / "poses.sdf").read_text() * 6)
    monkeypatch.setattr(page_module, "MAX_ROWS", 45)
    page = page_of(folder)
    assert "best 40 of 48 poses; all are in poses.sdf" in page.text and "best 45 of 48 poses" in page.text
    assert [bool(pose["block"]) for pose in page.data["poses"]] == [True] * 40 + [False] * 5
    assert len(page.table("Rank")[1]) == 45


def test_a_protein_that_is_too_large_is_cut_and_the_page_says_so(folder, monkeypatch):
    whole = page_of(folder).data["receptor"]
    cut = folder_module.view_receptor
    monkeypatch.setattr(folder_module, "view_receptor", lambda path, poses: cut(path, poses, len(whole) // 2))
    page = page_of(folder)
    assert len(page.data["receptor"]) <= len(whole) // 2 + 10
    assert re.search(r"The protein is large: \d+ residues far from all poses are not shown", page.text)


@pytest.mark.parametrize("name", SOURCE_FILES)
def test_a_missing_or_damaged_file_is_named(folder, name):
    text = (folder / name).read_text()
    (folder / name).write_text("damaged\n")
    with pytest.raises(InputError, match=name if name != "scores.csv" else "scores"):
        write_report(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"has no {name}"):
        write_report(folder)
    (folder / name).write_text(text)
    write_report(folder)


def test_files_that_do_not_belong_together_are_refused(folder):
    write_rows(folder / "scores.csv", read_rows(folder / "scores.csv")[:-1])
    with pytest.raises(InputError, match="8 poses in poses.sdf but 7 rows"):
        write_report(folder)


def test_the_viewer_is_the_published_one_with_its_licence(folder):
    assert hashlib.sha256(asset(VIEWER_FILE).encode()).hexdigest() == VIEWER_SHA256
    assert f"3dmol v{VIEWER_VERSION}" in asset(f"{VIEWER_FILE}.LICENSE.txt")
    shown = page_of(folder).text
    assert "University of Pittsburgh" in shown and "Redistributions in binary form" in shown
