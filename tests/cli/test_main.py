"""The command itself: help without heavy imports, version, doctor, allocator thresholds."""

import platform
import subprocess
import sys

import pytest

from discodock.cli.options import modern_spelling
from discodock.cli.runtime import raise_allocator_thresholds
from discodock.diffusion.solvers import SOLVERS

COMMANDS = ["predict", "evaluate", "report", "doctor", "prepare", "train"]


def test_help_names_every_command_and_imports_nothing_heavy():
    code = (
        "import sys; from discodock.cli.main import run; code = run(['--help']);"
        "print([name for name in ('torch', 'rdkit', 'numpy', 'scipy') if name in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(command in done.stdout for command in COMMANDS)
    assert done.stdout.rstrip().endswith("[] 0")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_units(cli, command):
    code, printed, _ = cli(command, "--help")
    assert code == 0 and "Usage" in printed
    if command in ("predict", "evaluate"):
        assert "Å" in printed and "Exit code" in printed and "default" in printed


def test_classical_spellings_are_hidden_and_underscores_do(cli):
    shown = cli("predict", "--help")[1]
    assert not any(name in shown for name in ("center-x", "autobox", "num-modes", "--receptor"))
    given = ["-r", "a_b.pdb", "--num_modes=3", "--out_dir", "x", "--center_x", "-1.5", "-l", "C=C"]
    assert modern_spelling(given) == [
        "--protein",
        "a_b.pdb",
        "--samples=3",
        "--out",
        "x",
        "--center-x",
        "-1.5",
        "-l",
        "C=C",
    ]


def test_words_after_a_ligand_are_further_ligands_as_a_shell_makes_them_of_a_pattern():
    spelled = modern_spelling(["predict", "-l", "a.sdf", "b.sdf", "c.sdf", "-p", "p.pdb", "-n", "3"])
    assert spelled == "predict -l a.sdf --ligand b.sdf --ligand c.sdf -p p.pdb -n 3".split()
    assert modern_spelling(["predict", "--ligand=a", "b"]) == ["predict", "--ligand=a", "--ligand", "b"]
    assert modern_spelling(["evaluate", "-l", "a", "b"]) == ["evaluate", "-l", "a", "b"]


def test_version(cli):
    code, printed, _ = cli("--version")
    assert code == 0 and printed.startswith("discodock ")


@pytest.mark.parametrize("command", [["predict"], ["evaluate"], ["images", "sample"]])
def test_help_names_every_solver(cli, command):
    shown = " ".join(cli(*command, "--help")[1].split())
    assert ", ".join(SOLVERS) in shown


def test_no_arguments_print_the_help(cli):
    code, printed, error = cli()
    assert code == 2 and "predict" in printed + error


def test_doctor_says_what_will_be_used(cli):
    code, printed, error = cli("doctor")
    assert not error
    for word in ("Python", "torch", "cuda:", "mps:", "memory", "--device auto takes", "checkpoint", "verdict"):
        assert word in printed
    assert code == (0 if "ready to dock" in printed else 1)


def test_allocator_thresholds_are_taken_by_glibc():
    assert raise_allocator_thresholds() == (platform.libc_ver()[0] == "glibc")
