import pytest

from discodock.inference.config import DockingConfig, SiteSearchConfig
from discodock.inference.pocket import PocketSpec
from discodock.screening.config import ScreeningConfig, StageConfig
from discodock.screening.inputs import ScreenInputs
from tests.tiny import SMALL, write_tiny_checkpoint

LIBRARY = "CCO ethanol\nOc1ccccc1 phenol\nCC(=O)Oc1ccccc1C(=O)O aspirin\nC(C one\nCCO ethanol\nCCN amine\n"
"""Five ligands, two of one name, and a record that is none."""


def tiny_docking(**options):
    """Docking that does little of everything."""
    small = {"samples": 2, "exhaustiveness": 1, "conformers": 1, "steps": 2, "validity": False, "threads": 1}
    return DockingConfig(sites=SiteSearchConfig(name_pocket=False)).with_options(small | options)


def tiny_config(**options):
    stages = (
        StageConfig(name="quick", docking=tiny_docking(**options)),
        StageConfig(name="full", fraction=0.5, docking=tiny_docking(**{"samples": 3, **options})),
    )
    return ScreeningConfig(stages=stages)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return write_tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors", has_confidence=True)


@pytest.fixture
def inputs(checkpoint):
    pocket = PocketSpec(ligand=SMALL / "ligand.sdf")
    return ScreenInputs(SMALL / "protein.pdb", pocket, tiny_config(), checkpoint, "cpu")


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.smi"
    path.write_text(LIBRARY)
    return path
