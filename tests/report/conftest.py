from dataclasses import replace

import numpy as np
import pytest

from discodock.chem.ligand import read_ligand
from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor import MovedAtoms
from discodock.inference.config import DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.outputs import run_record, write_result
from tests.tiny import SMALL, write_tiny_checkpoint

COMMAND = ("/usr/bin/discodock", "predict", "--protein", "my protein.pdb", "--ligand", "CC(=O)O")


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "codes.safetensors"
    return DockingPipeline(write_tiny_checkpoint(path, has_site_model=True, has_codes=True), "cpu")


@pytest.fixture(scope="session")
def result(pipeline):
    """Eight poses of a real ligand on a real protein, searched blindly, with sites, codes and modes."""
    ligand = read_ligand(SMALL / "ligand.sdf")
    receptor = read_receptor(SMALL / "protein.pdb", reference_ligands=[ligand.mol])
    config = DockingConfig.model_validate(
        {"samples": 8, "exhaustiveness": 1, "seed": 0, "conformers": 2, "solver": {"steps": 2}}
    )
    return pipeline.dock(receptor, ligand, None, config, name="aspirin")


@pytest.fixture(scope="session")
def record(pipeline):
    return run_record(pipeline.network, {}, COMMAND)


@pytest.fixture
def folder(result, record, tmp_path):
    """The result as docking leaves it."""
    path = tmp_path / "out" / "aspirin"
    write_result(result, path, record)
    return path


@pytest.fixture(scope="session")
def moved_result(result):
    """The result as if an oxygen of a side chain had moved with each pose, every time elsewhere."""
    receptor = result.receptor
    gaps = np.linalg.norm(receptor.pos[:, None] - result.poses[1].pos, axis=2).min(axis=1)
    gaps[~np.isin(receptor.atom_name, ["OD1", "OE1", "OG", "OG1", "OH"])] = np.inf
    atom = np.array([gaps.argmin()])
    poses = [
        replace(
            pose,
            side_chains=MovedAtoms(atom, receptor.pos[atom] + [0, 0, 0.1 * number]),
            checks=replace(pose.checks, side_chain_shift=1.0),
        )
        for number, pose in enumerate(result.poses, start=1)
    ]
    return replace(result, poses=poses)


@pytest.fixture
def moved_folder(moved_result, record, tmp_path):
    path = tmp_path / "out" / "moved"
    write_result(moved_result, path, record)
    return path
