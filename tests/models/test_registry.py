import pytest

from discodock.models.registry import FAMILIES, Compilable, read_score_model_config


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_family_says_of_its_score_model_what_is_so(kind):
    family, config = FAMILIES[kind], read_score_model_config({"kind": kind})
    assert issubclass(family.classes().score_model, Compilable) == family.can_compile
    assert config.kind == kind and config.embedding_size == 0


@pytest.mark.parametrize("kind", FAMILIES)
def test_larger_complexes_are_estimated_to_take_more_memory(kind):
    config = read_score_model_config({"kind": kind})
    small = config.bytes_per_pose(num_ligand=10, num_receptor=80, num_residues=10)
    assert 0 < small < config.bytes_per_pose(num_ligand=20, num_receptor=160, num_residues=20)
