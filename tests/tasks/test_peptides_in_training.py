import numpy as np
import pytest
from pydantic import ValidationError

from discodock.data.module import ComplexDataModule, DataConfig
from discodock.data.prepare_peptides import PeptideConfig, prepare_peptides
from discodock.errors import ConfigError, PreparedDataError
from tests.tasks.test_score_stage import settings

COMPLEXES = ("2azr_982", "6rzx_KPQ")


def module(prepared, *overrides, **more):
    data = ComplexDataModule(settings(prepared, COMPLEXES, *overrides).data, **more)
    data.setup()
    return data


@pytest.fixture(scope="module")
def peptides(prepared, tmp_path_factory):
    out = tmp_path_factory.mktemp("peptides")
    prepare_peptides(prepared, out, PeptideConfig(per_receptor=2))
    return out


def test_peptides_are_a_fraction_of_what_is_drawn_in_training_alone(prepared, peptides):
    plain = module(prepared)
    data = module(prepared, f"data.peptides={peptides}", "data.peptide_fraction=0.25")
    num = len(plain.train_set)
    assert len(data.train_set) > num and len(data.val_set) == len(plain.val_set)
    assert data.train_probabilities[num:].sum() == pytest.approx(0.25)
    assert data.train_probabilities[:num] == pytest.approx(0.75 * plain.train_probabilities)
    drawn = np.array([idx for idx, _ in data.train_dataloader().sampler])
    share = (drawn >= num).mean()
    assert 0.0 < share < 0.7
    batch = data.collate([data.train_set[0], data.train_set[num]])  # a ligand and a peptide in one batch
    assert batch.ligand.topology.atom_mask.any(dim=1).all()


def test_files_of_earlier_versions_keep_their_meaning(tmp_path):
    old, new = DataConfig(fragments=tmp_path, fragment_share=0.2), DataConfig(peptides=tmp_path, peptide_fraction=0.2)
    assert old == new
    with pytest.raises(ValidationError, match="fragments"):  # the same thing twice
        DataConfig(fragments=tmp_path, peptides=tmp_path)


def test_networks_of_whole_receptors_refuse_them(prepared, peptides):
    with pytest.raises(ConfigError, match="whole receptors"):
        module(prepared, f"data.peptides={peptides}", whole_receptor=True)


def test_a_store_without_peptides_to_train_on_is_refused(prepared, tmp_path):
    prepare_peptides(prepared, tmp_path, PeptideConfig(split="val"))
    with pytest.raises(PreparedDataError, match="no peptide"):
        module(prepared, f"data.peptides={tmp_path}")
