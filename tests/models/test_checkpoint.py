import pytest
import torch

from discodock.errors import CheckpointError
from discodock.models.all_atom.score_model import ScoreModel, ScoreModelConfig
from discodock.models.checkpoint import load_checkpoint, prefixed, save_checkpoint, start_from


def test_round_trip_is_bit_equal(tmp_path):
    config = ScoreModelConfig(num_scalars=8, num_vectors=4, num_layers=1)
    model = ScoreModel(config)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model.state_dict(), {"model": config.model_dump()}, {"step": 3})
    loaded = load_checkpoint(path)
    assert ScoreModelConfig(**loaded.config["model"]) == config
    assert loaded.info == {"step": 3}
    assert loaded.weights.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded.weights[name], value) for name, value in model.state_dict().items())
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode, "readable by whom new files are"


def test_parts_of_new_files_and_the_bare_score_model_of_old_ones(tmp_path):
    path, value = tmp_path / "model.safetensors", torch.ones(2)
    save_checkpoint(path, {**prefixed("model", {"a.b": value}), **prefixed("codes", {"a.c": 2 * value})}, {}, {})
    loaded = load_checkpoint(path)
    assert {name: float(v[0]) for name, v in loaded.part("model").items()} == {"a.b": 1.0}
    assert {name: float(v[0]) for name, v in loaded.part("codes").items()} == {"a.c": 2.0}
    assert not loaded.part("prior")
    save_checkpoint(path, {"a.b": value}, {}, {})
    assert load_checkpoint(path).part("model").keys() == {"a.b"}
    assert not load_checkpoint(path).part("codes")


def test_weights_to_start_from_may_lack_some_but_not_misfit(caplog):
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    before = module[1].weight.clone()
    given = {"0.weight": torch.full((3, 2), 7.0), "0.bias": torch.zeros(3)}
    with caplog.at_level("INFO"):
        start_from(module, given, "old.safetensors")
    assert (module[0].weight == 7).all()
    assert torch.equal(module[1].weight, before)
    assert "1.bias, 1.weight" in caplog.text
    for wrong in ({}, {"0.weight": torch.zeros(2, 3)}, {"2.weight": torch.zeros(1)}):
        with pytest.raises(CheckpointError, match=r"old\.safetensors"):
            start_from(module, wrong, "old.safetensors")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not weights", b"\x00" * 4096])
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="broken.safetensors"):
        load_checkpoint(path)


def test_truncated_and_foreign_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, {"weight": torch.ones(1000)}, {}, {})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="not a readable"):
        load_checkpoint(path)
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(3)}, path)
    with pytest.raises(CheckpointError, match="not a discodock checkpoint"):
        load_checkpoint(path)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "absent.safetensors")
