"""Whatever is wrong with the input: one line that says what and what to do, exit code 2, nothing half-written."""

import gzip
import subprocess
import sys

import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem
from safetensors.torch import save_file

from tests.tiny import SMALL

PROTEIN, LIGAND = SMALL / "protein.pdb", SMALL / "ligand.sdf"


def with_nan(text, column):
    """The coordinates of the third atom line replaced by not-a-number."""
    lines = text.splitlines()
    number = [n for n, line in enumerate(lines) if line.startswith(column)][2] if column else 6
    start = 30 if column else 0
    lines[number] = lines[number][:start] + "     nan" * 3 + lines[number][start + 24 :]
    return "\n".join(lines) + "\n"


def sdf_without_atoms():
    return "nothing\n  test\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n$$$$\n"


def large_ligand():
    mol = Chem.MolFromSmiles("C" * 300)
    AllChem.Compute2DCoords(mol)
    return Chem.MolToMolBlock(mol, forceV3000=True) + "$$$$\n"


BAD_PROTEINS = {
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "an SDF": LIGAND.read_bytes(),
    "text": b"this is not a protein\n" * 20,
    "truncated gzip": gzip.compress(PROTEIN.read_bytes())[:2000],
    "not-a-number coordinates": with_nan(PROTEIN.read_text(), "ATOM").encode(),
    "only water": b"HETATM    1  O   HOH A   1      11.000  12.000  13.000  1.00 20.00           O\nEND\n",
    "cut within a line": PROTEIN.read_bytes()[: 81 * 40 + 33],
}
BAD_LIGANDS = {
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "a protein": PROTEIN.read_bytes(),
    "text": b"this is not a ligand\nat all\n",
    "truncated": LIGAND.read_bytes()[:400],
    "truncated gzip": gzip.compress(LIGAND.read_bytes())[:200],
    "not-a-number coordinates": with_nan(LIGAND.read_text(), "").encode(),
    "without atoms": sdf_without_atoms().encode(),
    "300 atoms": large_ligand().encode(),
}


@pytest.fixture
def predict(cli, checkpoint, tmp_path):
    """Run `predict` on good input with some options replaced; asserts the contract of an unusable input."""

    def call(
        *extra,
        protein=PROTEIN,
        ligand=LIGAND,
        weights=checkpoint,
        out=tmp_path / "out",
        pocket=("--pocket-ligand", LIGAND),
    ):
        before = sorted(tmp_path.rglob("*"))
        options = [
            "-p",
            protein,
            "-l",
            ligand,
            "--checkpoint",
            weights,
            "-o",
            out,
            "-n",
            1,
            "--steps",
            1,
            "--device",
            "cpu",
        ]
        code, printed, error = cli("predict", *options, *pocket, *extra)
        check_refusal(code, printed, error)
        assert sorted(tmp_path.rglob("*")) == before, "something was left behind"
        return error

    return call


def check_refusal(code, printed, error):
    assert code == 2
    assert error.startswith("error: ") and error.count("\n") == 1, error
    assert "Traceback" not in error + printed
    assert len(error) < 400


@pytest.mark.parametrize("content", BAD_PROTEINS.values(), ids=BAD_PROTEINS)
def test_bad_protein(predict, tmp_path, content):
    path = tmp_path / "bad_protein.pdb"
    path.write_bytes(content)
    assert "bad_protein.pdb" in predict(protein=path)


@pytest.mark.parametrize("content", BAD_LIGANDS.values(), ids=BAD_LIGANDS)
def test_bad_ligand(predict, tmp_path, content):
    path = tmp_path / "bad_ligand.sdf"
    path.write_bytes(content)
    assert "bad_ligand.sdf" in predict(ligand=path)


@pytest.mark.parametrize("content", [BAD_LIGANDS[name] for name in ("empty", "binary", "truncated", "without atoms")])
def test_bad_reference_ligand(predict, tmp_path, content):
    path = tmp_path / "bad_reference.sdf"
    path.write_bytes(content)
    assert "bad_reference.sdf" in predict(pocket=("--pocket-ligand", path))


def test_missing_files(predict, tmp_path):
    missing = tmp_path / "missing.xyz"
    assert "missing.xyz" in predict(protein=missing)
    assert "missing.xyz" in predict(weights=missing)
    assert "missing.sdf" in predict(ligand=tmp_path / "missing.sdf")
    assert "missing.sdf" in predict(pocket=("--pocket-ligand", tmp_path / "missing.sdf"))
    assert "missing.pdb" in predict("--cofactors", tmp_path / "missing.pdb")


def test_a_folder_in_place_of_a_file(predict, tmp_path):
    (tmp_path / "folder.sdf").mkdir()
    for place in ({"protein": tmp_path}, {"ligand": tmp_path / "folder.sdf"}, {"weights": tmp_path}):
        predict(**place)


@pytest.mark.parametrize(
    "pocket",
    [
        (),
        ("--pocket-center", 900, 0, 0),
        ("--pocket-center", "nan", 0, 0),
        ("--pocket-residues", "A:99999"),
        ("--pocket-residues", "Q:12"),
        ("--pocket-residues", ","),
        ("--pocket-center", 0, 0, 0, "--pocket-residues", "A:12"),
        ("--center_x", 1, "--center_y", 2),
        ("--pocket-ligand", LIGAND, "--pocket-radius", -1),
    ],
    ids=str,
)
def test_bad_pocket(predict, pocket):
    error = predict(pocket=pocket)
    if not pocket:
        assert all(way in error for way in ("--pocket-ligand", "--pocket-center", "--pocket-residues"))


def test_unwritable_output(predict, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written" in predict(out=tmp_path / "file" / "out")
    assert "cannot be written" in predict(out=tmp_path / "file")
    assert "cannot be written" in predict(out="/proc/nothing/out")


@pytest.mark.parametrize(
    ("extra", "fragment"),
    [
        (("--unknown-option", 3), "--unknown-option"),
        (("--samples", 0), "samples"),
        (("--samples", "many"), "samples"),
        (("--steps", -3), "steps"),
        (("--solver", "magic"), "dpm_solver_pp"),
        (("--device", "tpu"), "device 'tpu'"),
        (("--device", "cuda:77"), "--device cpu"),
        (("--relax", "magic"), "choose none, fast, openmm"),
        (("--flexible-side-chains", 4), "--relax openmm"),
        (("--input", "jobs.csv"), "--input"),
        (("stray",), "stray"),
    ],
)
def test_bad_options(predict, extra, fragment):
    assert fragment in predict(*extra)


@pytest.mark.parametrize(
    "content", [b"", b"text", bytes(range(256)) * 30, b"cut"], ids=["empty", "text", "binary", "cut"]
)
def test_corrupt_checkpoint(predict, checkpoint, tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(checkpoint.read_bytes()[:-100] if content == b"cut" else content)
    assert "bad.safetensors" in predict(weights=path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"format": "discodock", "schema_version": "999", "config": "{}", "info": "{}"},
        {"format": "discodock", "schema_version": "1", "config": "{}", "info": "{}"},
        {"format": "discodock", "schema_version": "1", "config": '{"model": {"size": 3}, "process": {}}', "info": "{}"},
        {"format": "discodock", "schema_version": "1", "config": '{"model": {}, "process": {}}', "info": "{}"},
        {"format": "discodock", "schema_version": "1", "config": "{cut", "info": "{}"},
    ],
    ids=["no metadata", "other schema", "no settings", "unknown setting", "other weights", "damaged settings"],
)
def test_foreign_checkpoint(predict, tmp_path, metadata):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, path, metadata)
    assert "foreign.safetensors" in predict(weights=path)


TABLES = {
    "missing": None,
    "empty": "",
    "no rows": "name,protein,ligand\n",
    "wrong columns": "complex,receptor\nx,y\n",
    "mistyped pocket column": "name,protein,ligand,pocket_centre\na,p.pdb,l.sdf,1 2 3\n",
    "binary": "\x00\x01\x02",
}


@pytest.mark.parametrize("content", TABLES.values(), ids=TABLES)
def test_bad_table_of_jobs(cli, checkpoint, tmp_path, content):
    table, out = tmp_path / "jobs.csv", tmp_path / "out"
    if content is not None:
        table.write_text(content)
    options = ["--input", table, "--checkpoint", checkpoint, "-o", out, "--pocket-ligand", LIGAND]
    code, printed, error = cli("predict", *options)
    check_refusal(code, printed, error)
    assert not out.exists()
    assert "jobs.csv" in error


def test_missing_arguments(cli):
    for arguments in (
        ["predict"],
        ["predict", "-p", PROTEIN],
        ["predict", "-l", LIGAND],
        ["evaluate"],
        ["nothing"],
        ["prepare", "x"],
    ):
        check_refusal(*cli(*arguments))


def test_bad_evaluation(cli, checkpoint, tmp_path):
    (tmp_path / "hollow").mkdir()
    for source in (tmp_path / "missing", tmp_path / "hollow", LIGAND):
        check_refusal(*cli("evaluate", source, "--checkpoint", checkpoint, "-o", tmp_path / "out"))
    blind = cli("evaluate", SMALL.parent, "--mode", "blind", "--checkpoint", checkpoint, "-o", tmp_path / "out")
    check_refusal(*blind)
    assert not (tmp_path / "out").exists()


def test_bad_training_config(cli, tmp_path):
    config = tmp_path / "bad.yaml"
    config.write_text("no_such_key: 3\n")
    code, printed, error = cli("train", "score", "--config", config, "--out", tmp_path / "run")
    check_refusal(code, printed, error)
    assert "no_such_key" in error and not (tmp_path / "run").exists()


def test_bad_preparation(cli, tmp_path):
    check_refusal(*cli("prepare", "complexes", tmp_path / "missing", "--out", tmp_path / "prepared"))


def test_the_installed_command_prints_no_traceback(tmp_path):
    command = [sys.executable, "-m", "discodock.cli.main", "predict", "-p", "missing.pdb", "-l", "missing.sdf"]
    done = subprocess.run(
        [*command, "--pocket-center", "0", "0", "0"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    check_refusal(done.returncode, done.stdout, done.stderr)
