import numpy as np
import pytest
import torch

from discodock.models.domain import TrainingDomain
from discodock.models.pose_ranking import FEATURES, FLOOR, PoseEvidence, PoseRanking


def evidence(num=6, **changes) -> PoseEvidence:
    generator = torch.Generator().manual_seed(0)
    values = {
        "success_logit": torch.randn(num, generator=generator),
        "agreement": torch.rand(num, generator=generator) * 0.5 + 0.5 / num + 0.2,
        "contact_energy": -10 * torch.rand(num, generator=generator),
        "strain": 5 * torch.rand(num, generator=generator),
        "num_atoms": 25,
        "num_torsions": 5,
    }
    return PoseEvidence(**values | changes)


def column(table, name):
    return table[:, FEATURES.index(name)]


def test_unfitted_it_says_what_the_model_says():
    table = evidence().features()
    torch.testing.assert_close(PoseRanking()(table), column(table, "confidence"))


def test_agreement_leaves_a_pose_s_own_vote_out():
    alike = evidence(4, agreement=torch.ones(4)).features()
    lonely = evidence(4, agreement=torch.full((4,), 0.25)).features()
    torch.testing.assert_close(column(alike, "agreement"), torch.full((4,), np.log(1 + FLOOR), dtype=torch.float64))
    torch.testing.assert_close(column(lonely, "agreement"), torch.full((4,), np.log(FLOOR), dtype=torch.float64))


def test_a_single_pose_counts_as_average_in_what_it_lacks():
    ranking, many = PoseRanking(), evidence(50).features()
    ranking.fit(many, torch.arange(50) % 3 == 0, torch.ones(50))
    single = evidence(1).features()
    assert column(single, "agreement").isnan().all()
    known = single.clone()
    known[:, FEATURES.index("agreement")] = column(many, "agreement").mean()
    torch.testing.assert_close(ranking(single), ranking(known), rtol=0, atol=1e-4)


def test_fitting_finds_the_planted_coefficients_and_is_calibrated():
    generator = torch.Generator().manual_seed(3)
    table = torch.randn(20_000, len(FEATURES), generator=generator, dtype=torch.float64) * 2 + 1
    planted = torch.linspace(-0.6, 0.6, len(FEATURES), dtype=torch.float64)
    prob = torch.sigmoid(table @ planted - 0.7)
    is_right = torch.rand(len(table), generator=generator, dtype=torch.float64) < prob
    ranking = PoseRanking()
    ranking.fit(table, is_right, torch.ones(len(table)))
    torch.testing.assert_close((ranking.weight / ranking.scale).double(), planted, rtol=0, atol=0.05)
    found = torch.sigmoid(ranking(table))
    assert float(found.mean()) == pytest.approx(float(is_right.double().mean()), abs=1e-4)


def test_features_that_may_not_count_do_not():
    table = evidence(60).features()
    ranking = PoseRanking()
    ranking.fit(table, torch.arange(60) % 2 == 0, torch.ones(60), use=("agreement",))
    assert (ranking.weight != 0).tolist() == [name == "agreement" for name in FEATURES]


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
