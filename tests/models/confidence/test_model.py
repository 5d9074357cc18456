import dataclasses

import pytest
import torch

from discodock.models.all_atom.score_model import ScoreModel, ScoreModelConfig
from discodock.models.confidence.model import (
    BIN_CENTERS,
    BIN_EDGES,
    ConfidenceModel,
    ConfidenceModelConfig,
    ConfidencePrediction,
    distance_bins,
)
from tests.models.complexes import random_complexes
from tests.rotations import random_rotmat

SIZES = [(40, 9), (25, 6)]
SMALL = {"num_scalars": 12, "num_vectors": 6, "num_layers": 2, "num_receptor_layers": 1}


def make_model(attention_heads: int = 2) -> ConfidenceModel:
    torch.manual_seed(0)
    return ConfidenceModel(ConfidenceModelConfig(**SMALL, attention_heads=attention_heads)).double().eval()


def judge(model, receptor, ligand, pos) -> ConfidencePrediction:
    return model(model.encode(receptor, ligand), pos, torch.arange(len(pos)))


@pytest.mark.parametrize("flip", [1.0, -1.0])
@pytest.mark.parametrize("seed", range(3))
def test_moving_or_mirroring_the_complex_changes_nothing(seed, flip):
    receptor, ligand, pos = random_complexes(seed, SIZES)
    model = make_model()
    rotmat, shift = flip * random_rotmat(seed), torch.randn(3, dtype=torch.float64) * 10
    moved = dataclasses.replace(receptor, pos=receptor.pos @ rotmat.T + shift)
    found, expected = judge(model, moved, ligand, pos @ rotmat.T + shift), judge(model, receptor, ligand, pos)
    torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.atom_logits, expected.atom_logits, rtol=0, atol=1e-9)


def test_it_sees_the_pose():
    receptor, ligand, pos = random_complexes(0, SIZES)
    model = make_model()
    still, moved = judge(model, receptor, ligand, pos), judge(model, receptor, ligand, pos + 1.0)
    assert (still.logits - moved.logits).abs().max() > 1e-3


def test_a_pose_is_judged_alike_alone_and_in_a_padded_batch():
    receptor, ligand, pos = random_complexes(0, SIZES)
    model = make_model()
    context = model.encode(receptor, ligand)
    together = model(context, pos, torch.arange(2))
    alone = model(context, pos[1:], torch.tensor([1]))
    torch.testing.assert_close(alone.logits[0], together.logits[1], rtol=0, atol=1e-9)


def test_the_attention_of_a_pose_adds_up_to_one_atom_by_atom():
    receptor, ligand, pos = random_complexes(0, SIZES)
    model = make_model()
    with torch.no_grad():  # attention that is the same everywhere is the mean, whatever the number of atoms
        model.attention.weight.zero_()
        first = model.pose_head[0]
        size = SMALL["num_scalars"]
        expected = judge(model, receptor, ligand, pos).logits
        first.weight[:, :size] += first.weight[:, 2 * size : 4 * size].unflatten(1, (2, size)).sum(dim=1)
        first.weight[:, 2 * size : 4 * size] = 0
        torch.testing.assert_close(judge(model, receptor, ligand, pos).logits, expected, rtol=0, atol=1e-9)


def test_success_and_expectation_follow_from_the_bins():
    torch.manual_seed(1)
    found = ConfidencePrediction(torch.randn(5, len(BIN_CENTERS)), torch.zeros(5, 3, len(BIN_CENTERS)))
    probs = found.logits.softmax(dim=1)
    near_native = probs[:, : BIN_EDGES.index(2.0) + 1].sum(dim=1)
    torch.testing.assert_close(torch.sigmoid(found.success_logit), near_native)
    torch.testing.assert_close(found.expected_rmsd(), probs @ torch.tensor(BIN_CENTERS))
    sure, lost = found.expected_rmsd(torch.ones(5)), found.expected_rmsd(torch.zeros(5))
    assert (sure < 2).all() and (lost > 2).all()


def test_bins_hold_what_lies_between_their_edges():
    distances = torch.tensor([0.0, 0.49, 0.5, 1.99, 2.0, 9.9, 10.0, 99.0])
    assert distance_bins(distances).tolist() == [0, 0, 1, 3, 4, 9, 10, 10]
    centers = torch.tensor(BIN_CENTERS)
    assert distance_bins(centers).tolist() == list(range(len(BIN_CENTERS)))


def test_it_starts_from_a_score_model_with_codes_or_without():
    torch.manual_seed(2)
    score = ScoreModel(ScoreModelConfig(**SMALL)).double()
    model = make_model()
    weights = model.from_score_model(score.state_dict())
    model.load_state_dict(weights, strict=False)
    receptor, ligand, pos = random_complexes(0, SIZES)
    context, time = score.encode(receptor, ligand), score.time_embedding(pos.new_zeros(2))
    own = model.features(model.encode(receptor, ligand), pos, torch.arange(2), time)
    expected = score.features(context, pos, torch.arange(2), time)
    torch.testing.assert_close(own.scalars, expected.scalars)
    assert not any(name.startswith(("readout", "codes")) for name in weights)


@pytest.mark.parametrize("attention_heads", [0, 2])
def test_both_groups_of_parameters_together_are_all(attention_heads):
    model = make_model(attention_heads)
    trunk, heads = model.trunk_parameters()
    assert {id(p) for p in trunk} | {id(p) for p in heads} == {id(p) for p in model.parameters()}
    assert not {id(p) for p in trunk} & {id(p) for p in heads} and heads


def test_predictions_are_not_in_half_precision():
    receptor, ligand, pos = random_complexes(0, SIZES)
    model = make_model()
    exact = judge(model, receptor, ligand, pos)
    single = dataclasses.replace(receptor, pos=receptor.pos.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = judge(model.float(), single, ligand, pos.float())
    for name in ("logits", "atom_logits"):
        assert getattr(found, name).dtype == torch.float32
        torch.testing.assert_close(getattr(found, name), getattr(exact, name).float(), rtol=0, atol=0.05)
