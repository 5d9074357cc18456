"""The published configuration, `configs/disco_diffdock_s.yaml`, at a size that fits a test."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from discodock.config import load_config
from discodock.data.batch import collate
from discodock.diffusion.solvers import SolverConfig
from discodock.errors import CheckpointError, ConfigError
from discodock.inference.network import load_network
from discodock.models.checkpoint import load_checkpoint
from discodock.models.disco_diffdock.score_model import ResidueScoreModel
from discodock.tasks.redocking import RedockingConfig, redock
from discodock.tasks.score import ScoreTask
from discodock.tasks.score_stage import ScoreStageConfig, score_data, train_score
from tests.tasks.half_precision import compare_precisions

CONFIG = Path(__file__).parents[2] / "configs" / "disco_diffdock_s.yaml"
IDS = ("2azr_982", "6rzx_KPQ")
TINY = (
    "task.model.embedding_size=0",
    "task.codes.encoder.embedding_size=0",
    "task.model.num_scalars=6",
    "task.model.num_vectors=2",
    "task.model.num_layers=2",
    "task.model.num_basis=8",
    "task.model.receptor_neighbors=6",
    "task.codes.encoder.num_scalars=4",
    "task.codes.encoder.num_vectors=2",
    "task.codes.encoder.num_layers=1",
    "task.codes.encoder.receptor_neighbors=6",
    "task.codes.encoder.cross_cutoff=8",
    "task.redocking.num_samples=0",
    "run.accelerator=cpu",
    "run.devices=1",
    "run.validate_every=1000",
    "data.batch_size=2",
    "data.num_val=2",
)


def settings(prepared, *overrides) -> ScoreStageConfig:
    return load_config(
        CONFIG, [*TINY, f"data.root={prepared}", f"data.ids=[{','.join(IDS)}]", *overrides], ScoreStageConfig
    )


def test_the_published_numbers_are_in_the_configuration():
    task = load_config(CONFIG, [], ScoreStageConfig).task
    model, encoder, process = task.model, task.codes.encoder, task.process
    assert (model.num_scalars, model.num_vectors, model.num_layers) == (24, 6, 5)
    assert (encoder.num_scalars, encoder.num_vectors, encoder.num_layers, encoder.cross_cutoff) == (24, 4, 3, 30)
    assert (model.ligand_cutoff, model.receptor_cutoff, model.receptor_neighbors) == (5, 15, 24)
    assert (model.cross_cutoff, model.cross_cutoff_slope, model.dropout) == (20, 3, 0.1)
    assert (process.tr.sigma_min, process.tr.sigma_max, process.tor.sigma_min) == (0.1, 19, 0.03)
    assert process.rot.sigma_max / 1.55 == pytest.approx(2**0.5, rel=1e-2)
    assert [(space.kind, space.nodes) for space in task.codes.layout.spaces] == [("pointer", "complex")] * 2
    assert (task.time_alpha, task.codes.dropout.whole, task.optimizer.ema_decay) == (2, 0.1, 0.999)


def test_a_resumed_run_equals_an_uninterrupted_one(prepared, tmp_path):
    plain = ("task.optimizer.decay_fraction=0", "task.codes.dropout.whole=0.5")
    whole = train_score(settings(prepared, *plain, "run.max_steps=4"), tmp_path / "whole")
    train_score(settings(prepared, *plain, "run.max_steps=2"), tmp_path / "halves")
    halves = train_score(settings(prepared, *plain, "run.max_steps=4"), tmp_path / "halves")
    expected, found = load_checkpoint(whole), load_checkpoint(halves)
    for name, value in expected.weights.items():
        torch.testing.assert_close(found.weights[name], value, rtol=0, atol=0)


def test_validation_and_redocking_go_through_the_same_code_as_other_kinds(prepared, tmp_path):
    config = settings(
        prepared,
        "run.max_steps=2",
        "run.validate_every=2",
        "task.redocking.num_samples=2",
        "task.redocking.solver.steps=2",
    )
    path = train_score(config, tmp_path)
    with open(tmp_path / "logs/version_0/metrics.csv", newline="") as file:
        metrics = {name: float(value) for row in csv.DictReader(file) for name, value in row.items() if value}
    for prefix in ("val", "val_oracle"):
        assert all(np.isfinite(metrics[f"{prefix}/{name}"]) for name in ("tr", "rot", "tor", "sample_rmsd"))
    network = load_network(path, torch.device("cpu"))
    assert isinstance(network.score_model, ResidueScoreModel)
    data = score_data(config.data, config.task)
    data.setup()
    batch = collate([data.val_set[i] for i in range(2)])
    sampling = RedockingConfig(num_samples=3, solver=SolverConfig(steps=2))
    rmsd = redock(network.score_model, network.process, batch, sampling, seed=0)
    assert rmsd.shape == (2, 3) and rmsd.isfinite().all()
    assert rmsd.max() > 10  # blind: poses begin anywhere within tens of Å


def test_loss_falls_on_real_complexes(prepared, tmp_path):
    more = ("run.max_steps=60", "run.log_every=1", "task.optimizer.warmup_steps=5", "task.optimizer.learning_rate=5e-3")
    train_score(settings(prepared, *more, "task.poses_per_complex=2"), tmp_path)
    with open(tmp_path / "logs/version_0/metrics.csv", newline="") as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:10])


def test_a_frozen_encoder_keeps_its_batch_statistics_and_has_no_dropout(prepared, tmp_path):
    first = train_score(settings(prepared, "run.max_steps=2"), tmp_path / "first")
    frozen = ("task.codes.learning_rate_factor=0", f"start_from={first}")
    config = settings(prepared, *frozen, "run.max_steps=2")
    task = ScoreTask(config.task, 1)
    assert not any(module.training for module in task.train().code_encoder.modules()) and task.model.training
    then = train_score(config, tmp_path / "then")
    before, after = load_checkpoint(first).part("codes"), load_checkpoint(then).part("codes")
    assert any("running" in name for name in before)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_step_in_half_precision_is_close_to_one_in_single_precision(prepared, tmp_path):
    def train(overrides, folder):
        train_score(settings(prepared, *overrides), folder)

    compare_precisions(train, tmp_path, ("train/loss", "val/tr", "val_codes/perplexity_0"))


def test_contradictions_fail_when_read(prepared):
    with pytest.raises(ConfigError, match="tr_sigma_min and tr_sigma_max"):
        settings(prepared, "task.process.tr.sigma_max=5")
    with pytest.raises(ConfigError, match=r"run.compile is for models of kind all_atom"):
        settings(prepared, "run.compile=true")
    with pytest.raises(ConfigError, match="num_scalers"):
        settings(prepared, "task.model.num_scalers=5")
    with pytest.raises(ConfigError, match="embedding_size"):
        config = settings(prepared, "task.codes.encoder.embedding_size=5")
        score_data(config.data, config.task)


def test_weights_of_another_kind_are_refused(prepared, tmp_path):
    from tests.tiny import write_tiny_checkpoint

    other = write_tiny_checkpoint(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="does not fit"):
        train_score(settings(prepared, f"start_from={other}", "run.max_steps=1"), tmp_path / "run")
