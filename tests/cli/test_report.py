"""`predict --report` and `discodock report`: pages for what is docked now, and for what was docked before."""

from tests.tiny import SMALL

PROTEIN, LIGAND = SMALL / "protein.pdb", SMALL / "ligand.sdf"
PAGES = {"report.html", "view.pml"}


def docked(cli, checkpoint, out, name, *more):
    files = ("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", name)
    fast = ("-n", "3", "--steps", "1", "--device", "cpu", "--checkpoint", checkpoint, "-o", out)
    return cli("predict", *files, *fast, *more)


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_predict_writes_reports_when_asked_also_for_kept_results(cli, checkpoint, tmp_path):
    assert docked(cli, checkpoint, tmp_path, "a")[0] == 0 and not names(tmp_path / "a") & PAGES
    code, printed, _ = docked(cli, checkpoint, tmp_path, "a", "--report")
    assert code == 0 and "kept from an earlier run" in printed and "1 of 1 reports" in printed
    assert names(tmp_path / "a") >= PAGES and "index.html" not in names(tmp_path)
    before = (tmp_path / "a" / "report.html").stat().st_mtime_ns
    docked(cli, checkpoint, tmp_path, "a", "--report")
    assert (tmp_path / "a" / "report.html").stat().st_mtime_ns == before
    docked(cli, checkpoint, tmp_path, "a", "--report", "--seed", "3")
    page = (tmp_path / "a" / "report.html").read_text()
    assert "<dt>Seed</dt><dd>3</dd>" in page
    code, printed, _ = docked(cli, checkpoint, tmp_path, "b", "--report")
    assert code == 0 and "index.html" in printed and 'href="a/report.html"' in (tmp_path / "index.html").read_text()


def test_a_report_that_cannot_be_made_fails_alone(cli, checkpoint, tmp_path):
    for name in ("a", "b"):
        docked(cli, checkpoint, tmp_path, name)
    (tmp_path / "a" / "poses.sdf").write_text("damaged\n")
    code, printed, error = cli("report", tmp_path)
    assert code == 1 and "1 of 2 reports are there, 1 could not be made" in printed
    assert "no report" in error and "poses.sdf: record 1 cannot be read" in error
    assert not names(tmp_path / "a") & PAGES and names(tmp_path / "b") >= PAGES
    (tmp_path / "b" / "report.html").write_text("old")
    code, printed, _ = cli("report", tmp_path / "b")
    assert code == 0 and "old" != (tmp_path / "b" / "report.html").read_text()


def test_a_folder_without_results_is_refused(cli, tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        code, _, error = cli("report", folder)
        assert code == 2 and error.startswith("error: ") and "has no result" in error
