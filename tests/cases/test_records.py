"""One bad record, name or result never stops the rest: it is a failed row with the reason; tracebacks go to a file."""

import csv
import errno
import io
import json
import os
import shutil
import sys
import tarfile

import pytest

from discodock.chem.ligand import iter_ligands
from discodock.chem.records import smiles_file
from discodock.cli.runtime import show_what_can_be_shown
from discodock.errors import InputError
from discodock.failures import LOG_FILE, LOG_HEAD
from discodock.inference.dock import DockingPipeline
from discodock.inference.many import run_jobs
from discodock.inference.many.jobs import folder_name, jobs_of_ligand, with_distinct_names
from discodock.text import one_line, plain_cell, printable, table_cell
from tests.tiny import SMALL

CASES = SMALL.parents[2] / "cases"
PROTEIN = CASES / "duplicate-names" / "protein.pdb"
FEW = "--samples 1 --exhaustiveness 1 --steps 2 --no-validity --relax none --threads 1 --device cpu".split()

ION = """zinc
  test

  1  0  0  0  0  0  0  0  0  0999 V2000
    7.0000    7.0000   13.0000 Zn  0  2
M  CHG  1   1   2
M  END
"""


@pytest.fixture
def predict(cli, checkpoint, tmp_path):
    """Dock ligands into the cases' protein; exit code, what was printed, and the rows of the summary by name."""

    def call(ligand, *options, out="out"):
        given = ["--protein", PROTEIN, "--ligand", ligand, "--pocket-center", "7", "7", "13", "--out", tmp_path / out]
        code, printed, error = cli("predict", *given, "--checkpoint", checkpoint, *FEW, *options)
        summary = tmp_path / out / "summary.csv"
        rows = list(csv.DictReader(summary.open(encoding="utf-8"))) if summary.is_file() else []
        assert "Traceback" not in printed + error
        return code, printed + error, {row["name"]: row for row in rows}

    return call


@pytest.fixture
def smiles(tmp_path):
    path = tmp_path / "three.smi"
    path.write_text("CCO first\nCCN second\nCCC third\n")
    return path


def names(path):
    return [job.name for job in with_distinct_names(jobs_of_ligand(PROTEIN, str(path), None))]


def test_repeated_titles_are_numbered(predict):
    """duplicate-names: stereoisomers of one compound, Open Babel's '*****', titles that differ by a slash."""
    assert names(CASES / "duplicate-names" / "ligands.sdf") == ["aniline", "aniline_2", "other"]
    assert names(CASES / "duplicate-names" / "babel.mol2") == ["babel", "babel_2"]
    code, printed, rows = predict(CASES / "duplicate-names" / "slash.smi")
    assert code == 0 and list(rows) == ["a_b", "a_b_2"]
    assert "called a_b_2" in printed and "called a_b_2" in rows["a_b_2"]["message"]


def test_a_long_title_is_cut_to_what_a_file_system_takes(predict):
    """long-unicode-name: 120 letters of three bytes; the second ligand is docked as well."""
    code, _, rows = predict(CASES / "long-unicode-name" / "ligands.sdf")
    assert code == 0 and len(rows) == 2 and "good" in rows
    assert all(len(name.encode()) <= 200 for name in rows)


@pytest.mark.parametrize(
    "name", ["summary.csv", "INDEX.HTML", "docking.yaml", LOG_FILE, "..", "", "***", "a/../b", "-x"]
)
def test_no_name_is_that_of_another_file(name):
    folder = folder_name(name, "stem")
    assert folder and "/" not in folder and not folder.startswith(".")
    assert folder.lower() not in {"summary.csv", "index.html", "docking.yaml", LOG_FILE}


def test_names_that_a_file_system_takes_for_equal_are_told_apart(tmp_path):
    path = tmp_path / "two.smi"
    path.write_text("CCO caf\u00e9\nCCN cafe\u0301\nCCC CAF\u00c9\n", encoding="utf-8")
    assert names(path) == ["caf\u00e9", "caf\u00e9_2", "CAF\u00c9_3"]


@pytest.mark.parametrize("atom", ["Zn", "Na", "Cl", "O ", "Xe"])
def test_a_single_atom_does_not_stop_the_rest(predict, tmp_path, atom):
    first, second, *_ = (CASES / "duplicate-names" / "ligands.sdf").read_text().split("$$$$\n")
    (tmp_path / "ion.sdf").write_text("$$$$\n".join([first, ION.replace("Zn", atom), second, ""]))
    records = list(iter_ligands(tmp_path / "ion.sdf"))
    assert len(records) == 3 and not any(isinstance(record, InputError) for record in (records[0], records[2]))
    if atom == "Zn":
        code, _, rows = predict(tmp_path / "ion.sdf")
        assert rows["aniline"]["status"] == rows["aniline_2"]["status"] == "ok" and len(rows) == 3


@pytest.mark.parametrize("counts", ["  \u00e9 1", " 2\u00e91", "\ufffd  1"])
def test_a_message_of_rdkit_that_is_cut_within_a_character_is_none(tmp_path, counts):
    path = tmp_path / "odd.sdf"
    path.write_text(f"odd\n\n\n{counts}  0  0  0  0  0  0  0  0999 V2000\nM  END\n$$$$\n{ION}$$$$\n", encoding="utf-8")
    odd, zinc = iter_ligands(path)
    assert isinstance(odd, InputError) and "damaged SDF record" in str(odd) and zinc.name == "zinc"


def test_a_record_that_a_parser_stumbles_over_is_lost_alone(smiles, monkeypatch):
    parse = smiles_file.parse_smiles
    monkeypatch.setattr(smiles_file, "parse_smiles", lambda line: 1 / 0 if line.startswith("CCN") else parse(line))
    first, second, third = iter_ligands(smiles)
    assert (first.name, third.name) == ("first", "third") and "unexpected ZeroDivisionError" in str(second)


@pytest.mark.parametrize("error", [IndexError("out of range\nsecond line"), MemoryError(), RecursionError("deep")])
def test_an_unexpected_error_is_a_failed_row_and_a_traceback_in_a_file(predict, smiles, tmp_path, monkeypatch, error):
    dock = DockingPipeline.dock

    def stumbling(pipeline, *arguments, name, **options):
        if name == "second":
            raise error
        return dock(pipeline, *arguments, name=name, **options)

    monkeypatch.setattr(DockingPipeline, "dock", stumbling)
    code, printed, rows = predict(smiles)
    assert code == 1 and [row["status"] for row in rows.values()] == ["ok", "failed", "ok"]
    assert f"unexpected {type(error).__name__}" in rows["second"]["message"] and LOG_FILE in rows["second"]["message"]
    log = (tmp_path / "out" / LOG_FILE).read_text()
    assert log.startswith(LOG_HEAD) and "Traceback" in log and "stumbling" in log and " second\n" in log
    code, printed, _ = predict(smiles)
    assert code == 1 and "2 of them kept" in printed
    assert (tmp_path / "out" / LOG_FILE).read_text().count(LOG_HEAD) == 1


def test_an_unexpected_error_of_a_single_ligand_is_one_line(predict, tmp_path, monkeypatch):
    monkeypatch.setattr(DockingPipeline, "dock", lambda *_, **__: {}["missing"])
    code, printed, _ = predict("CCO one")
    assert code == 2 and printed.count("\n") == 1 and "unexpected KeyError" in printed
    assert "Traceback" in (tmp_path / "out" / LOG_FILE).read_text()


def test_an_unexpected_error_of_any_command_is_one_line_and_a_file(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("discodock.report.write.result_folders", lambda folder: [][1])
    code, printed, error = cli("report", tmp_path)
    assert code == 2 and not printed and error.count("\n") == 1 and "Traceback" not in error
    log = error.rsplit(" ", 1)[1].strip()
    assert "IndexError" in open(log, encoding="utf-8").read()
    shutil.rmtree(os.path.dirname(log))


def test_a_log_of_the_user_is_kept(predict, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOG_FILE).write_text("mine")
    code, printed, _ = predict("CCO one")
    assert code == 2 and LOG_FILE in printed and (tmp_path / "out" / LOG_FILE).read_text() == "mine"


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENAMETOOLONG, errno.EBUSY, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_is_a_failed_row_but_a_full_disk_stops(predict, smiles, monkeypatch, number):
    write = run_jobs.write_result

    def refused(result, folder, record):
        if folder.name == "second":
            raise OSError(number, os.strerror(number), str(folder))
        write(result, folder, record)

    monkeypatch.setattr(run_jobs, "write_result", refused)
    code, printed, rows = predict(smiles)
    if number == errno.ENOSPC:
        assert code == 2 and os.strerror(number) in printed and list(rows) == ["first"]
    else:
        assert code == 1 and [row["status"] for row in rows.values()] == ["ok", "failed", "ok"]
        assert os.strerror(number) in rows["second"]["message"]


@pytest.mark.parametrize(
    "broken",
    [
        {"modes": [{"name": "A"}]},
        {"modes": 3},
        {"sites": [{}], "pocket": 7},
        {"warnings": {"a": 1}, "command": 5},
        {"versions": [], "checkpoint": "x", "settings": None},
    ],
)
def test_a_malformed_record_stops_neither_the_other_reports_nor_the_next_run(predict, cli, smiles, tmp_path, broken):
    predict(smiles)
    path = tmp_path / "out" / "second" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | broken))
    code, printed, error = cli("report", tmp_path / "out")
    assert code in (0, 1) and "Traceback" not in printed + error
    assert (tmp_path / "out" / "third" / "report.html").is_file()
    if code == 1:
        assert "2 of 3 reports" in printed and "second" in error and "malformed" in error
    assert predict(smiles)[0] == 0


@pytest.mark.parametrize("member", ["x" * 250 + "/" + "y" * 250, "bad/..", "..", "=cmd/\x1b[31m.pdb"])
def test_an_archive_member_that_cannot_be_written_does_not_stop_the_rest(cli, checkpoint, tmp_path, member):
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for folder in ("odd", member, "good"):
            for name in ("protein.pdb", "ligand.sdf"):
                archive.add(SMALL / name, f"{folder}/{name}")
            if folder == "odd":
                archive.addfile(tarfile.TarInfo(f"odd/{member}"), io.BytesIO())
    code, _, error = cli(
        "evaluate", tmp_path / "shard.tar", "-o", tmp_path / "e", "--checkpoint", checkpoint, *FEW[:-2]
    )
    rows = {row["id"]: row for row in csv.DictReader((tmp_path / "e" / "per_complex.csv").open(encoding="utf-8"))}
    assert code in (0, 1) and rows["good"]["status"] == "ok" and "\x1b" not in error
    code, *_ = cli("prepare", "complexes", tmp_path / "shard.tar", "--out", tmp_path / "store", "--workers", "1")
    index = (tmp_path / "store" / "index.csv").read_text()
    assert code in (0, 1) and "good," in index


def test_a_file_name_that_is_not_utf8_and_a_terminal_that_is_not_either(predict, tmp_path, monkeypatch):
    """ascii-terminal: docked, and then the result was lost by the message about it."""
    odd = os.fsdecode(b"lig\xe9nd.smi")
    path = tmp_path / odd
    path.write_text("CCO\nCCN x\n")
    code, _, rows = predict(str(path), out="r\u00e9sultats")
    assert code == 0 and list(rows) == ["lig_udce9nd_1", "x"] and "\\udce9" in rows["x"]["ligand"]
    assert json.loads((tmp_path / "r\u00e9sultats" / "x" / "run.json").read_text())["job"]["ligand"].startswith(
        str(path)
    )
    assert "2 of them kept" in predict(str(path), out="r\u00e9sultats")[1]
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    show_what_can_be_shown()
    terminal.write(f"r\u00e9sultats \u540d {odd}\n")
    terminal.flush()
    assert terminal.buffer.getvalue() == b"r\\xe9sultats \\u540d lig\\udce9nd.smi\n"


def test_text_is_made_fit_for_terminals_and_tables():
    assert printable("a\x1b[31m\x07\x9b\u202eb\tc\nd") == "a\\x1b[31m\\x07\\x9b\\u202eb\tc\nd"
    assert one_line("a\r\n  b\x00") == "a b\\x00"
    for text in ("=cmd|x", "+1+1", "-cmd", "@sum", "=1"):
        assert table_cell(text) == f"'{text}" and plain_cell(table_cell(text)) == text
    for text in ("-1.5", "+2", "-1 2 -3", "1e-3", "", "it's", "'quoted'", "plain", "a=b"):
        assert table_cell(text) == text and plain_cell(text) == text
    assert table_cell(True) == "true" and table_cell(-2.5) == -2.5 and table_cell("two\nlines") == "two lines"


def test_tables_and_terminal_show_no_escapes_and_no_formulas(predict, tmp_path):
    path = tmp_path / "=cmd\x1b[31m.smi"
    path.write_text("CCO x\nC1CC \x1b[2Jbroken\n")
    os.chdir(tmp_path)
    code, printed, rows = predict(path.name)
    assert code == 1 and "\x1b" not in printed
    assert "\x1b" not in (tmp_path / "out" / "summary.csv").read_text()
    assert all(row["ligand"].startswith("'=cmd") for row in rows.values() if row["ligand"])
