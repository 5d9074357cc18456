import pytest
import torch

from discodock.errors import PreparedDataError
from discodock.models.confidence.domain import ApplicabilityDomain
from discodock.models.confidence.ranking import (
    DEFAULT_FEATURES,
    EVIDENCE,
    UNNAMED_FEATURES,
    PoseEvidence,
    PoseRanking,
    RankingFeature,
    ranking_table,
)


def evidence(num=6, num_atoms=25, **facts) -> PoseEvidence:
    generator = torch.Generator().manual_seed(0)
    logit = torch.randn(num, generator=generator)
    random = {
        "ranking_energy": -10 * torch.rand(num, generator=generator),
        "strain": 5 * torch.rand(num, generator=generator),
        "agreement": torch.rand(num, generator=generator) * (1 - 1 / num) + 1 / num,
    }
    return PoseEvidence(logit, random | facts, num_atoms)


def column(known, name):
    return ranking_table(known, [name])[:, 0]


def test_unfitted_it_says_what_the_model_says():
    ranking, known = PoseRanking(DEFAULT_FEATURES), evidence()
    torch.testing.assert_close(ranking(ranking.table(known)), column(known, "confidence"))


def test_contacts_count_from_the_best_pose_and_only_so_far():
    energies = evidence(3, ranking_energy=torch.tensor([-8.0, -7.5, 300.0]))
    assert column(energies, "contact_gap").tolist() == [0.0, 0.5, EVIDENCE["contact_gap"].largest] == [0.0, 0.5, 5.0]
    strained = evidence(3, strain=torch.tensor([0.0, 5.0, 1e4]), num_atoms=10)
    assert column(strained, "strain").tolist() == [0.0, 0.5, 1.0]


def test_agreement_counts_without_a_pose_s_own_vote():
    votes = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    others = torch.tensor([0.25, 0.25, 0.0], dtype=torch.float64)
    known, expected = evidence(3, agreement=votes.mean(dim=1)), (others + 0.03).log()
    torch.testing.assert_close(column(known, "agreement"), expected)
    first_two = {name: fact[:2] for name, fact in known.facts.items()}
    chosen = PoseEvidence(known.success_logit[:2], first_two, known.num_atoms, num_candidates=3)
    torch.testing.assert_close(column(chosen, "agreement"), expected[:2])


@pytest.mark.parametrize("name", EVIDENCE)
def test_every_feature_is_a_finite_number_for_each_pose(name):
    values = column(evidence(), name)
    assert values.shape == (6,) and values.dtype == torch.float64 and values.isfinite().all()
    assert float(values.max()) <= EVIDENCE[name].largest and EVIDENCE[name].unit and EVIDENCE[name].description


def test_columns_come_in_the_order_of_the_names():
    known, names = evidence(), ["strain", "confidence"]
    torch.testing.assert_close(
        PoseRanking(names).table(known), torch.stack([column(known, name) for name in names], dim=1)
    )


def test_a_registered_feature_reads_its_fact_and_says_where_that_is_missing(monkeypatch):
    monkeypatch.setitem(EVIDENCE, "toy", RankingFeature(lambda known: known.fact("toy"), "toys", "number of toys", 2.0))
    assert column(evidence(3, toy=torch.tensor([1.0, 2.0, 3.0])), "toy").tolist() == [1.0, 2.0, 2.0]
    with pytest.raises(PreparedDataError, match="poses without 'toy'.*prepare poses"):
        column(evidence(3), "toy")


def test_rankings_of_checkpoints_without_names_read_what_they_always_did():
    assert UNNAMED_FEATURES == ("confidence", "contact_gap", "strain")


def test_fitting_finds_the_planted_coefficients_and_is_calibrated():
    generator = torch.Generator().manual_seed(3)
    table = torch.randn(20_000, 5, generator=generator, dtype=torch.float64) * 2 + 1
    planted = torch.linspace(-0.6, 0.6, 5, dtype=torch.float64)
    prob = torch.sigmoid(table @ planted - 0.7)
    is_near_native = torch.rand(len(table), generator=generator, dtype=torch.float64) < prob
    ranking = PoseRanking("abcde")
    ranking.fit(table, is_near_native, torch.ones(len(table)))
    torch.testing.assert_close((ranking.weight / ranking.scale).double(), planted, rtol=0, atol=0.05)
    found = torch.sigmoid(ranking(table))
    assert float(found.mean()) == pytest.approx(float(is_near_native.double().mean()), abs=1e-4)


def test_poses_of_no_weight_do_not_count():
    generator = torch.Generator().manual_seed(5)
    table = torch.randn(60, 2, generator=generator, dtype=torch.float64)
    is_near_native, weight = table[:, 0] + table[:, 1].sin() > 0.3, torch.ones(60)
    weight[40:] = 0
    whole, part = PoseRanking("ab"), PoseRanking("ab")
    whole.fit(table, is_near_native, weight)
    part.fit(table[:40], is_near_native[:40], weight[:40])
    torch.testing.assert_close(whole(table), part(table))


@pytest.mark.parametrize("value", [True, False])
def test_nothing_can_be_learned_from_poses_of_one_kind(value):
    with pytest.raises(ValueError, match="calibrate nothing"):
        PoseRanking("a").fit(torch.randn(6, 1), torch.full((6,), value), torch.ones(6))


def test_what_is_far_from_the_training_data_is_outside_and_the_rest_is_not():
    generator = torch.Generator().manual_seed(4)
    mix = torch.randn(6, 6, generator=generator)
    seen, unseen, new = (torch.randn(n, 6, generator=generator) @ mix for n in (500, 400, 1000))
    domain = ApplicabilityDomain({"pocket": 6})
    domain.fit({"pocket": seen}, {"pocket": unseen}, fraction=0.95)
    inside = domain({"pocket": new})["pocket"] <= 1
    assert 0.9 < float(inside.double().mean()) < 0.99
    assert (domain({"pocket": new + 8 * mix[0]})["pocket"] > 1).float().mean() > 0.95
