import pytest
import torch

from discodock.models.site.distinct import allocate_samples, distinct_sites


def test_residues_that_mean_one_place_are_one_site():
    center = torch.tensor([[0.0, 0, 0], [3.0, 0, 0], [20.0, 0, 0], [40.0, 0, 0]])
    sites = distinct_sites(torch.tensor([0.2, 0.2, 0.35, 0.25]), center)
    assert [round(site.prob, 6) for site in sites] == [0.4, 0.35, 0.25]
    assert sites[0].center.tolist() == pytest.approx([1.5, 0, 0])
    assert [site.residue_idx for site in sites[1:]] == [2, 3]


def test_centre_is_weighted_by_probability_and_named_by_the_likeliest_residue():
    center = torch.tensor([[0.0, 0, 0], [4.0, 0, 0]])
    (site,) = distinct_sites(torch.tensor([0.25, 0.75]), center)
    assert site.center.tolist() == pytest.approx([3.0, 0, 0])
    assert site.residue_idx == 1
    assert site.prob == pytest.approx(1.0)


def test_sites_are_at_most_as_many_as_asked_and_sum_to_at_most_one():
    generator = torch.Generator().manual_seed(0)
    probs = torch.softmax(torch.randn(300, generator=generator), dim=0)
    center = torch.randn(300, 3, generator=generator) * 30
    sites = distinct_sites(probs, center, max_sites=3)
    assert len(sites) == 3
    assert sum(site.prob for site in sites) <= 1
    assert [site.prob for site in sites] == sorted((site.prob for site in sites), reverse=True)
    everything = distinct_sites(probs, center, max_sites=300)
    assert sum(site.prob for site in everything) == pytest.approx(1, abs=0.02)


def test_excluded_residues_are_in_no_site():
    center = torch.zeros(4, 3) + torch.arange(4.0)[:, None] * 20
    sites = distinct_sites(torch.tensor([0.0, 0.5, 0.0, 0.5]), center)
    assert {site.residue_idx for site in sites} == {1, 3}


@pytest.mark.parametrize(
    ("num_samples", "probs", "expected"),
    [
        (10, [0.5, 0.3, 0.2], [5, 3, 2]),
        (4, [0.5, 0.3, 0.2], [2, 1, 1]),
        (1, [0.4, 0.3, 0.3], [1, 0, 0]),
        (3, [0.9, 0.1], [3, 0]),
    ],
)
def test_samples_are_shared_out_by_largest_remainder(num_samples, probs, expected):
    assert allocate_samples(num_samples, probs) == expected


def test_shares_are_within_one_of_the_exact_ones():
    generator = torch.Generator().manual_seed(1)
    for num_samples in (1, 7, 40):
        probs = torch.rand(5, generator=generator).tolist()
        counts = allocate_samples(num_samples, probs)
        assert sum(counts) == num_samples
        assert all(abs(count - num_samples * prob / sum(probs)) < 1 for count, prob in zip(counts, probs, strict=True))
