"""Stage 2 of the published configuration, `configs/prior_disco_diffdock_s.yaml`, at a size that fits a test."""

import csv
import math
from pathlib import Path

import pytest
import torch

from discodock.config import load_config
from discodock.data.batch import collate, repeat_complexes
from discodock.errors import ConfigError
from discodock.geometry.torsions import dihedral
from discodock.inference.network import load_network
from discodock.models.checkpoint import load_checkpoint
from discodock.tasks.prior import PriorTask, unbound_conformers
from discodock.tasks.prior_stage import PriorStageConfig, load_stage_one, train_prior
from discodock.tasks.score_stage import score_data, train_score
from tests.tasks.test_residue_stage import IDS, settings

CONFIG = Path(__file__).parents[2] / "configs" / "prior_disco_diffdock_s.yaml"
TINY = (
    "task.prior.num_hidden=8",
    "task.draws_per_complex=2",
    "task.frozen_steps=0",
    "run.accelerator=cpu",
    "run.devices=1",
    "run.validate_every=1000",
    "data.batch_size=2",
    "data.num_val=2",
    f"data.ids=[{','.join(IDS)}]",
)


@pytest.fixture(scope="module")
def with_codes(prepared, tmp_path_factory):
    """Stage 1 of the same, hardly trained."""
    return train_score(settings(prepared, "run.max_steps=2"), tmp_path_factory.mktemp("codes"))


@pytest.fixture(scope="module")
def config(prepared, with_codes):
    def make(*overrides) -> PriorStageConfig:
        fixed = (f"data.root={prepared}", f"start_from={with_codes}")
        return load_config(CONFIG, [*TINY, *fixed, *overrides], PriorStageConfig)

    return make


def test_the_published_numbers_are_in_the_configuration():
    task = load_config(CONFIG, ["start_from=any.safetensors"], PriorStageConfig).task
    assert task.prior.kind == "residue" and task.from_score_model and task.frozen_steps == 5000
    assert task.sampling.temperature == pytest.approx(math.exp(-1.5), rel=1e-3)


def test_a_resumed_run_equals_an_uninterrupted_one(config, tmp_path):
    plain = ("task.optimizer.decay_fraction=0", "task.frozen_steps=1")
    whole = train_prior(config(*plain, "run.max_steps=4"), tmp_path / "whole")
    train_prior(config(*plain, "run.max_steps=2"), tmp_path / "halves")
    halves = train_prior(config(*plain, "run.max_steps=4"), tmp_path / "halves")
    expected, found = load_checkpoint(whole), load_checkpoint(halves)
    assert {name.split(".")[0] for name in found.weights} == {"model", "codes", "prior"}
    for name, value in expected.weights.items():
        torch.testing.assert_close(found.weights[name], value, rtol=0, atol=0)


def test_the_prior_begins_as_the_score_network_and_stage_one_stays_as_it_is(config, with_codes, tmp_path):
    path = train_prior(config("run.max_steps=2", "task.frozen_steps=2"), tmp_path)
    before, after = load_checkpoint(with_codes), load_checkpoint(path)
    for name, value in before.weights.items():
        assert torch.equal(after.weights[name], value)
    prior, score = after.part("prior"), before.part("model")
    shared = [name for name in prior if name in score and "running" not in name and "num_batches" not in name]
    assert any(name.startswith("network.") for name in shared)
    for name in shared:
        torch.testing.assert_close(prior[name], score[name])
    network = load_network(path, torch.device("cpu"))
    assert network.code_sampling.temperature == pytest.approx(math.exp(-1.5), rel=1e-3)


def test_the_encoder_is_that_of_prediction_during_training(config, with_codes):
    task = PriorTask(config().task, load_stage_one(with_codes, 0), max_steps=1)
    for same in (task, task.train()):
        assert same.prior.training and not any(module.training for module in same.stage_one.modules())


def test_cross_entropy_falls_below_uniform(config, tmp_path):
    more = ("run.max_steps=25", "run.validate_every=25", "run.log_every=1", "task.optimizer.learning_rate=1e-2")
    train_prior(config(*more, "task.optimizer.warmup_steps=5", "task.optimizer.ema_decay=0.8"), tmp_path)
    with open(tmp_path / "logs/version_0/metrics.csv", newline="") as file:
        metrics = {name: float(value) for row in csv.DictReader(file) for name, value in row.items() if value}
    assert metrics["val/entropy"] < metrics["val/nats"] < metrics["val/uniform"]
    assert metrics["val/marginal"] < metrics["val/uniform"]


def test_conformers_of_the_prior_have_forgotten_the_bound_pose(config, with_codes):
    stage_one = load_stage_one(with_codes, 0)
    data = score_data(config().data, stage_one.config)
    data.setup()
    batch = collate([data.val_set[i] for i in range(2)])
    owner, generator = repeat_complexes(batch, 300), torch.Generator().manual_seed(0)
    drawn = unbound_conformers(stage_one.process, batch, owner, generator)[owner == 0]
    bond = batch.ligand.topology.tor_bond[0, 0].tolist()
    ends = [(batch.ligand.bond_type[0, i] > 0).nonzero().flatten().tolist() for i in bond]
    atoms = [next(a for a in ends[0] if a != bond[1]), *bond, next(a for a in ends[1] if a != bond[0])]
    angle = dihedral(*(drawn[:, i] for i in atoms))
    assert abs(torch.exp(1j * angle).mean()) < 0.2  # uniform: 0.06 on average
    axis = torch.nn.functional.normalize(drawn[:, bond[1]] - drawn[:, bond[0]], dim=-1)
    assert axis.mean(dim=0).norm() < 0.2


def test_a_prior_of_another_kind_is_refused(config, tmp_path):
    with pytest.raises(ConfigError, match="set prior.kind to that"):
        train_prior(config("task.prior={kind: all_atom}"), tmp_path)
