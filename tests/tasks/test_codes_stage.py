import csv
import logging
import math

import pytest
import torch

from discodock.errors import CheckpointError
from discodock.inference.network import load_network
from discodock.latents.codebook import Codebook
from discodock.latents.pointer import Pointer
from discodock.latents.posterior import CodePosterior
from discodock.latents.registry import CodeLayout
from discodock.models.checkpoint import load_checkpoint
from discodock.tasks.codes import CodesConfig
from discodock.tasks.score import ScoreTask
from discodock.tasks.score_stage import train_score
from tests.tasks.half_precision import compare_precisions
from tests.tasks.test_score_stage import RIGID, settings

CODES = ("task.codes.encoder.num_scalars=8", "task.codes.encoder.num_vectors=4", "task.poses_per_complex=2")


def test_a_resumed_run_with_codes_equals_an_uninterrupted_one(prepared, tmp_path):
    plain = (*CODES, "task.optimizer.decay_fraction=0", "task.codes.dropout.whole=0.5")
    whole = train_score(settings(prepared, RIGID, *plain, "run.max_steps=6"), tmp_path / "whole")
    train_score(settings(prepared, RIGID, *plain, "run.max_steps=3"), tmp_path / "halves")
    halves = train_score(settings(prepared, RIGID, *plain, "run.max_steps=6"), tmp_path / "halves")
    expected, found = load_checkpoint(whole), load_checkpoint(halves)
    assert {name.split(".")[0] for name in found.weights} == {"model", "codes"}
    for name, value in expected.weights.items():
        torch.testing.assert_close(found.weights[name], value, rtol=0, atol=0)


def test_the_file_holds_everything_that_codes_need_and_is_read_for_docking(prepared, tmp_path):
    config = settings(prepared, RIGID, *CODES, "run.max_steps=2")
    path = train_score(config, tmp_path)
    checkpoint = load_checkpoint(path)
    assert CodesConfig(**checkpoint.config["codes"]) == config.task.codes
    task = ScoreTask(config.task, 1)
    task.code_encoder.load_state_dict(checkpoint.part("codes"))
    network = load_network(path, torch.device("cpu"))
    assert network.score_model.codes.layout == config.task.codes.layout


def test_a_run_with_codes_starts_from_a_network_without(prepared, tmp_path, caplog):
    plain = train_score(settings(prepared, RIGID, "run.max_steps=2"), tmp_path / "plain")
    rate = ("run.max_steps=1", "task.optimizer.learning_rate=1e-30", f"start_from={plain}")
    with caplog.at_level(logging.INFO):
        path = train_score(settings(prepared, RIGID, *CODES, *rate), tmp_path / "codes")
    assert "layers.1.convolutions.2" in caplog.text
    found = load_checkpoint(path).part("model")
    for name, value in load_checkpoint(plain).part("model").items():
        torch.testing.assert_close(found[name], value)
    wrong = settings(prepared, RIGID, *CODES, *rate, "task.model.num_scalars=20")
    with pytest.raises(CheckpointError, match="does not fit"):
        train_score(wrong, tmp_path / "wrong")


def logged_metrics(folder):
    with open(folder / "logs/version_0/metrics.csv", newline="") as file:
        return {name: float(value) for row in csv.DictReader(file) for name, value in row.items() if value}


def test_validation_compares_codes_with_none_on_the_same_noise(prepared, tmp_path):
    more = ("run.max_steps=2", "run.validate_every=2", "task.optimizer.learning_rate=1e-30", "run.log_every=1")
    redock = "task.redocking.num_samples=2"
    weights = train_score(settings(prepared, RIGID, *more, redock), tmp_path / "without")
    train_score(settings(prepared, RIGID, *CODES, *more, redock, f"start_from={weights}"), tmp_path / "with")
    metrics, without = logged_metrics(tmp_path / "with"), logged_metrics(tmp_path / "without")
    for name in ("tr", "rot", "tor", "sample_rmsd"):  # a new network does not hear the codes yet
        assert metrics[f"val_oracle/{name}"] == pytest.approx(metrics[f"val/{name}"], rel=1e-3)
        assert without[f"val/{name}"] == pytest.approx(metrics[f"val/{name}"], rel=1e-3)
    assert 1 < metrics["val_codes/perplexity_0"] <= metrics["val_codes/entries_0"]
    assert not any("nats" in name for name in metrics)  # entries of pointers differ between complexes


def test_validation_says_what_codebook_codes_tell_of_the_complex(prepared):
    book = CodeLayout(spaces=(Pointer(nodes="ligand"), Codebook(codebook_size=3)))
    config = settings(prepared, RIGID, *CODES).task
    task = ScoreTask(config.model_copy(update={"codes": config.codes.model_copy(update={"layout": book})}), 1)
    logged = {}
    task.log = lambda name, value, **_: logged.update({name: float(value)})
    sure, unsure = 100 * torch.eye(3).repeat(2, 1), torch.zeros(6, 3)
    masks = (torch.ones(5, dtype=torch.bool), torch.ones(3, dtype=torch.bool))
    for logits, expected in ((sure, math.log(3)), (unsure, 0.0)):
        task._log_codes(CodePosterior((torch.zeros(6, 5), logits), masks), 2)
        assert logged["val_codes/nats_1"] == pytest.approx(expected, abs=1e-6)
    assert "val_codes/nats_0" not in logged and logged["val_codes/entries_0"] == 5


def test_the_encoder_has_a_learning_rate_of_its_own(prepared):
    config = settings(prepared, RIGID, *CODES, "task.codes.learning_rate_factor=3")
    task = ScoreTask(config.task, 10)
    score, encoder = task.configure_optimizers()["optimizer"].param_groups
    assert encoder["initial_lr"] == pytest.approx(3 * score["initial_lr"])
    assert sum(map(len, (score["params"], encoder["params"]))) == len(list(task.parameters()))


def test_an_encoder_without_a_learning_rate_stays_as_it_is(prepared, tmp_path):
    first = train_score(settings(prepared, RIGID, *CODES, "run.max_steps=2"), tmp_path / "first")
    more = ("task.codes.learning_rate_factor=0", "task.codes.dropout.whole=0", f"start_from={first}")
    then = train_score(settings(prepared, RIGID, *CODES, *more, "run.max_steps=3"), tmp_path / "then")
    before, after = load_checkpoint(first), load_checkpoint(then)
    assert all(torch.equal(value, after.part("codes")[name]) for name, value in before.part("codes").items())
    changed = [
        name for name, value in before.part("model").items() if not torch.equal(value, after.part("model")[name])
    ]
    assert "codes.mark.weight" in changed  # the score model still learns to read the codes


def test_a_step_in_half_precision_is_close_to_one_in_single_precision(prepared, tmp_path):
    def train(overrides, folder):
        train_score(settings(prepared, RIGID, *CODES, *overrides), folder)

    compare_precisions(train, tmp_path, ("train/loss", "val_oracle/tr", "val_codes/perplexity_0"))
