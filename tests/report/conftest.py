import pytest

from discodock.chem.ligand import read_ligand
from discodock.chem.protein import read_receptor
from discodock.inference.dock import Docker
from discodock.inference.outputs import run_record, write_result
from discodock.inference.sample import SamplingConfig
from tests.tiny import SMALL, write_tiny_checkpoint

COMMAND = ("/usr/bin/discodock", "predict", "--protein", "my protein.pdb", "--ligand", "CC(=O)O")


@pytest.fixture(scope="session")
def docker(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "codes.safetensors"
    return Docker(write_tiny_checkpoint(path, has_site_model=True, has_codes=True), "cpu")


@pytest.fixture(scope="session")
def result(docker):
    """Eight poses of a real ligand on a real protein, searched blindly, with sites, codes and modes."""
    ligand = read_ligand(SMALL / "ligand.sdf")
    receptor = read_receptor(SMALL / "protein.pdb", reference_ligands=[ligand.mol])
    config = SamplingConfig.checked({"samples": 8, "seed": 0, "conformers": 2, "solver": {"steps": 2}})
    return docker.dock(receptor, ligand, None, config, name="aspirin")


@pytest.fixture(scope="session")
def record(docker):
    return run_record(docker.network, {}, COMMAND)


@pytest.fixture
def folder(result, record, tmp_path):
    """The result as docking leaves it."""
    path = tmp_path / "out" / "aspirin"
    write_result(result, path, record)
    return path
