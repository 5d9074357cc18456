import csv
import pickle

import numpy as np
import pytest
import torch

from discodock.config import load_config
from discodock.data.sites import SiteDataModule
from discodock.errors import CheckpointError
from discodock.inference.network import pack_network
from discodock.models.checkpoint import load_checkpoint
from discodock.models.site.model import SiteModel, SiteModelConfig
from discodock.tasks.site import FrozenReceptorEncoder, SiteTask, site_targets
from discodock.tasks.site_stage import SiteStageConfig, train_site
from tests.tasks.half_precision import compare_precisions
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


def test_receptors_are_encoded_on_the_cpu_and_without_dropout_wherever_the_model_is_trained(
    prepared, tmp_path, monkeypatch
):
    stage = []
    monkeypatch.setattr("discodock.training.stage.fit", lambda task, data, *_: stage.extend([task, data]))
    train_site(settings(prepared, "task.model.layer_dropout=0.5"), tmp_path)
    task, data = stage
    assert isinstance(pickle.loads(pickle.dumps(data.encode)), FrozenReceptorEncoder)  # workers may be spawned
    task.to("meta").train()
    found = []
    for _ in range(2):
        data.setup()  # forgets what was encoded
        found.append(data.train_set[0])
    for name in ("residue_scalars", "residue_vectors"):
        assert np.abs(found[0][name]).max() > 0
        np.testing.assert_array_equal(found[0][name], found[1][name])


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


def test_a_batch_without_a_residue_near_the_ligand_changes_nothing_of_the_offsets(prepared):
    config = settings(prepared, "task.offset_reach=1e-3")
    task = SiteTask(config.task, 1)
    data = SiteDataModule(config.data, FrozenReceptorEncoder(task.model))
    data.setup()
    batch = data.collate([data.val_set[0]])
    losses = task.losses(task._predict(batch), batch)
    assert float(losses["offset"]) == 0
    sum(losses.values()).backward()
    trained = [parameter for parameter in task.parameters() if parameter.requires_grad]
    assert all(each.grad is None or each.grad.isfinite().all() for each in trained)
    assert not task.model.offset.weight.grad.any()


def test_the_offset_s_loss_is_the_mean_over_coordinates_of_near_residues(prepared):
    config = settings(prepared)
    task = SiteTask(config.task, 1)
    data = SiteDataModule(config.data, FrozenReceptorEncoder(task.model))
    data.setup()
    batch = data.collate([data.val_set[0], data.val_set[1]])
    prediction, center = task._predict(batch), batch.ligand_center
    errors = []
    for row in range(2):
        distance = (batch.residues.pos[row] - center[row]).norm(dim=1)
        near = (distance < config.task.offset_reach) & prediction.mask[row]
        errors.append((prediction.center[row, near] - center[row]).abs().flatten())
    error = torch.cat(errors)
    expected = torch.where(error < 1, error.square() / 2, error - 0.5).mean()
    torch.testing.assert_close(task.losses(prediction, batch)["offset"], expected)


def test_targets_are_a_gaussian_of_the_distance_and_never_empty():
    distance = torch.tensor([[1.0, 4.0, 11.0, 13.0, torch.inf], [20.0, 15.0, 30.0, torch.inf, torch.inf]])
    target = site_targets(distance, 3.0, 12.0)
    expected = torch.exp(-(distance[0] ** 2) / 18) * (distance[0] < 12)
    torch.testing.assert_close(target[0], expected / expected.sum())
    assert target[1].tolist() == [0, 1, 0, 0, 0]


def test_a_step_in_half_precision_is_close_to_one_in_single_precision(prepared, tmp_path):
    def train(overrides, folder):
        train_site(settings(prepared, *overrides), folder)

    compare_precisions(train, tmp_path, ("train/code", "train/offset", "val/code"))
