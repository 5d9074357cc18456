"""A new way to relax poses is a file and an entry of `METHODS`: `dock`, the command line and its help then know it."""

import numpy as np
import pytest

from discodock.cli.docking_options import option_help
from discodock.errors import ConfigError
from discodock.inference.config import DockingConfig
from discodock.inference.dock import dock
from discodock.inference.outputs import read_run, read_table
from discodock.inference.relaxation.config import METHODS, Method, RelaxationConfig
from discodock.inference.relaxation.relax import check_relaxation
from tests.tiny import SMALL

OPTIONS = {"samples": 2, "exhaustiveness": 1, "steps": 2, "validity": False}


class Shifted:
    """Moves every pose by 2 Å."""

    def relax(self, pos, scorer):
        return scorer.scored(pos, pos + np.array([2.0, 0.0, 0.0]), warnings=("poses were shifted",))


@pytest.fixture(params=["all", "chosen"])
def method(request, monkeypatch):
    entry = Method(f"{__name__}:Shifted", applies_to=request.param, help="2 Å along x")
    monkeypatch.setitem(METHODS, "shifted", entry)
    return entry


def test_a_registered_method_is_known_to_dock_and_to_the_command_line(method, cli, checkpoint, tmp_path):
    assert "shifted: 2 Å along x" in option_help("relax")
    protein, ligand = SMALL / "protein.pdb", SMALL / "ligand.sdf"
    place = {"pocket_ligand": ligand, "checkpoint": checkpoint, "device": "cpu"}
    result = dock(protein, ligand, relax="shifted", **place, **OPTIONS)
    assert "poses were shifted" in result.warnings
    shifts = [pose.relax_rmsd for pose in result.poses]
    if method.applies_to == "all":
        assert shifts == pytest.approx([2.0, 2.0])
    else:  # beyond what fast relaxation moved them by
        assert all(shift > 0 and shift != pytest.approx(2.0) for shift in shifts)
    fast = ("-n", 2, "-e", 1, "--steps", 2, "--no-validity", "--device", "cpu", "--checkpoint", checkpoint)
    where = (
        "--protein",
        SMALL / "protein.pdb",
        "--ligand",
        SMALL / "ligand.sdf",
        "--pocket-ligand",
        SMALL / "ligand.sdf",
    )
    code, _, err = cli("predict", *where, *fast, "--relax", "shifted", "--name", "a", "--out", tmp_path / "out")
    assert code == 0, err
    rows = read_table(tmp_path / "out" / "a" / "scores.csv")
    assert [float(row["relax_rmsd"]) for row in rows] == pytest.approx(shifts, abs=1e-3)
    assert read_run(tmp_path / "out" / "a")["settings"]["relaxation"]["method"] == "shifted"


def test_the_chosen_alone_are_relaxed_by_a_method_that_says_so(method):
    first = RelaxationConfig(method="shifted").first
    assert first.method == ("shifted" if method.applies_to == "all" else "fast")


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(METHODS, "shifted", Method(f"{__name__}:Shifted", packages=("nowhere_to_find",), extra="shift"))
    with pytest.raises(ConfigError, match=r"--relax shifted needs nowhere_to_find; pip install 'discodock\[shift\]'"):
        check_relaxation(RelaxationConfig(method="shifted"))


def test_an_unknown_method_is_answered_with_the_known_ones(method):
    with pytest.raises(ConfigError, match="choose none, fast, openmm, shifted"):
        DockingConfig().with_options({"relax": "nothing"})
