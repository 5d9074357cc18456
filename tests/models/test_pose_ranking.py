import pytest
import torch

from discodock.models.domain import TrainingDomain
from discodock.models.pose_ranking import FEATURES, LARGEST_GAP, PoseEvidence, PoseRanking


def evidence(num=6, **changes) -> PoseEvidence:
    generator = torch.Generator().manual_seed(0)
    values = {
        "success_logit": torch.randn(num, generator=generator),
        "contact_energy": -10 * torch.rand(num, generator=generator),
        "strain": 5 * torch.rand(num, generator=generator),
        "num_atoms": 25,
    }
    return PoseEvidence(**values | changes)


def column(table, name):
    return table[:, FEATURES.index(name)]


def test_unfitted_it_says_what_the_model_says():
    table = evidence().features()
    torch.testing.assert_close(PoseRanking()(table), column(table, "confidence"))


def test_contacts_count_from_the_best_pose_and_only_so_far():
    table = evidence(3, contact_energy=torch.tensor([-8.0, -7.5, 300.0])).features()
    assert column(table, "contact_gap").tolist() == [0.0, 0.5, LARGEST_GAP]
    strained = evidence(3, strain=torch.tensor([0.0, 5.0, 1e4]), num_atoms=10).features()
    assert column(strained, "strain").tolist() == [0.0, 0.5, 1.0]


def test_fitting_finds_the_planted_coefficients_and_is_calibrated():
    generator = torch.Generator().manual_seed(3)
    table = torch.randn(20_000, 5, generator=generator, dtype=torch.float64) * 2 + 1
    planted = torch.linspace(-0.6, 0.6, 5, dtype=torch.float64)
    prob = torch.sigmoid(table @ planted - 0.7)
    is_right = torch.rand(len(table), generator=generator, dtype=torch.float64) < prob
    ranking = PoseRanking(5)
    ranking.fit(table, is_right, torch.ones(len(table)))
    torch.testing.assert_close((ranking.weight / ranking.scale).double(), planted, rtol=0, atol=0.05)
    found = torch.sigmoid(ranking(table))
    assert float(found.mean()) == pytest.approx(float(is_right.double().mean()), abs=1e-4)


def test_poses_of_no_weight_do_not_count():
    generator = torch.Generator().manual_seed(5)
    table = torch.randn(60, 2, generator=generator, dtype=torch.float64)
    is_right, weight = table[:, 0] + table[:, 1].sin() > 0.3, torch.ones(60)
    weight[40:] = 0
    whole, part = PoseRanking(2), PoseRanking(2)
    whole.fit(table, is_right, weight)
    part.fit(table[:40], is_right[:40], weight[:40])
    torch.testing.assert_close(whole(table), part(table))


@pytest.mark.parametrize("value", [True, False])
def test_nothing_can_be_learned_from_poses_of_one_kind(value):
    with pytest.raises(ValueError, match="calibrate nothing"):
        PoseRanking().fit(evidence().features(), torch.full((6,), value), torch.ones(6))


def test_what_is_far_from_the_training_data_is_outside_and_the_rest_is_not():
    generator = torch.Generator().manual_seed(4)
    mix = torch.randn(6, 6, generator=generator)
    seen, unseen, new = (torch.randn(n, 6, generator=generator) @ mix for n in (500, 400, 1000))
    domain = TrainingDomain({"pocket": 6})
    domain.fit({"pocket": seen}, {"pocket": unseen}, share=0.95)
    inside = domain({"pocket": new})["pocket"] <= 1
    assert 0.9 < float(inside.double().mean()) < 0.99
    assert (domain({"pocket": new + 8 * mix[0]})["pocket"] > 1).float().mean() > 0.95
