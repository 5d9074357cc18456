"""The examples run as they stand, here with a tiny network and few poses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import write_tiny_checkpoint

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
}


def run(*command, **changes):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=ENVIRONMENT | changes, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def checkpoint(tmp_path):
    return write_tiny_checkpoint(tmp_path / "tiny.safetensors")


@pytest.mark.slow
def test_the_demo_redocks_every_example_and_prints_a_table(checkpoint, tmp_path):
    options = ["--samples", 2, "--steps", 2, "--checkpoint", checkpoint, "--out", tmp_path / "out"]
    printed = run(sys.executable, EXAMPLES / "demo.py", *options, COLUMNS="120")
    ids = sorted(folder.name for folder in (EXAMPLES / "complexes").iterdir())
    assert len(ids) >= 3 and all(name in printed for name in ids) and "RMSD" in printed
    assert sorted(folder.name for folder in (tmp_path / "out").iterdir()) == ids
    assert (tmp_path / "out" / ids[0] / "complex_rank1.pdb").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_the_example_commands_name_one_pocket_in_three_ways(checkpoint, tmp_path):
    run(EXAMPLES / "predict.sh", tmp_path / "out", "--steps", 2, "--checkpoint", checkpoint, SAMPLES="2")
    names = {path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")}
    assert names == {"by_ligand", "by_center", "by_residues", "summary.csv", "docking.yaml"}
