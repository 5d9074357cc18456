import csv

import numpy as np
import pytest
import torch

from discodock.config import load_config
from discodock.data.batch import collate
from discodock.data.module import ComplexDataModule
from discodock.diffusion.solvers import SolverConfig
from discodock.errors import ConfigError
from discodock.geometry.rmsd import symmetric_rmsd
from discodock.inference.network import load_network
from discodock.models.checkpoint import load_checkpoint
from discodock.noise import Purpose
from discodock.tasks.redocking import RedockingConfig, redock
from discodock.tasks.score import ScoreTask
from discodock.tasks.score_stage import ScoreStageConfig, train_score
from tests.tasks.half_precision import compare_precisions

TINY = (
    "task.model.num_scalars=16",
    "task.model.num_vectors=4",
    "task.model.num_layers=2",
    "task.model.num_receptor_layers=1",
    "task.redocking.num_samples=0",
    "run.accelerator=cpu",
    "run.devices=1",
    "run.checkpoint_every=4",
    "run.validate_every=1000",
    "data.batch_size=2",
    "data.num_val=2",
    "data.steps_per_epoch=4",
)
RIGID = ("2azr_982", "6rzx_KPQ")


def settings(prepared, ids, *overrides) -> ScoreStageConfig:
    fixed = [f"data.root={prepared}", f"data.ids=[{','.join(ids)}]"]
    return load_config(None, [*TINY, *fixed, *overrides], ScoreStageConfig)


@pytest.mark.parametrize("interrupted_at", [4, 6])  # at the end of an epoch, and within one, between two checkpoints
def test_a_resumed_run_equals_an_uninterrupted_one(prepared, tmp_path, interrupted_at):
    plain = ("task.optimizer.decay_fraction=0", "task.poses_per_complex=2", "task.model.layer_dropout=0.2")
    plain = (*plain, "data.receptor_jitter=0.1")
    whole = train_score(settings(prepared, RIGID, *plain, "run.max_steps=8"), tmp_path / "whole")
    train_score(settings(prepared, RIGID, *plain, f"run.max_steps={interrupted_at}"), tmp_path / "halves")
    halves = train_score(settings(prepared, RIGID, *plain, "run.max_steps=8"), tmp_path / "halves")
    expected, found = load_checkpoint(whole), load_checkpoint(halves)
    assert found.info["step"] == expected.info["step"] == 8
    for name, value in expected.weights.items():
        torch.testing.assert_close(found.weights[name], value, rtol=0, atol=0)


def test_the_time_limit_stops_a_run_that_can_go_on(prepared, tmp_path):
    weights = train_score(settings(prepared, RIGID, "run.max_steps=100000", "run.max_hours=0.001"), tmp_path)
    reached = load_checkpoint(weights).info["step"]
    assert 0 < reached < 100000
    weights = train_score(settings(prepared, RIGID, f"run.max_steps={reached + 2}"), tmp_path)
    assert load_checkpoint(weights).info["step"] == reached + 2


def test_a_folder_of_another_run_is_refused(prepared, tmp_path):
    train_score(settings(prepared, RIGID, "run.max_steps=4"), tmp_path)
    with pytest.raises(ConfigError, match="another 'task' block"):
        train_score(settings(prepared, RIGID, "run.max_steps=8", "task.optimizer.learning_rate=1"), tmp_path)


def test_a_run_of_an_older_version_goes_on(prepared, tmp_path):
    train_score(settings(prepared, RIGID, "run.max_steps=1"), tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text("".join(line for line in config.read_text().splitlines(True) if line != "  codes: null\n"))
    assert load_checkpoint(train_score(settings(prepared, RIGID, "run.max_steps=2"), tmp_path)).info["step"] == 2


def test_batches_of_validation_have_random_streams_of_their_own(prepared, monkeypatch):
    config = settings(prepared, RIGID)
    task, data = ScoreTask(config.task, 1), ComplexDataModule(config.data)
    data.setup()
    batch, seeds = collate([data.val_set[0]]), []

    def perturb(batch, t, generator):
        seeds.append(generator.initial_seed())
        raise ZeroDivisionError

    monkeypatch.setattr(task, "perturb", perturb)
    for batch_idx in range(3):
        with pytest.raises(ZeroDivisionError):
            task.validation_step(batch, batch_idx)
    assert len({*seeds, *(task.generator(Purpose.TRAINING, step).initial_seed() for step in range(100))}) == 103


def test_unknown_complex_is_refused(prepared, tmp_path):
    with pytest.raises(ConfigError, match="9xyz_ABC"):
        train_score(settings(prepared, ("9xyz_ABC",), "run.max_steps=4"), tmp_path)


def test_loss_falls_on_real_complexes(prepared, tmp_path):
    more = ("run.max_steps=120", "run.log_every=1", "task.poses_per_complex=4", "task.optimizer.warmup_steps=10")
    train_score(settings(prepared, RIGID, *more), tmp_path)
    with open(tmp_path / "logs/version_0/metrics.csv", newline="") as file:
        losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert np.mean(losses[-30:]) < 0.8 * np.mean(losses[:10])


def test_only_training_complexes_are_jittered_and_each_draw_anew(prepared):
    def crops(jitter):
        config = settings(prepared, RIGID, "data.center_jitter=0", f"data.receptor_jitter={jitter}").data
        data = ComplexDataModule(config)
        data.setup()
        return data

    still, moving = crops(0.0), crops(0.2)
    exact = still.train_set[0, 3]["receptor_pos"]
    found = [moving.train_set[0, draw]["receptor_pos"] for draw in (3, 3, 4)]
    assert (found[0] - exact).std() == pytest.approx(0.2, rel=0.1)
    assert np.array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0.2
    assert np.array_equal(moving.val_set[0]["receptor_pos"], still.val_set[0]["receptor_pos"])
    assert np.array_equal(moving.train_set[0, 3]["ligand_pos"], still.train_set[0, 3]["ligand_pos"])


@pytest.mark.slow
def test_overfitted_complexes_redock_below_two_angstrom(prepared, tmp_path):
    more = (
        "run.max_steps=700",
        "task.model.num_scalars=32",
        "task.model.num_vectors=8",
        "task.poses_per_complex=12",
        "task.optimizer.learning_rate=4e-3",
        "task.optimizer.warmup_steps=50",
        "task.optimizer.decay_fraction=0.5",
        "task.optimizer.ema_decay=0.98",
        "data.steps_per_epoch=350",
    )
    config = settings(prepared, RIGID, *more)
    network = load_network(train_score(config, tmp_path), torch.device("cpu"))
    data = ComplexDataModule(config.data)
    data.setup()
    batch = collate([data.val_set[i] for i in range(len(RIGID))])
    sampling = RedockingConfig(num_samples=20, solver=SolverConfig(steps=20))
    rmsd = redock(network.score_model, network.process, batch, sampling, seed=0)
    assert (rmsd < 2).float().mean() >= 0.8, rmsd


def test_symmetric_rmsd_takes_the_best_atom_order(prepared):
    config = settings(prepared, RIGID)
    data = ComplexDataModule(config.data)
    data.setup()
    batch = collate([data.val_set[i] for i in range(len(RIGID))])
    assert batch.automorphisms.shape[1] > 1
    for k in range(batch.automorphisms.shape[1]):
        order = batch.automorphisms[:, k]
        swapped = batch.ligand_pos.gather(1, order[..., None].expand(-1, -1, 3))
        rmsd = symmetric_rmsd(swapped, batch.ligand_pos, batch.automorphisms, batch.ligand.topology.atom_mask)
        torch.testing.assert_close(rmsd, torch.zeros(2), atol=1e-4, rtol=0)
    shifted = batch.ligand_pos + torch.tensor([3.0, 0.0, 4.0])
    rmsd = symmetric_rmsd(shifted, batch.ligand_pos, batch.automorphisms, batch.ligand.topology.atom_mask)
    assert (rmsd <= 5.0 + 1e-4).all()
    assert (rmsd > 4.0).all()


def test_a_step_in_half_precision_is_close_to_one_in_single_precision(prepared, tmp_path):
    def train(overrides, folder):
        train_score(settings(prepared, RIGID, *overrides), folder)

    compare_precisions(train, tmp_path, ("train/loss", "val/tr", "val/rot", "val/tor"))
