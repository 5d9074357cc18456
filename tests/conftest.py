import pytest

from discodock.data.featurize import PrepareConfig
from discodock.data.prepare import prepare
from tests.tiny import COMPLEXES


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """The complexes of `tests/data`, prepared for training."""
    root = tmp_path_factory.mktemp("prepared")
    prepare(COMPLEXES, root, PrepareConfig(num_conformers=2))
    return root
