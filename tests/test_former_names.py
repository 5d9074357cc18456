"""Settings, weights and poses of older versions under their former names; columns that files have under both."""

from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from discodock.config import load_config
from discodock.data.poses import PoseDataset
from discodock.images.generate import GenerationConfig
from discodock.images.networks.encoder import ImageEncoderConfig
from discodock.images.toy.model import ToyConfig
from discodock.inference.columns import find_column, score_names, sd_tags
from discodock.inference.config import PoseCodeConfig
from discodock.models.all_atom.code_encoder import CodeEncoder
from discodock.models.checkpoint import CODES_PART, load_checkpoint, save_checkpoint
from discodock.tasks.codes import CodesConfig


@pytest.mark.parametrize("block", [CodesConfig, ImageEncoderConfig, ToyConfig, GenerationConfig, PoseCodeConfig])
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


def test_pose_stores_are_read_under_their_former_names():
    energy = np.array([-7.0, -6.0], dtype=np.float32)
    arrays = {
        "pose_pos": np.zeros((2, 1, 3), dtype=np.float32),
        "pose_rmsd": np.zeros(2, dtype=np.float32),
        "pose_contact_energy": energy,
        "ligand_pos": np.zeros((1, 3), dtype=np.float32),
        "ligand_automorphisms": np.zeros((1, 1), dtype=np.int16),
    }
    found = PoseDataset(SimpleNamespace(load=lambda name: arrays), ["1abc"], None, seed=0)[0]
    assert found["pose_ranking_energy"] is energy and "pose_contact_energy" not in found


def test_former_columns_come_once_more_at_the_end():
    names = score_names()
    assert names[-1] == "relax_shift" and find_column("relax_shift") is find_column("relax_rmsd") is not None
    tags = list(sd_tags({name: number for number, name in enumerate(names)}))
    assert "discodock_relax_shift" in tags and "discodock_relax_rmsd" not in tags
