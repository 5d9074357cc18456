import pytest
import torch

from discodock.errors import CheckpointError
from discodock.models.checkpoint import load_checkpoint, save_checkpoint
from discodock.models.score_model import ScoreModel, ScoreModelConfig


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
