import csv

import pytest
import torch

from discodock.config import load_config
from discodock.data.batch import collate
from discodock.data.module import ComplexDataModule
from discodock.errors import CheckpointError, ConfigError
from discodock.inference.network import load_network
from discodock.latents.codebook import Codebook
from discodock.latents.pointer import Pointer
from discodock.latents.registry import CodeLayout
from discodock.models.checkpoint import load_checkpoint
from discodock.noise import Purpose
from discodock.tasks.code_baseline import CategoryBaseline
from discodock.tasks.prior import PriorTask
from discodock.tasks.prior_stage import PriorStageConfig, load_stage_one, train_prior
from discodock.tasks.score_stage import train_score
from tests.tasks.half_precision import compare_precisions
from tests.tasks.test_codes_stage import CODES
from tests.tasks.test_score_stage import RIGID, settings

TINY = (
    "task.prior.num_channels=16",
    "task.prior.num_heads=2",
    "task.prior.num_context_rounds=1",
    "task.prior.num_code_rounds=1",
    "task.draws_per_complex=4",
    "run.accelerator=cpu",
    "run.devices=1",
    "run.checkpoint_every=4",
    "run.validate_every=1000",
    "data.batch_size=2",
    "data.num_val=2",
    "data.steps_per_epoch=4",
    f"data.ids=[{','.join(RIGID)}]",
)


@pytest.fixture(scope="module")
def with_codes(prepared, tmp_path_factory):
    """A network with codes that has hardly been trained."""
    return train_score(settings(prepared, RIGID, *CODES, "run.max_steps=2"), tmp_path_factory.mktemp("codes"))


@pytest.fixture
def config(prepared, with_codes):
    def make(*overrides) -> PriorStageConfig:
        fixed = (f"data.root={prepared}", f"start_from={with_codes}")
        return load_config(None, [*TINY, *fixed, *overrides], PriorStageConfig)

    return make


def read_metrics(folder):
    with open(folder / "logs/version_0/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}


def test_a_resumed_run_equals_an_uninterrupted_one(config, tmp_path):
    plain = ("task.optimizer.decay_fraction=0",)
    whole = train_prior(config(*plain, "run.max_steps=6"), tmp_path / "whole")
    train_prior(config(*plain, "run.max_steps=3"), tmp_path / "halves")
    halves = train_prior(config(*plain, "run.max_steps=6"), tmp_path / "halves")
    expected, found = load_checkpoint(whole), load_checkpoint(halves)
    assert {name.split(".")[0] for name in found.weights} == {"model", "codes", "prior"}
    for name, value in expected.weights.items():
        torch.testing.assert_close(found.weights[name], value, rtol=0, atol=0)


def test_stage_one_is_kept_to_the_last_bit_and_the_prior_starts_from_its_encoders(config, with_codes, tmp_path):
    path = train_prior(config("run.max_steps=2", "task.encoder_learning_rate_factor=0"), tmp_path)
    before, after = load_checkpoint(with_codes), load_checkpoint(path)
    assert after.config.keys() == before.config.keys() | {"prior", "sampling"}
    for name, value in before.weights.items():
        assert torch.equal(after.weights[name], value)
    prior, score = after.part("prior"), before.part("model")
    for name in ("receptor_encoder.embedding.embedding.weight", "ligand_encoder.bond_embedding.weight"):
        torch.testing.assert_close(prior[name], score[name])
    load_network(path, torch.device("cpu"))


def test_cross_entropy_falls_towards_the_entropy_of_the_encoder(config, tmp_path):
    more = ("run.max_steps=80", "run.validate_every=80", "run.log_every=1", "task.optimizer.learning_rate=1e-2")
    small = ("task.optimizer.warmup_steps=5", "task.optimizer.ema_decay=0.8", "task.redocking.num_samples=2")
    train_prior(config(*more, *small), tmp_path)
    metrics = read_metrics(tmp_path)
    (nats,), (entropy,), (uniform,) = (metrics[f"val/{name}"] for name in ("nats", "entropy", "uniform"))
    assert entropy < nats < (entropy + uniform) / 2
    assert metrics["val/marginal"][0] < uniform
    assert 0 <= metrics["val_prior/oracle_lt2"][0] <= 1


def test_a_network_without_codes_is_refused(config, prepared, tmp_path):
    plain = train_score(settings(prepared, RIGID, "run.max_steps=1"), tmp_path / "plain")
    with pytest.raises(CheckpointError, match="without codes"):
        train_prior(config(f"start_from={plain}"), tmp_path / "prior")


def test_compiling_is_refused_when_the_configuration_is_read(config):
    with pytest.raises(ConfigError, match="run.compile is not for priors of codes; set it to false"):
        config("run.compile=true")


def test_batches_of_validation_have_random_streams_of_their_own(config, with_codes, monkeypatch):
    stage_one = load_stage_one(with_codes, 0)
    task = PriorTask(config().task, stage_one, 1)
    seeds = []

    def encode_nothing(batch, generator):
        seeds.append(generator.initial_seed())
        raise ZeroDivisionError

    monkeypatch.setattr(task, "draw", encode_nothing)
    data = ComplexDataModule(config().data)
    data.setup()
    batch = collate([data.val_set[0]])
    for batch_idx in range(3):
        with pytest.raises(ZeroDivisionError):
            task.validation_step(batch, batch_idx)
    assert len({*seeds, *(task.generator(Purpose.TRAINING, step).initial_seed() for step in range(100))}) == 103


def test_the_marginal_baseline_is_the_frequency_of_categories(config):
    data = ComplexDataModule(config().data)
    data.setup()
    batch = collate([data.val_set[i] for i in range(len(RIGID))])
    layout = CodeLayout(spaces=(Pointer(nodes="residues"), Codebook(codebook_size=3)))
    baseline, own = CategoryBaseline(layout), torch.arange(2)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(n) for n in count_residues(batch)], batch_first=True)
    probs = (mask / mask.sum(1, keepdim=True), torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0]]))
    masks = (mask.bool(), torch.ones(2, 3, dtype=torch.bool))
    for _ in range(2000):
        baseline.count(batch, own, probs, masks)
    found = baseline.cross_entropy(batch, own, probs, masks)
    frequency = torch.tensor([0.75, 0.25])
    expected = -(probs[1][:, :2] * frequency.log()).sum(1)
    torch.testing.assert_close(found[:, 1], expected, atol=1e-3, rtol=0)
    assert (found[:, 0] <= mask.sum(1).log() + 0.2).all()


def count_residues(batch):
    receptor = batch.receptor
    return [len(numbers[mask].unique()) for numbers, mask in zip(receptor.residue_idx, receptor.mask, strict=True)]


def test_a_step_in_half_precision_is_close_to_one_in_single_precision(config, tmp_path):
    def train(overrides, folder):
        train_prior(config(*overrides), folder)

    compare_precisions(train, tmp_path, ("train/nats", "val/nats", "val/entropy"))
