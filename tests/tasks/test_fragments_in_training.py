import numpy as np
import pytest

from discodock.data.module import ComplexDataModule
from discodock.data.prepare_fragments import FragmentConfig, prepare_fragments
from discodock.errors import ConfigError, PreparedDataError
from tests.tasks.test_score_stage import settings

COMPLEXES = ("2azr_982", "6rzx_KPQ")


def module(prepared, *overrides, **more):
    data = ComplexDataModule(settings(prepared, COMPLEXES, *overrides).data, **more)
    data.setup()
    return data


@pytest.fixture(scope="module")
def fragments(prepared, tmp_path_factory):
    out = tmp_path_factory.mktemp("fragments")
    prepare_fragments(prepared, out, FragmentConfig(per_receptor=2))
    return out


def test_fragments_are_a_share_of_what_is_drawn_in_training_alone(prepared, fragments):
    plain = module(prepared)
    data = module(prepared, f"data.fragments={fragments}", "data.fragment_share=0.25")
    num = len(plain.train_set)
    assert len(data.train_set) > num and len(data.val_set) == len(plain.val_set)
    assert data.train_probabilities[num:].sum() == pytest.approx(0.25)
    assert data.train_probabilities[:num] == pytest.approx(0.75 * plain.train_probabilities)
    drawn = np.array([idx for idx, _ in data.train_dataloader().sampler])
    share = (drawn >= num).mean()
    assert 0.0 < share < 0.7
    batch = data.collate([data.train_set[0], data.train_set[num]])  # a ligand and a peptide in one batch
    assert batch.ligand.topology.atom_mask.any(dim=1).all()


def test_networks_of_whole_receptors_refuse_them(prepared, fragments):
    with pytest.raises(ConfigError, match="whole receptors"):
        module(prepared, f"data.fragments={fragments}", whole_receptor=True)


def test_a_store_without_fragments_to_train_on_is_refused(prepared, tmp_path):
    prepare_fragments(prepared, tmp_path, FragmentConfig(split="val"))
    with pytest.raises(PreparedDataError, match="no fragment"):
        module(prepared, f"data.fragments={tmp_path}")
