"""Settings of docking: options are fields, files come back as they were, and words for what is wrong."""

import subprocess
import sys

import pytest

from discodock.config import dump_config, load_config
from discodock.diffusion.process import PoseProcessConfig
from discodock.diffusion.solvers import SolverConfig
from discodock.errors import ConfigError
from discodock.inference.config import DockingConfig, option_paths, pose_solver


@pytest.mark.parametrize("steps", [8, 10, 15, 20, 40, 200])
def test_explicit_steps_of_the_default_solver_do_not_overshoot(steps):
    """A step moves a pose by gain * g^2 dt * score; beyond 2 the error of a Gaussian would grow from step to step.

    The gain falls from its first value at the largest noise, where scores are bounded on the manifold and later steps
    mend what went too far, to its last at the smallest.
    """
    (temperature,) = pose_solver(DockingConfig().with_options({"steps": steps}).solver).temperatures
    first, last = temperature.sampling * (1 + temperature.psi / 2), 1 + temperature.sampling * temperature.psi / 2
    config = PoseProcessConfig()
    for schedule in (config.tr, config.rot, config.tor):
        assert first * 2 * schedule.log_ratio / steps < 2.3
        assert last * 2 * schedule.log_ratio / steps < 1.5


def test_given_values_win_over_the_default_solver():
    config = DockingConfig.model_validate({"solver": {"solver": "heun", "steps": 7, "rho": 3.0}})
    assert (config.solver.solver, config.solver.steps, config.solver.rho) == ("heun", 7, 3.0)
    assert pose_solver(config.solver) == config.solver
    own = SolverConfig(solver="low_temperature", temperatures=({"sampling": 2.0},))
    assert pose_solver(own) == own
    assert DockingConfig.model_validate({"solver": {}}) == DockingConfig()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 0}, "samples"),
        ({"steps": "many"}, "solver.steps"),
        ({"solver": "x"}, "choose euler_maruyama"),
        ({"seed": -1}, "seed"),
        ({"threads": 0}, "threads"),
        ({"relax": "gentle"}, "choose none, fast, openmm"),
        ({"flexible_side_chains": 4.0}, "need --relax openmm"),
        ({"pocket_radius": float("inf")}, "pocket_radius"),
        ({"exhaustivness": 3}, "did you mean exhaustiveness?"),
    ],
)
def test_unusable_options_are_named_in_one_line(options, words):
    with pytest.raises(ConfigError) as caught:
        DockingConfig().with_options(options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_options_win_over_the_settings_that_they_change_and_leave_the_rest():
    config = DockingConfig.model_validate({"samples": 7, "solver": {"rho": 3.0}, "receptor": {"keep": ["HOH"]}})
    changed = config.with_options({"samples": 9, "steps": 5, "drop": ["SO4"]})
    assert (changed.samples, changed.solver.steps, changed.solver.rho) == (9, 5, 3.0)
    assert (changed.receptor.keep, changed.receptor.drop) == (("HOH",), ("SO4",))
    assert config.with_options({}) == config


def test_a_file_comes_back_as_it_was_and_its_steps_still_set_the_temperature(tmp_path):
    options = {"samples": 3, "steps": 5, "relax": "openmm", "flexible_side_chains": 4.0, "cofactors": "heme.pdb"}
    config = DockingConfig().with_options(options)
    dump_config(config, tmp_path / "docking.yaml")
    again = load_config(tmp_path / "docking.yaml", [], DockingConfig)
    assert again == config
    slower = again.with_options({"steps": 20})
    assert pose_solver(slower.solver) == pose_solver(DockingConfig().solver)


def test_every_option_is_a_field_and_every_plain_field_an_option():
    config = DockingConfig()
    for path in option_paths().values():
        value = config
        for name in path.split("."):
            assert name in type(value).model_fields
            value = getattr(value, name)
    blocks = {"receptor", "sites", "codes", "solver", "relaxation"}
    assert (
        DockingConfig.model_fields.keys() - blocks == option_paths().keys() & DockingConfig.model_fields.keys() - blocks
    )


def test_poses_depend_on_neither_threads_nor_batches():
    config = DockingConfig()
    assert config.with_options({"threads": 3, "batch_size": 5}).result_settings() == config.result_settings()
    assert config.with_options({"steps": 5}).result_settings() != config.result_settings()


def test_settings_are_read_without_torch():
    code = "import sys, discodock.inference.config; print([n for n in ('torch', 'numpy', 'rdkit') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
