import pytest

from discodock.chem.conformers import generate_conformers
from discodock.chem.ligand import read_ligand
from discodock.chem.ligand_features import ligand_arrays
from discodock.chem.read_receptor import read_receptor
from discodock.chem.receptor_features import receptor_arrays
from discodock.inference.dock import DockingPipeline
from tests.tiny import SMALL, write_tiny_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return write_tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="session")
def pipeline(checkpoint):
    return DockingPipeline(checkpoint, "cpu")


@pytest.fixture(scope="session")
def blind_pipeline(tmp_path_factory):
    """The same score model, with a site model."""
    return DockingPipeline(
        write_tiny_checkpoint(tmp_path_factory.mktemp("weights") / "blind.safetensors", has_site_model=True), "cpu"
    )


@pytest.fixture(scope="session")
def coded_pipeline(tmp_path_factory):
    """A network with discrete codes, their prior, and a site model."""
    path = tmp_path_factory.mktemp("weights") / "codes.safetensors"
    return DockingPipeline(write_tiny_checkpoint(path, has_site_model=True, has_codes=True), "cpu")


@pytest.fixture(scope="session")
def ligand():
    return read_ligand(SMALL / "ligand.sdf")


@pytest.fixture(scope="session")
def receptor(ligand):
    return read_receptor(SMALL / "protein.pdb", reference_ligands=[ligand.mol])


@pytest.fixture(scope="session")
def arrays(receptor, ligand):
    """Receptor and ligand as the networks see them, not cropped."""
    conformers = generate_conformers(ligand.mol, 2, seed=0)
    poses = {"ligand_pos": conformers[0], "ligand_conformer_pos": conformers}
    return receptor_arrays(receptor) | ligand_arrays(ligand.mol) | poses
