import pytest
import torch

from discodock.errors import CheckpointError
from discodock.models.checkpoint import load_checkpoint, prefixed, save_checkpoint
from discodock.tasks.average import average_checkpoints


def write(path, *values):
    weights = {f"layer{number}.weight": torch.tensor(value) for number, value in enumerate(values)}
    save_checkpoint(path, prefixed("model", weights), {"model": {"kind": "all_atom"}}, {"step": len(values)})
    return path


def test_the_mean_has_the_configuration_of_the_first_and_the_history_of_all(tmp_path):
    paths = [
        write(tmp_path / f"{name}.safetensors", [x, 2.0], [3.0]) for name, x in (("a", 1.0), ("b", 4.0), ("c", 4.0))
    ]
    average_checkpoints(paths, tmp_path / "mean.safetensors")
    found = load_checkpoint(tmp_path / "mean.safetensors")
    assert found.weights["model.layer0.weight"].tolist() == [3.0, 2.0]
    assert found.weights["model.layer1.weight"].tolist() == [3.0]
    assert found.config == {"model": {"kind": "all_atom"}}
    assert [info["step"] for info in found.info["mean_of"].values()] == [2, 2, 2]


def test_other_networks_are_refused(tmp_path):
    first = write(tmp_path / "first.safetensors", [1.0, 2.0])
    for other in (write(tmp_path / "a.safetensors", [1.0]), write(tmp_path / "b.safetensors", [1.0, 2.0], [1.0])):
        with pytest.raises(CheckpointError, match="other networks"):
            average_checkpoints([first, other], tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()
