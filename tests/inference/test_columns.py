"""One table says which columns there are: files, tags, reports and docs follow it, and their layout stays."""

import csv
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem

import discodock
from discodock.inference import columns
from discodock.inference.columns import COLUMNS, ScoreColumn, score_names, scores_page, sd_tags, summary_names
from discodock.inference.many.result_folder import summary_columns
from discodock.inference.outputs import write_result
from discodock.report.write import write_report
from tests.report.pages import Page
from tests.tiny import SMALL, write_tiny_checkpoint

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"

CONFIDENCES = ["confidence", "p_rmsd_lt_2", "expected_rmsd"]
"""Between Vina's rescore and the code in `scores.csv`, after the rank score elsewhere."""

FORMER = "relax_shift"
"""What `relax_rmsd` was called; files have it once more at the end."""

TOY = ScoreColumn(
    "num_heavy", "Heavy atoms", "Heavy atoms of the pose.", lambda pose, run: len(pose.pos) + pose.rank / 3,
    unit="atoms", decimals=2, direction="higher", summary=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    weights = write_tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors")
    settings = {"samples": 3, "seed": 0, "steps": 2, "conformers": 2, "validity": False, "checkpoint": weights}
    return discodock.dock(str(SMALL / "protein.pdb"), "CC(=O)O", pocket_ligand=str(SMALL / "ligand.sdf"), **settings)


def read(path):
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_the_docs_are_those_of_the_table():
    assert (DOCS / "scores.md").read_text(encoding="utf-8") == scores_page(), "make docs"


def test_every_column_says_what_it_is_once():
    assert len({column.name for column in COLUMNS}) == len({column.title for column in COLUMNS}) == len(COLUMNS)
    for column in COLUMNS:
        assert column.meaning.endswith(".") and "|" not in column.meaning + column.title, column.name
        assert (column.unit == "" or column.decimals is not None) and column.description.endswith("."), column.name


def test_columns_that_programs_read_stay_where_they_are():
    others = ["agreement", "vina_score", "strain", "relax_rmsd", "side_chain_shift", "vina_rescore"]
    rest = [
        "latent_code", "mode", "pocket_ok", "stereo_ok", "pb_valid", "pb_failed", "pb_failed_checks",
        "min_dist_protein",
    ]  # fmt: skip
    start = ["rank", "sample", "rank_score"]
    assert score_names() == ["id", *start, *others, *CONFIDENCES, *rest, "seed", "seconds", "status", "message", FORMER]
    tags = sd_tags(dict.fromkeys(score_names(), 1))
    scores = (*start, *CONFIDENCES, *others[:3], FORMER, *others[4:])
    assert list(tags) == [f"discodock_{name}" for name in (*scores, *rest, "seed")]
    assert summary_columns() == [
        "name", "status", "message", "num_poses", "rank_score", "p_rmsd_lt_2", "expected_rmsd", "vina_score",
        "latent_code", "pocket_ok", "stereo_ok", "pb_valid", "min_dist_protein", "seed", "seconds", "protein", "ligand",
        "pocket",
    ]  # fmt: skip


def test_cells_are_rounded_and_what_is_not_known_is_empty(result):
    rows = result.to_dicts()
    for row, pose in zip(rows, result.poses, strict=True):
        assert (row["rank"], row["seed"], row["status"], row["message"]) == (pose.rank, 0, "ok", "")
        assert row["vina_score"] == round(pose.vina_score, 3) and row["agreement"] == round(pose.consensus, 4)
        assert {row[name] for name in (*CONFIDENCES, "vina_rescore", "side_chain_shift", "pb_valid")} == {""}
    assert not {f"discodock_{name}" for name in CONFIDENCES} & set(sd_tags(rows[0]))


def test_a_column_is_added_in_one_place(result, tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "COLUMNS", (*COLUMNS[:5], TOY, *COLUMNS[5:]))
    write_result(result, tmp_path / "out", {"command": ["discodock"]})
    expected = [f"{len(pose.pos) + pose.rank / 3:.2f}" for pose in result.poses]
    rows = read(tmp_path / "out" / "scores.csv")
    assert list(rows[0])[5] == "num_heavy"
    np.testing.assert_array_equal([float(row["num_heavy"]) for row in rows], [float(text) for text in expected])
    mols = Chem.SDMolSupplier(str(tmp_path / "out" / "poses.sdf"))
    assert [float(mol.GetProp("discodock_num_heavy")) for mol in mols] == [float(text) for text in expected]
    assert "num_heavy" in summary_names() and "num_heavy" in summary_columns()
    assert (
        "| `num_heavy` | Heavy atoms |" in scores_page()
        and "| atoms | higher | SD tag, `summary.csv`, report |" in scores_page()
    )
    page = Page(write_report(tmp_path / "out").read_text(encoding="utf-8"))
    titles, body = page.table("Rank")
    assert [cells[titles.index("Heavy atoms")] for cells in body] == expected
    assert "Heavy atoms of the pose. In atoms; higher is better." in page.text


def test_columns_for_the_selected_pose_or_for_no_report_are_not_in_its_table(result, tmp_path):
    write_result(result, tmp_path / "out", {"command": ["discodock"]})
    page = Page(write_report(tmp_path / "out").read_text(encoding="utf-8"))
    titles, _ = page.table("Rank")
    assert "Sample" not in titles and "Seed" not in titles
    details = {title for title, *_ in page.data["poses"][0]["details"]}
    assert "Sample" in details and "Seed" not in details
