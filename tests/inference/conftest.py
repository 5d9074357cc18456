import pytest

from discodock.chem.ligand import read_ligand
from discodock.chem.protein import read_receptor
from discodock.inference.dock import Docker
from tests.tiny import SMALL, write_tiny_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return write_tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="session")
def docker(checkpoint):
    return Docker(checkpoint, "cpu")


@pytest.fixture(scope="session")
def ligand():
    return read_ligand(SMALL / "ligand.sdf")


@pytest.fixture(scope="session")
def receptor(ligand):
    return read_receptor(SMALL / "protein.pdb", reference_ligands=[ligand.mol])
