import csv

import numpy as np
import pytest
import torch

from discodock.config import load_config
from discodock.data.poses import whole_set
from discodock.data.store import COMPLEX_DIR, INDEX_FILE, IndexRow, PreparedStore, write_arrays, write_rows
from discodock.errors import CheckpointError, PreparedDataError
from discodock.inference.network import default_checkpoint, load_network, pack_network
from discodock.models.checkpoint import CONFIDENCE_PART, load_checkpoint
from discodock.models.confidence.model import ConfidenceModel
from discodock.models.confidence.ranking import EVIDENCE, RankingFeature
from discodock.tasks.confidence import evidence, list_loss, pair_accuracy, pair_loss, predict
from discodock.tasks.confidence_stage import (
    ConfidenceStageConfig,
    calibrate_file,
    start_confidence,
    train_confidence,
)
from tests.tasks.half_precision import compare_precisions
from tests.tiny import CONFIDENCE_CONFIG, write_tiny_checkpoint

TINY = (
    "task.model.num_scalars=8",
    "task.model.num_vectors=4",
    "task.model.num_layers=1",
    "task.model.num_receptor_layers=1",
    "task.model.num_ligand_layers=1",
    "run.accelerator=cpu",
    "run.devices=1",
    "run.checkpoint_every=2",
    "run.validate_every=1000",
    "data.batch_size=2",
    "data.steps_per_epoch=4",
    "data.poses_per_complex=4",
)
NUM_POSES = 8


@pytest.fixture(scope="session")
def docked(prepared, tmp_path_factory):
    """The prepared complexes with poses moved from the crystal's by up to 8 Å; half of them train, half val."""
    root, source = tmp_path_factory.mktemp("poses"), PreparedStore(prepared)
    (root / COMPLEX_DIR).mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number, row in enumerate(source.index):
        arrays = source.load(row.id)
        center = arrays["ligand_pos"].mean(axis=0)
        near = np.linalg.norm(arrays["receptor_pos"] - center, axis=1) < 12
        arrays = {k: v[near] if k.startswith("receptor_") else v for k, v in arrays.items()}
        _, kept = np.unique(arrays["receptor_residue_idx"], return_inverse=True)
        arrays["receptor_residue_idx"] = kept.astype(np.int32)
        for name in ("receptor_pos", "ligand_pos", "ligand_conformer_pos"):
            arrays[name] = (arrays[name] - center).astype(np.float32)
        distance = np.where(np.arange(NUM_POSES) % 2, rng.uniform(5, 8, NUM_POSES), rng.uniform(0, 1, NUM_POSES))
        direction = rng.normal(size=(NUM_POSES, 3))
        shift = distance[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        values = {"rmsd": distance, "agreement": np.exp(-distance / 8), "ranking_energy": distance - 8,
                  "strain": distance, "toy": (distance < 2).astype(float)}  # fmt: skip
        arrays |= {f"pose_{name}": value.astype(np.float32) for name, value in values.items()}
        arrays["pose_pos"] = (arrays["ligand_pos"] + shift[:, None]).astype(np.float32)
        file = f"{COMPLEX_DIR}/{row.id}.npz"
        write_arrays(root / file, arrays)
        sizes = row.num_ligand_atoms, row.num_torsions, row.num_residues
        rows.append(IndexRow(row.id, "val" if number % 2 else "train", row.cluster, *sizes, file, "key"))
    write_rows(root / INDEX_FILE, rows, IndexRow)
    return root


def settings(docked, *overrides) -> ConfidenceStageConfig:
    return load_config(None, [*TINY, f"data.root={docked}", *overrides], ConfidenceStageConfig)


def test_a_resumed_run_equals_an_uninterrupted_one(docked, tmp_path):
    plain = ("task.optimizer.decay_fraction=0", "task.model.dropout=0.2")
    whole = train_confidence(settings(docked, *plain, "run.max_steps=8"), tmp_path / "whole")
    train_confidence(settings(docked, *plain, "run.max_steps=5"), tmp_path / "halves")
    halves = train_confidence(settings(docked, *plain, "run.max_steps=8"), tmp_path / "halves")
    expected, found = load_checkpoint(whole), load_checkpoint(halves)
    assert found.info["step"] == expected.info["step"] == 8
    for name, value in expected.weights.items():
        torch.testing.assert_close(found.weights[name], value, rtol=0, atol=0)


def test_it_learns_to_tell_near_native_poses_from_decoys_and_is_calibrated(docked, tmp_path):
    more = ("run.max_steps=60", "run.validate_every=60", "run.log_every=1", "task.optimizer.warmup_steps=5")
    rates = ("task.optimizer.learning_rate=1e-2", "task.optimizer.ema_decay=0.9", "task.model.dropout=0")
    weights = train_confidence(settings(docked, *more, *rates), tmp_path)
    with open(tmp_path / "logs/version_0/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["train/pose"]) for row in rows if row.get("train/pose")]
    assert np.mean(losses[-10:]) < np.mean(losses[:5]) - 0.5
    assert float([row for row in rows if row.get("val/pairs")][-1]["val/pairs"]) > 0.6
    figures = load_checkpoint(weights).info["calibration"]
    assert figures["val_complexes"] == 4 and figures["nats_after"] < figures["nats_before"]


def test_calibration_makes_probabilities_right_on_average(docked, tmp_path):
    weights = train_confidence(settings(docked, "run.max_steps=1"), tmp_path)
    checkpoint = load_checkpoint(weights)
    model = ConfidenceModel(CONFIDENCE_CONFIG).eval()
    model.load_state_dict(checkpoint.part(CONFIDENCE_PART))
    said, came = [], []
    with torch.no_grad():
        for batch in whole_set(docked, "val"):
            said.append(torch.sigmoid(model.ranking(model.ranking.table(evidence(batch, predict(model, batch))))))
            came.append(batch.rmsd < 2)
    assert float(torch.cat(said).mean()) == pytest.approx(float(torch.cat(came).double().mean()), abs=1e-3)


def toy_feature() -> RankingFeature:
    return RankingFeature(lambda known: known.fact("toy"), "none", "1 for near-native poses of this test, 0 for others")


def test_a_new_ranking_feature_is_fitted_written_loaded_and_ranked_by(docked, tmp_path, monkeypatch):
    score = write_tiny_checkpoint(tmp_path / "score.safetensors")
    monkeypatch.setitem(EVIDENCE, "toy", toy_feature())
    chosen = 'task.model.ranking_features=["confidence", "toy"]'
    weights = train_confidence(settings(docked, "run.max_steps=1", chosen), tmp_path / "run")
    model = pack_network([score, weights], tmp_path / "both.safetensors").confidence_model
    assert model is not None and model.ranking.names == ("confidence", "toy")
    with torch.no_grad():
        for batch in whole_set(docked, "val"):
            log_odds = model.ranking(model.ranking.table(evidence(batch, predict(model, batch))))
            assert log_odds[batch.rmsd < 2].min() > log_odds[batch.rmsd > 2].max()
    start_confidence(ConfidenceModel(CONFIDENCE_CONFIG), weights)  # which has a ranking of its own
    monkeypatch.delitem(EVIDENCE, "toy")
    with pytest.raises(CheckpointError, match="ranking_features.1 is 'toy': choose confidence, contact_gap") as error:
        load_network(tmp_path / "both.safetensors", torch.device("cpu"))
    assert len(str(error.value).splitlines()) == 1


def test_rankings_that_name_no_features_load_and_rank_as_ever(docked, monkeypatch):
    monkeypatch.setitem(EVIDENCE, "toy", toy_feature())
    assert "ranking_features" not in load_checkpoint(default_checkpoint()).config[CONFIDENCE_PART]
    model = load_network(None, torch.device("cpu")).confidence_model
    assert model is not None
    for batch in whole_set(docked, "val"):
        known = evidence(batch, predict(model, batch))
        energy, strain = batch.facts["ranking_energy"].double(), batch.facts["strain"].double()
        gap, strain = (energy - energy.min()).clamp(max=5), (strain / known.num_atoms).clamp(max=1)
        table = torch.stack([known.success_logit.double(), gap, strain], dim=1)
        torch.testing.assert_close(model.ranking.table(known), table, rtol=0, atol=0)


def test_it_starts_from_a_score_model_and_joins_it_in_one_file(docked, tmp_path):
    score = write_tiny_checkpoint(tmp_path / "score.safetensors", has_codes=True)
    frozen = ("task.trunk_learning_rate_factor=0", "run.max_steps=2", f"start_from={score}")
    weights = train_confidence(settings(docked, *frozen), tmp_path / "run")
    trunk = load_checkpoint(weights).part(CONFIDENCE_PART)
    for name, value in load_checkpoint(score).part("model").items():
        if name in trunk and not name.startswith("layers.0.norm"):
            torch.testing.assert_close(trunk[name], value)
    network = pack_network([score, weights], tmp_path / "both.safetensors")
    assert network.confidence_model is not None and network.code_prior is not None
    assert load_network(score, torch.device("cpu")).confidence_model is None


def test_what_does_not_fit_is_said_in_one_line(docked, tmp_path):
    score = write_tiny_checkpoint(tmp_path / "score.safetensors")
    with pytest.raises(CheckpointError, match="does not fit"):
        train_confidence(settings(docked, f"start_from={score}", "task.model.num_scalars=16"), tmp_path / "run")


def test_without_validation_complexes_there_is_no_calibration(docked, tmp_path):
    weights = train_confidence(settings(docked, "run.max_steps=1"), tmp_path / "run")
    rows = [row for row in PreparedStore(docked).index if row.split == "train"]
    (tmp_path / "train").mkdir()
    write_rows(tmp_path / "train" / INDEX_FILE, rows, IndexRow)
    data = settings(docked, f"data.val_root={tmp_path / 'train'}").data
    with pytest.raises(PreparedDataError, match="no complex of the val split"):
        calibrate_file(weights, data)


def test_pairs_are_counted_with_ties_as_half():
    score, is_near_native = torch.tensor([3.0, 1.0, 2.0, 1.0]), torch.tensor([True, True, False, False])
    assert float(pair_accuracy(score, is_near_native)) == pytest.approx((2 + 0.5) / 4)
    assert pair_accuracy(score, torch.ones(4, dtype=torch.bool)) is None


def poses_of_four_complexes(seed):
    generator = torch.Generator().manual_seed(seed)
    score = torch.randn(20, generator=generator, requires_grad=True)
    is_near_native = torch.rand(20, generator=generator) < 0.4
    pose_complex = torch.randint(4, (20,), generator=generator)
    is_near_native[pose_complex == 1] = False  # a complex without pairs
    return score, is_near_native, pose_complex


@pytest.mark.parametrize("seed", range(5))
def test_the_losses_of_order_are_those_of_plain_loops(seed):
    score, is_near_native, pose_complex = poses_of_four_complexes(seed)
    pair_means, list_nats = [], []
    for own in (pose_complex == k for k in range(4)):
        near_native, decoys = score[own & is_near_native], score[own & ~is_near_native]
        pairs = [-torch.sigmoid(n - d).log() for n in near_native for d in decoys]
        if pairs:
            pair_means.append(torch.stack(pairs).mean())
            list_nats.append(-score[own].softmax(dim=0)[is_near_native[own]].sum().log())
    for loss, parts in ((pair_loss, pair_means), (list_loss, list_nats)):
        found, expected = loss(score, is_near_native, pose_complex), torch.stack(parts).mean()
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
        gradients = [torch.autograd.grad(each, score)[0] for each in (found, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", [pair_loss, list_loss])
@pytest.mark.parametrize("is_near_native", [True, False])
def test_without_poses_of_both_kinds_there_is_no_loss_of_order(loss, is_near_native):
    score = torch.randn(6, requires_grad=True)
    nats = loss(score, torch.full((6,), is_near_native), torch.zeros(6, dtype=torch.int64))
    nats.backward()
    assert nats.item() == 0.0 and not score.grad.any()


def test_a_wider_pose_head_begins_afresh_on_the_trunk_of_a_confidence_model(docked, tmp_path):
    first = train_confidence(settings(docked, "run.max_steps=1"), tmp_path / "first")
    more = ("task.model.attention_heads=2", "task.list_weight=0.5", "run.max_steps=2", f"start_from={first}")
    second = train_confidence(settings(docked, *more, "task.trunk_learning_rate_factor=0"), tmp_path / "second")
    old, new = (load_checkpoint(path).part(CONFIDENCE_PART) for path in (first, second))
    assert old.keys() < new.keys() and new["pose_head.0.weight"].shape[1] > old["pose_head.0.weight"].shape[1]
    for name in (name for name in old if name.startswith("layers.") and name.endswith("weight")):
        torch.testing.assert_close(new[name], old[name])


def test_a_step_in_half_precision_is_close_to_one_in_single_precision(docked, tmp_path):
    def train(overrides, folder):
        train_confidence(settings(docked, "data.batch_size=1", *overrides), folder)

    compare_precisions(train, tmp_path, ("train/pose", "train/atom", "val/pose", "val/atom"))
