from dataclasses import replace
from functools import partial
from itertools import product

import pytest
import torch
from torch import nn

from discodock.latents.categorical import NULL_CODE
from discodock.latents.code_sampling import CodeSampling
from discodock.latents.posterior import CodePosterior
from discodock.latents.prior import CodePrior, hide_from, random_positions
from discodock.latents.registry import CodesEmbedding
from discodock.noise import Purpose, StreamNoise
from tests.latents.kinds import CHANNELS, MIXED, NUM_SAMPLES, SEEDS, generator, node_masks, node_sets

CPU = torch.device("cpu")
WIDTHS = (6, 3, 4)


class TinyNetwork(nn.Module):
    """Looks at all codes it is shown, the null ones too; pointers are scored node by node."""

    def __init__(self, seed):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.embedding = CodesEmbedding(MIXED, CHANNELS)
            self.trunk = nn.Sequential(nn.Linear(3 * CHANNELS, 16), nn.Tanh())
            self.heads = nn.ModuleList([nn.Linear(16, CHANNELS), nn.Linear(16, 3), nn.Linear(16, CHANNELS)])

    def forward(self, nodes, masks, codes):
        weights = MIXED.one_hot(codes, masks, torch.float64)
        state = self.trunk(self.embedding(weights, nodes).flatten(1))
        logits = []
        for space, head in zip(MIXED.spaces, self.heads, strict=True):
            query = head(state)
            to_nodes = space.kind == "pointer"
            logits.append(torch.einsum("bnc,bc->bn", nodes[space.nodes], query) if to_nodes else query)
        return logits


EACH = torch.arange(NUM_SAMPLES)


def make_prior(seed, rows=EACH):
    """The prior of four samples, or of rows of them."""
    nodes, masks = ({name: each[rows] for name, each in made(seed).items()} for made in (node_sets, node_masks))
    masks = MIXED.masks(masks, CPU)
    network = TinyNetwork(seed).double()
    return CodePrior(MIXED, lambda codes: network(nodes, masks, codes), masks)


def causal_logits(codes):
    """Each code shifts the logits of later ones, and no others."""
    shifts = torch.cat([torch.zeros(len(codes), 1), codes[:, :-1].cumsum(1) + 1.0], dim=1).double()
    return [torch.sin(shifts[:, i : i + 1] * torch.arange(1.0, width + 1) + i) for i, width in enumerate(WIDTHS)]


def make_causal(seed, rows=EACH, codes_per_call=1):
    masks = {name: mask[rows] for name, mask in node_masks(seed).items()}
    return CodePrior(MIXED, causal_logits, MIXED.masks(masks, CPU), codes_per_call)


def every_code():
    return torch.tensor(list(product(*map(range, WIDTHS))))


def number(codes):
    """Of a combination, in the order of `every_code`."""
    return (codes * torch.tensor([12, 4, 1])).sum(1)


def table(prior):
    """Probabilities of every combination of codes for every sample, shape (combinations, NUM_SAMPLES)."""
    with torch.no_grad():
        return torch.stack([prior.log_prob(row.expand(NUM_SAMPLES, -1)) for row in every_code()]).exp()


MAKERS = pytest.mark.parametrize(
    "make",
    [make_prior, make_causal, partial(make_causal, codes_per_call=3)],
    ids=["any network", "causal network", "causal network in one call"],
)


@MAKERS
@pytest.mark.parametrize("seed", SEEDS)
def test_log_prob_sums_to_one_by_enumeration(make, seed):
    total = table(make(seed)).sum(0)
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-10, rtol=0)


@MAKERS
@pytest.mark.parametrize("seed", SEEDS)
def test_changing_code_j_leaves_the_logits_of_i_up_to_j_alone(make, seed):
    prior = make(seed)
    codes = torch.zeros(NUM_SAMPLES, 3, dtype=torch.int64)
    before = prior.all_logits(codes)
    for j in range(3):
        changed = codes.clone()
        changed[:, j] = 1
        after = prior.all_logits(changed)
        for i in range(3):
            assert torch.equal(after[i], before[i]) == (i <= j)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_causal_network_gives_the_same_logits_in_fewer_calls(width):
    shown = []

    def watched(codes):
        shown.append(codes)
        return causal_logits(codes)

    prior, codes = make_causal(0), every_code()
    found = replace(prior, code_logits=watched, codes_per_call=width).all_logits(codes)
    for each, expected in zip(found, prior.all_logits(codes), strict=True):
        assert torch.equal(each, expected)
    assert len(shown) == {1: 3, 2: 2, 3: 1}[width]
    for call, each in enumerate(shown):
        assert torch.equal(each, hide_from(codes, width * (call + 1) - 1))


@MAKERS
@pytest.mark.parametrize("seed", SEEDS)
def test_samples_follow_log_prob_and_say_it(make, seed):
    expected, rows = table(make(seed)), EACH.repeat(3000)
    prior = make(seed, rows)
    found = prior.sample(len(rows), generator(seed))
    with torch.no_grad():
        torch.testing.assert_close(found.log_prob, prior.log_prob(found.codes))
    counts = torch.zeros_like(expected).index_put_(
        (number(found.codes), rows), torch.ones(()).double(), accumulate=True
    )
    assert ((counts / 3000 - expected).abs().sum(0) / 2).max() < 0.08
    assert counts[expected == 0].sum() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restriction_never_leaks_and_is_the_conditional_distribution(seed):
    prior = make_prior(seed)
    allowed = torch.zeros(NUM_SAMPLES, 6, dtype=torch.bool)
    for row, mask in enumerate(prior.masks[0]):
        allowed[row, mask.nonzero()[-2:, 0]] = True  # two nodes at most
    allowed[:, 0] = True  # and perhaps one that is padding
    inside = allowed & prior.masks[0]
    for sampling in (CodeSampling(), CodeSampling(temperature=50), CodeSampling(temperature=0, top_p=0.1)):
        rows = EACH.repeat(200)
        restricted = make_prior(seed, rows).restricted([allowed[rows], None, None])
        found = restricted.sample(len(rows), generator(seed), sampling)
        assert inside[rows].gather(1, found.codes[:, :1]).all()
    given = table(prior) * inside[:, every_code()[:, 0]].T
    given = given / given.sum(0)
    torch.testing.assert_close(found.log_prob.exp(), given[number(found.codes), rows])


def test_a_restriction_of_any_code_holds_even_where_the_network_forbids_it():
    only = torch.tensor([False, False, True])
    second = [None, only, None]
    found = make_prior(0).restricted(second).sample(NUM_SAMPLES, generator(0))
    assert (found.codes[:, 1] == 2).all()
    sure = CodePrior(MIXED, lambda codes: [torch.full((len(codes), w), -1e30) for w in WIDTHS], make_prior(0).masks)
    assert (sure.restricted(second).sample(NUM_SAMPLES, generator(0)).codes[:, 1] == 2).all()
    with pytest.raises(ValueError, match="code 1: row 0"):
        make_prior(0).restricted([None, ~only & only, None]).sample(NUM_SAMPLES, generator(0))
    forbids = CodePrior(MIXED, lambda codes: [torch.full((len(codes), w), -torch.inf) for w in WIDTHS], sure.masks)
    with pytest.raises(ValueError, match="code 0: row 0"):
        forbids.sample(NUM_SAMPLES, generator(0))


@MAKERS
@pytest.mark.parametrize("seed", SEEDS)
def test_temperature_zero_is_greedy(make, seed):
    prior = make(seed)
    codes = prior.sample(NUM_SAMPLES, generator(seed), CodeSampling(temperature=0)).codes
    for i, (logits, mask) in enumerate(zip(prior.all_logits(codes), prior.masks, strict=True)):
        best = logits.masked_fill(~mask, -torch.inf).argmax(1)
        assert torch.equal(codes[:, i], best)


def test_with_a_stream_per_sample_codes_do_not_depend_on_the_batch():
    masks = make_causal(0).masks
    together = make_causal(0).sample(NUM_SAMPLES, StreamNoise(5, range(NUM_SAMPLES), Purpose.POSES)).codes
    for row in range(NUM_SAMPLES):
        own = tuple(mask[row : row + 1] if mask.ndim == 2 else mask for mask in masks)
        alone = CodePrior(MIXED, causal_logits, own).sample(1, StreamNoise(5, [row], Purpose.POSES)).codes
        assert torch.equal(alone[0], together[row])


@pytest.mark.parametrize("seed", SEEDS)
def test_cross_entropy_against_hard_targets_is_the_negative_log_prob(seed):
    prior = make_prior(seed)
    codes = prior.sample(NUM_SAMPLES, generator(seed)).codes
    targets = MIXED.one_hot(codes, prior.masks, torch.float64)
    torch.testing.assert_close(prior.cross_entropy(codes, targets).sum(1), -prior.log_prob(codes))


@pytest.mark.parametrize("seed", SEEDS)
def test_soft_targets_give_the_mean_over_drawn_ones(seed):
    """For independent codes, E_q[-log p(z)] = E over drawn codes of the cross-entropy against q."""
    prior = make_prior(seed)
    noise = generator(seed)
    logits = tuple(torch.randn(NUM_SAMPLES, width, generator=noise).double() for width in WIDTHS)
    targets = CodePosterior(logits, prior.masks).probs
    exact, mean = torch.zeros(NUM_SAMPLES).double(), torch.zeros(NUM_SAMPLES).double()
    for row in every_code():
        codes = row.expand(NUM_SAMPLES, -1)
        weight = torch.stack([target[:, code] for target, code in zip(targets, row, strict=True)]).prod(0)
        with torch.no_grad():
            exact += weight * torch.nan_to_num(-prior.log_prob(codes), posinf=0.0)
            mean += weight * prior.cross_entropy(codes, targets).sum(1)
    torch.testing.assert_close(mean, exact)


def test_hidden_codes_are_null_from_the_position_on():
    codes = torch.tensor([[4, 5, 6], [7, 8, 9]])
    n = NULL_CODE
    assert hide_from(codes, 1).tolist() == [[4, n, n], [7, n, n]]
    assert hide_from(codes, torch.tensor([[0], [2]])).tolist() == [[n, n, n], [7, 8, n]]


def test_codes_and_logits_that_do_not_fit_are_refused():
    prior = make_prior(0)
    with pytest.raises(ValueError, match="code -1 is not one of"):
        prior.log_prob(torch.tensor([[0, NULL_CODE, 0]]).expand(NUM_SAMPLES, -1))
    wrong = CodePrior(MIXED, lambda codes: [torch.zeros(len(codes), 6)], prior.masks)
    with pytest.raises(ValueError, match=r"returned \[\(4, 6\)\], not \[\(4, 6\), \(4, 3\), \(4, 4\)\]"):
        wrong.sample(NUM_SAMPLES, generator(0))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_position_per_sample_is_that_column_of_all(seed):
    prior = make_prior(seed)
    codes = prior.sample(NUM_SAMPLES, generator(seed)).codes
    uniform = CodePosterior(tuple(torch.zeros(NUM_SAMPLES, width).double() for width in WIDTHS), prior.masks)
    every = prior.cross_entropy(codes, uniform.probs)
    positions = random_positions(NUM_SAMPLES, 3, generator(seed))
    found = prior.cross_entropy_at(codes, uniform.probs, positions)
    torch.testing.assert_close(found, every[torch.arange(NUM_SAMPLES), positions])
    with pytest.raises(ValueError, match="code 3 is not one of 0 ... 2"):
        prior.cross_entropy_at(codes, uniform.probs, positions + 3 - positions)


def test_random_positions_are_uniform():
    counts = torch.bincount(random_positions(30_000, 3, generator(0)))
    torch.testing.assert_close(counts / 30_000, torch.full((3,), 1 / 3), atol=0.01, rtol=0)
