import csv

import numpy as np
import pytest
import torch

from discodock.config import load_config
from discodock.errors import CheckpointError
from discodock.inference.network import pack_network
from discodock.models.checkpoint import load_checkpoint
from discodock.models.site_model import SiteModel, SiteModelConfig
from discodock.tasks.site import site_targets
from discodock.tasks.site_stage import SiteStageConfig, train_site
from tests.tiny import write_tiny_checkpoint

TINY = (
    "task.model.num_scalars=8",
    "task.model.num_vectors=4",
    "task.model.num_layers=1",
    "task.model.num_receptor_layers=1",
    "run.accelerator=cpu",
    "run.devices=1",
    "run.checkpoint_every=2",
    "run.validate_every=1000",
    "data.batch_size=2",
    "data.steps_per_epoch=4",
)


def settings(prepared, *overrides) -> SiteStageConfig:
    ids = "data.ids=[1bju_GP6,2azr_982,3nxo_D2B,6rzx_KPQ]"
    return load_config(None, [*TINY, f"data.root={prepared}", ids, *overrides], SiteStageConfig)


def test_a_resumed_run_equals_an_uninterrupted_one(prepared, tmp_path):
    plain = ("task.optimizer.decay_fraction=0", "task.model.dropout=0.2")
    whole = train_site(settings(prepared, *plain, "run.max_steps=8"), tmp_path / "whole")
    train_site(settings(prepared, *plain, "run.max_steps=5"), tmp_path / "halves")
    halves = train_site(settings(prepared, *plain, "run.max_steps=8"), tmp_path / "halves")
    expected, found = load_checkpoint(whole), load_checkpoint(halves)
    assert found.info["step"] == expected.info["step"] == 8
    for name, value in expected.weights.items():
        torch.testing.assert_close(found.weights[name], value, rtol=0, atol=0)


def test_it_learns_the_sites_of_real_complexes(prepared, tmp_path):
    more = ("run.max_steps=60", "run.validate_every=60", "run.log_every=1", "task.optimizer.warmup_steps=5")
    rates = ("task.optimizer.learning_rate=1e-2", "task.optimizer.ema_decay=0.9", "task.model.dropout=0")
    train_site(settings(prepared, *more, *rates), tmp_path)
    with open(tmp_path / "logs/version_0/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["train/code"]) for row in rows if row.get("train/code")]
    assert np.mean(losses[-10:]) < np.mean(losses[:5]) - 0.5
    validation = [row for row in rows if row.get("val/top1")][-1]
    assert float(validation["val/top1"]) <= float(validation["val/top5"]) == 1.0


def test_the_encoder_of_a_score_model_is_taken_and_kept(prepared, tmp_path):
    score = write_tiny_checkpoint(tmp_path / "score.safetensors")
    start = f"start_from={score}"
    weights = train_site(settings(prepared, start, "run.max_steps=2"), tmp_path / "run")
    taken, given = load_checkpoint(weights).part("site"), load_checkpoint(score).part("model")
    names = [name for name in given if name.startswith("receptor_encoder.")]
    assert names
    for name in names:
        torch.testing.assert_close(taken[name], given[name], rtol=0, atol=1e-6)
    with pytest.raises(CheckpointError, match="does not fit"):
        train_site(settings(prepared, start, "task.model.num_scalars=12"), tmp_path / "other")


def test_score_and_site_model_go_into_one_file(prepared, tmp_path):
    score = write_tiny_checkpoint(tmp_path / "score.safetensors")
    site = train_site(settings(prepared, "run.max_steps=2"), tmp_path / "run")
    with pytest.raises(CheckpointError, match="not usable here"):
        pack_network([site], tmp_path / "half.safetensors")
    assert pack_network([score, site], tmp_path / "both.safetensors").site_model is not None
    both = load_checkpoint(tmp_path / "both.safetensors")
    assert both.config.keys() == {"model", "process", "site"}
    assert both.part("model").keys() == load_checkpoint(score).part("model").keys()
    assert both.info.keys() == {"score.safetensors", "site.safetensors"}
    model = SiteModel(SiteModelConfig(**both.config["site"]))
    model.load_state_dict(both.part("site"))


def test_targets_are_a_gaussian_of_the_distance_and_never_empty():
    distance = torch.tensor([[1.0, 4.0, 11.0, 13.0, torch.inf], [20.0, 15.0, 30.0, torch.inf, torch.inf]])
    target = site_targets(distance, 3.0, 12.0)
    expected = torch.exp(-(distance[0] ** 2) / 18) * (distance[0] < 12)
    torch.testing.assert_close(target[0], expected / expected.sum())
    assert target[1].tolist() == [0, 1, 0, 0, 0]
