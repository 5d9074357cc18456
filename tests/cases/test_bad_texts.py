"""Ligand records, settings, JSON and tables that are damaged or would take all memory: refused in one line."""

import os

import pytest

from discodock.chem.ligand import iter_ligands
from discodock.chem.records import bounds
from discodock.cli.main import run
from discodock.errors import InputError
from discodock.inference.many.jobs import read_jobs
from tests.cases.refusals import ATOM, refused
from tests.fuzz.readers import JOBS, READERS

V3000 = (
    "x\n\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\nM  V30 COUNTS {} 0 0 0\n"
    "M  V30 END CTAB\nM  END\n$$$$\n"
)
MOL2 = "@<TRIPOS>MOLECULE\nx\n {}\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n 1 C1 0 0 0 C.3 1 L 0\n"
RECORDS = {
    "V3000 that claims": ("a.sdf", V3000.format("99999999 1")),
    "V3000 with a negative count": ("a.sdf", V3000.format("-4 1")),
    "V3000 with a count of 400 digits": ("a.sdf", V3000.format("9" * 400 + " 1")),
    "V3000 that claims bonds": ("a.sdf", V3000.format("1 99999999")),
    "MOL2 that claims": ("a.mol2", MOL2.format("99999999 1")),
    "MOL2 with a negative count": ("a.mol2", MOL2.format("-5 1")),
    "MOL2 that claims bonds": ("a.mol2", MOL2.format("1 99999999")),
    "MOL2 with a count of 400 digits": ("a.mol2", MOL2.format("9" * 400)),
    "brackets": ("a.smi", "C" + "(" * 100_000 + "C" + ")" * 100_000 + "\n"),
    "a long chain": ("a.smi", "C" * 6000 + "\n"),
    "a million rings": ("a.smi", "C1CC1" * 200_000 + "\n"),
    "tags": ("a.sdf", READERS["ligand.sdf"].good().decode().rstrip().rstrip("$") + "> <t>\nv\n\n" * 2000 + "$$$$\n"),
    "records": ("a.smi", "C\n" * 200_001),
    "a protein as a ligand": ("a.pdb", ATOM * 10_001),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_records_beyond_the_bounds_are_refused_before_rdkit_reads_them(kind, tmp_path):
    name, text = RECORDS[kind]
    path = tmp_path / name
    path.write_text(text)
    try:
        (problem,) = list(iter_ligands(path, template_smiles="C"))
    except InputError as error:
        problem = error
    assert isinstance(problem, InputError) and str(path) in str(problem) and len(str(problem)) < 600
    assert "\n" not in str(problem)


@pytest.mark.parametrize("word", ["+3", "3.5", "x", ""])
def test_counts_that_are_no_numbers_are_left_to_rdkit(word):
    assert bounds.mol2_problem(MOL2.format(word)) is None


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
YAML = {
    "aliases": (BOMB, "values"),
    "an alias of itself": ("a: &a [*a]\n", "holds it"),
    "an alias of nothing": ("a: *b\n", "YAML"),
    "nested lists": ("a: " + "[" * 500 + "]" * 500, "deep"),
    "nested lists that are cut": ("a: " + "[" * 500, "deep"),
    "nested mappings": ("{a: " * 500 + "1" + "}" * 500, "deep"),
    "nested blocks": ("".join(" " * n + "a:\n" for n in range(900)), "deep"),
    "many values": ("a: [" + "1, " * 11_000 + "]\n", "values"),
    "a 13th month": ("samples: 2001-13-45\n", "cannot read"),
    "a number of 5000 digits": ("samples: " + "9" * 5000 + "\n", "cannot read"),
    "an object": ("samples: !!python/object/apply:os.system [true]\n", "YAML"),
    "a list": ("- 1\n- 2\n", "key: value"),
    "a word": ("hello\n", "key: value"),
    "a tab": ("samples:\n\t3\n", "YAML"),
    "a key that is a list": ("[1, 2]: 3\n", "YAML"),
    "a long unknown key": ("k" * 900 + ": 3\n", "unknown key"),
    "a long value": ("samples: " + "v" * 9000 + "\n", "samples"),
    "a number as key": ("3: 4\n", "string"),
    "no number": ("samples: .nan\n", "samples"),
    "two documents": ("a: 1\n---\nb: 2\n", "YAML"),
    "an open quote": ("samples: 'three\n", "YAML"),
    "a control character": ("samples: \x07\n", "YAML"),
}


@pytest.mark.parametrize("kind", YAML)
def test_settings_that_would_take_all_memory_or_mean_nothing(kind, tmp_path):
    text, words = YAML[kind]
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    message = refused("settings.yaml", path)
    assert words in message and len(message) < 400


JSON = {
    "nested lists": "[" * 100_000 + "]" * 100_000,
    "nested objects": '{"a":' * 60 + "1" + "}" * 60,
    "cut": '{"a": [1, 2',
    "a number of 5000 digits": '{"a": ' + "9" * 5000 + "}",
    "two values": "{} {}",
    "empty": "",
}


@pytest.mark.parametrize("kind", JSON)
def test_json_beyond_the_bounds(kind, tmp_path):
    (tmp_path / "run.json").write_text(JSON[kind])
    assert refused("run.json", tmp_path / "run.json")


ROW = "a,protein.pdb,CCO,\n"
TABLES = {
    "an open quote": ('name,protein,ligand\na,p.pdb,"CCO\n' + ROW, "line"),
    "a quote that goes on": ('name,protein,ligand\n"a"b,p.pdb,CCO\n', "line 2"),
    "a column twice": ("name,protein,ligand,Name\na,p,l,b\n", "two columns"),
    "a column twice, by a blank": ("name,protein,ligand, name\na,p,l,b\n", "two columns"),
    "many columns": ("name,protein,ligand" + "".join(f",c{n}" for n in range(2000)) + "\n", "columns"),
    "a cell of a megabyte": ("name,protein,ligand\na,p.pdb," + "C" * 2**20 + "\n", "line 2"),
    "only commas": (",,,\n" * 100, "lacks column"),
    "no header": (ROW, "lacks column"),
    "a separator alone": ("sep=;\n", "lacks column"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_that_cannot_be_used(kind, tmp_path):
    text, words = TABLES[kind]
    (tmp_path / "jobs.csv").write_text(text)
    assert words in refused("jobs.csv", tmp_path / "jobs.csv")


HEADERS = [
    "Name, PROTEIN ,Ligand,Pocket Center",
    "name,protein,ligand,pocket-center",
    '"name","protein","ligand","Pocket_Center"',
]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("before", ["", "\n \n", "sep={}\n"])
def test_tables_of_any_spelling_are_read_alike(separator, header, before, tmp_path):
    path = tmp_path / "jobs.csv"
    text = f"{header}\na , protein.pdb,CCO,1 2 3\n\n".replace(",", separator)
    path.write_text(before.format(separator) + text)
    (job,) = read_jobs(path, None)
    assert job.problem is None and job.name == "a" and job.pocket.center == (1, 2, 3)


def test_a_row_with_too_many_values_fails_alone(tmp_path):
    path = tmp_path / "jobs.csv"
    path.write_text("name,protein,ligand,pocket_center\na,protein.pdb,CCO,1,2,3\nb,protein.pdb,CCO,1 2 3\n")
    first, second = read_jobs(path, None)
    assert "too many values" in first.problem and second.problem is None


OPTIONS = {
    "a pipe of settings": ("--config", "PIPE"),
    "a device of settings": ("--config", "/dev/zero"),
    "a folder of settings": ("--config", "/"),
    "no such settings": ("--config", "nothing.yaml"),
    "a pipe as table": ("--input", "PIPE"),
    "a device as table": ("--input", "/dev/urandom"),
    "a pipe as ligand": ("--protein", "p.pdb", "--ligand", "PIPE", "--pocket-center", "0", "0", "0"),
    "a table without end": ("--input", "/dev/zero", "--pocket-center", "0", "0", "0"),
    "a seed beyond all": ("--seed", "9" * 400),
    "a negative seed": ("--seed", "-1"),
    "samples beyond all": ("--samples", "9" * 30),
    "full-width digits and a letter": ("--samples", "３x"),
    "a centre of nothing": ("--pocket-center", "nan", "0", "x"),
    "an endless radius": ("--pocket-radius", "inf"),
    "no radius": ("--pocket-radius", "nan"),
    "a long unknown option": ("--" + "x" * 5000,),
    "an option with a line break": ("--samples\n3",),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_that_cannot_be_used(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("PIPE")
    code = run(["predict", *OPTIONS[kind]])
    printed = capsys.readouterr()
    assert code == 2 and printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def test_the_good_table_is_read(tmp_path):
    (tmp_path / "jobs.csv").write_bytes(JOBS)
    assert [job.problem for job in read_jobs(tmp_path / "jobs.csv", None)] == [None, None]
