"""The project files agree with each other: one list of versions, pins that match, a lean install."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def test_environment_has_the_versions_of_pyproject():
    (pip_section,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    assert [line for line in pip_section if line != "-e ."] == PYPROJECT["project"]["dependencies"]
    assert "-e ." in pip_section
    assert "python" + PYPROJECT["project"]["requires-python"] in ENVIRONMENT["dependencies"]
    assert ENVIRONMENT["name"] == "discodock"


@pytest.mark.parametrize("tool", ["ruff"])
def test_pre_commit_has_the_pins_of_the_dev_extra(tool):
    pin = next(line for line in PYPROJECT["project"]["optional-dependencies"]["dev"] if line.startswith(f"{tool}=="))
    found = re.findall(rf"{tool}==[\d.]+", (ROOT / ".pre-commit-config.yaml").read_text())
    assert found and set(found) == {pin}


def test_no_compiled_extensions_of_torch_geometric():
    everything = PYPROJECT["project"]["dependencies"] + sum(PYPROJECT["project"]["optional-dependencies"].values(), [])
    names = {re.split(r"[<>=!~\[ ]", line)[0].lower() for line in everything}
    assert not names & {"torch-scatter", "torch-cluster", "torch-sparse", "torch-spline-conv", "pyg-lib"}


def test_newest_torch_is_stated():
    torch_range = next(line for line in PYPROJECT["project"]["dependencies"] if re.match(r"torch[<>=]", line))
    assert "<=2.13.0" in torch_range
