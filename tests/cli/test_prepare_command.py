"""`discodock prepare` on real files: what it prints, writes and returns."""

import inspect
import shutil
from pathlib import Path

import pytest

from discodock.cli import prepare as command
from discodock.cli.main import run
from discodock.data.datasets.registry import DATASETS
from discodock.data.featurize import PrepareConfig
from discodock.data.store import PreparedStore
from tests.tiny import write_tiny_checkpoint

COMPLEXES = Path(__file__).parents[1] / "data" / "complexes"
NAMES = sorted(path.name for path in COMPLEXES.iterdir())[:3]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in NAMES:
        shutil.copytree(COMPLEXES / name, tmp_path / "src" / name)
    return tmp_path / "src"


def test_complexes_then_again(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["prepare", "complexes", str(source), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert run(arguments) == 0
    assert "3 complexes in" in capsys.readouterr().out
    assert len(PreparedStore(tmp_path / "out")) == 3
    assert run(arguments) == 0
    assert "3 of them from before" in capsys.readouterr().out


def test_failures_are_counted_and_named(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source / NAMES[0] / "ligand.sdf").write_text("nothing")
    assert run(["prepare", "complexes", str(source), "-o", str(tmp_path / "out"), "--workers", "1"]) == 1
    printed = capsys.readouterr().out
    assert "1 left out (ligand 1)" in printed and "failures.csv" in printed
    assert NAMES[0] in (tmp_path / "out" / "failures.csv").read_text()


def test_leaving_out_on_purpose_is_no_failure(source: Path, tmp_path: Path) -> None:
    splits = tmp_path / "splits"
    splits.mkdir()
    (splits / "train.txt").write_text(f"{NAMES[0]}\n")
    (splits / "val.txt").write_text(f"{NAMES[1]}\n")
    out = tmp_path / "out"
    assert run(["prepare", "complexes", str(source), "-o", str(out), "--splits", str(splits), "--workers", "1"]) == 0
    store = PreparedStore(out)
    assert store.ids("train") == (NAMES[0],) and store.ids("val") == (NAMES[1],)
    assert "excluded" in (out / "failures.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["complexes", "nowhere"], "nowhere: no such"),
        (["pdbbind", "nowhere"], "nowhere: no such"),
        (["complexes", "SRC", "--splits", "nowhere"], "no such folder of split files"),
        (["complexes", "SRC", "--conformers", "101"], "num_conformers"),
        (["complexes", "SRC", "--min-ligand-atoms", "70"], "min_ligand_atoms is larger"),
        (["complexes", "SRC", "--receptor-radius", "-1"], "receptor_radius"),
        (["complexes", "SRC", "--what"], "--what"),
        (["pdbbind", "SRC"], "_ligand.sdf"),
    ],
)
def test_unusable_command_lines_are_one_line(
    arguments: list[str], words: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(source) if argument == "SRC" else argument for argument in arguments]
    assert run(["prepare", *arguments, "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err.strip()
    assert words in message and "\n" not in message and "Traceback" not in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", DATASETS)
def test_defaults_are_those_of_the_settings(name: str) -> None:
    (function,) = (each.callback for each in command.app.registered_commands if each.name == name)
    parameters = inspect.signature(function).parameters  # type: ignore[arg-type]
    options = {name: item.default for name, item in parameters.items()}
    config = PrepareConfig()
    assert options["conformers"] == config.num_conformers and options["seed"] == config.seed
    for name in ("min_ligand_atoms", "max_ligand_atoms", "receptor_radius"):
        assert options[name] == getattr(config, name)


def test_peptides_are_cut_by_the_command_and_by_its_earlier_name(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["prepare", "complexes", str(source), "--out", str(tmp_path / "store"), "--workers", "1"])
    printed = []
    for name in ("peptides", "fragments"):
        capsys.readouterr()
        out = str(tmp_path / name)
        assert run(["prepare", name, str(tmp_path / "store"), "--out", out, "--per-receptor", "1"]) == 0
        printed.append(capsys.readouterr().out.split(" in ")[0])
    assert printed[0] == printed[1] and printed[0].endswith("peptides")
    run(["prepare", "--help"])
    assert "fragments" not in capsys.readouterr().out


def test_poses_are_collected_and_what_is_done_is_kept(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = write_tiny_checkpoint(tmp_path / "tiny.safetensors")
    arguments = ["prepare", "poses", str(source), "--samples", "2", "--checkpoint", str(weights), "--device", "cpu"]
    arguments += ["--relax", "none", "--out", str(tmp_path / "out")]
    assert run([*arguments, "--limit", "1"]) == 0
    assert "1 complexes in" in capsys.readouterr().out
    (source / NAMES[0] / "ligand.sdf").write_text("nothing")
    assert run(arguments) in (0, 1)
    assert "1 left out" in capsys.readouterr().out
    assert all(len(PreparedStore(tmp_path / "out").load(name)["pose_rmsd"]) == 2 for name in NAMES[1:])
