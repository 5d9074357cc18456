"""Options of docking commands are the settings' own: names, defaults, ranges and texts; files and options combine."""

import csv
import inspect

import numpy as np
import pytest
from rdkit import Chem

from discodock.cli.docking_options import docking_option, help_text
from discodock.cli.evaluate import evaluate
from discodock.cli.predict import predict
from discodock.inference.config import DockingConfig, option_paths
from tests.tiny import SMALL

PROTEIN, LIGAND = SMALL / "protein.pdb", SMALL / "ligand.sdf"


def field_and_default(path):
    block, value = DockingConfig, DockingConfig()
    for name in path.split("."):
        field, value = block.model_fields[name], getattr(value, name)
        block = field.annotation
    return field, value


@pytest.mark.parametrize("name", option_paths())
def test_defaults_and_texts_are_those_of_the_settings(name):
    field, default = field_and_default(option_paths()[name])
    parameter = docking_option(name)
    assert (parameter.default or None) == (default or None)
    _, option = parameter.annotation.__metadata__[0], parameter.annotation.__metadata__[0]
    assert option.help == help_text(field) and field.description[1:] in option.help
    for check in field.metadata:
        if isinstance(default, (int, float)) and not isinstance(default, bool):
            assert getattr(check, "ge", None) in (None, option.min) and getattr(check, "le", None) in (None, option.max)


def test_commands_have_every_option(cli):
    assert option_paths().keys() <= inspect.signature(predict).parameters.keys()
    assert option_paths().keys() - inspect.signature(evaluate).parameters.keys() == {"cofactors"}
    shown = " ".join(cli("predict", "--help")[1].split())
    assert "default: 40" in shown and "default: low_temperature" in shown and "--no-validity" in shown


def positions(folder):
    return np.stack([mol.GetConformer().GetPositions() for mol in Chem.SDMolSupplier(str(folder / "poses.sdf"))])


def test_the_settings_that_a_run_writes_dock_the_same_poses(cli, checkpoint, tmp_path):
    where = ("-p", PROTEIN, "-l", LIGAND, "--pocket-ligand", LIGAND, "--name", "it", "--device", "cpu")
    where += ("--checkpoint", checkpoint)
    how = ("-n", "3", "--steps", "2", "--seed", "5", "--relax", "none", "--no-validity", "--keep", "HOH")
    assert cli("predict", *where, *how, "-o", tmp_path / "first")[0] == 0
    file = tmp_path / "first" / "docking.yaml"
    assert cli("predict", *where, "--config", file, "-o", tmp_path / "again")[0] == 0
    assert (positions(tmp_path / "first" / "it") == positions(tmp_path / "again" / "it")).all()
    assert (tmp_path / "again" / "docking.yaml").read_text() == file.read_text()
    assert cli("predict", *where, "--config", file, "-n", "2", "-o", tmp_path / "fewer")[0] == 0
    with (tmp_path / "fewer" / "it" / "scores.csv").open(newline="") as lines:
        assert len(list(csv.DictReader(lines))) == 2


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_unknown_settings_of_a_file_are_answered_with_the_nearest(cli, command, tmp_path):
    (tmp_path / "docking.yaml").write_text("solver: {stepps: 3}\n")
    what = ("-p", PROTEIN, "-l", LIGAND) if command == "predict" else (SMALL.parent,)
    code, _, error = cli(command, *what, "--config", tmp_path / "docking.yaml", "-o", tmp_path / "out")
    assert code == 2 and "did you mean 'solver.steps'?" in error and not (tmp_path / "out").exists()
