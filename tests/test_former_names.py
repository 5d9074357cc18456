"""Files of older versions: settings and weights under their former names."""

from importlib.resources import files
from pathlib import Path

import pytest
import torch

from discodock.config import load_config
from discodock.images.generate import GenerationConfig
from discodock.images.networks.encoder import ImageEncoderConfig
from discodock.images.toy.model import ToyConfig
from discodock.models.all_atom.code_encoder import CodeEncoder
from discodock.models.checkpoint import CODES_PART, load_checkpoint, save_checkpoint
from discodock.tasks.codes import CodesConfig


@pytest.mark.parametrize("block", [CodesConfig, ImageEncoderConfig, ToyConfig, GenerationConfig])
def test_settings_are_read_under_their_former_names(block, tmp_path):
    ((former, now),) = block.renamed.items()
    path = tmp_path / "old.yaml"
    path.write_text(f"{former}: 1\n")
    found = load_config(path, [], block)
    assert found == block(**{now: 1}) != block()
    assert former not in found.model_dump()


def test_weights_are_read_under_their_former_names(tmp_path):
    path, value = tmp_path / "old.safetensors", torch.ones(1)
    save_checkpoint(path, {"codes.heads.0.first_look": value, "model.first_look": value.clone()}, {}, {})
    assert set(load_checkpoint(path).weights) == {"codes.heads.0.distance_bias", "model.first_look"}


def test_the_packaged_encoder_is_read_whole():
    checkpoint = load_checkpoint(Path(str(files("discodock") / "weights" / "default.safetensors")))
    config = CodesConfig(**checkpoint.config[CODES_PART])
    encoder = CodeEncoder(config.encoder, config.layout)
    encoder.load_state_dict(checkpoint.part(CODES_PART))
    assert config.kl_weight == 0 and float(encoder.heads[0].distance_bias.detach()) != 3.0
