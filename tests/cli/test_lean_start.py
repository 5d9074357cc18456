"""What is not needed to dock is not imported: it would cost every command seconds."""

import json
import subprocess
import sys

import pytest

from tests.tiny import SMALL

NOT_NEEDED = (
    "e3nn",
    "matplotlib",
    "pandas",
    "posebusters",
    "pytorch_lightning",
    "sympy",
    "tensorboard",
    "torch._dynamo",
    "torch_geometric",
    "transformers",
)
CODE = """
import json, sys
from discodock.cli.main import run

code = run(sys.argv[1:])
json.dump({"code": code, "modules": sorted(sys.modules)}, sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", [("--pocket-ligand", SMALL / "ligand.sdf"), ()], ids=["pocket", "blind"])
def test_docking_with_the_packaged_checkpoint_imports_no_more_than_it_needs(place, tmp_path):
    command = ["predict", "-p", SMALL / "protein.pdb", "-l", SMALL / "ligand.sdf", *place, "-n", "1", "-e", "1"]
    command += ["--steps", "2", "--no-validity", "--device", "cpu", "-o", tmp_path]
    done = subprocess.run([sys.executable, "-c", CODE, *map(str, command)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout[done.stdout.index('{"code"') :])
    assert found["code"] == 0 and list(tmp_path.glob("*/poses.sdf"))
    assert {"torch", "rdkit"} <= set(found["modules"])
    assert not set(NOT_NEEDED) & set(found["modules"])
