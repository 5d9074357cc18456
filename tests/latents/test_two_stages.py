"""Both stages in small: codes learned end to end find the modes, and the prior recovers a planted distribution."""

import math

import pytest
import torch
from torch import nn

from discodock.latents.codebook import Codebook
from discodock.latents.diagnostics import code_usage, entropy, mutual_information
from discodock.latents.dropout import CodeDropout, drop_weights
from discodock.latents.pointer import Pointer
from discodock.latents.posterior import CodePosterior
from discodock.latents.prior import CodePrior
from discodock.latents.registry import CodeLayout, CodesEmbedding
from discodock.latents.relaxation import TemperatureSchedule
from tests.latents.kinds import SEEDS, generator

CPU = torch.device("cpu")
MODES = torch.tensor([[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [0.0, -2.0]])


@pytest.mark.parametrize("seed", SEEDS)
def test_stage_one_codes_learned_end_to_end_find_the_modes(seed):
    layout = CodeLayout(spaces=(Codebook(codebook_size=8),))
    masks = layout.masks({}, CPU)
    schedule = TemperatureSchedule(start=2.0, end=0.5, decay_steps=200)
    noise = generator(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 8))
        embedding, decoder = CodesEmbedding(layout, 16), nn.Linear(16, 2)
    optimizer = torch.optim.Adam([*encoder.parameters(), *embedding.parameters(), *decoder.parameters()], lr=0.02)
    for step in range(300):
        label = torch.randint(4, (128,), generator=noise)
        x = MODES[label] + 0.2 * torch.randn(128, 2, generator=noise)
        weights = CodePosterior((encoder(x),), masks).draw(noise, schedule.temperature(step)).weights
        kept = CodeDropout(whole=0.1).draw(128, 1, noise, CPU)
        loss = (decoder(embedding(drop_weights(weights, kept), {})[:, 0]) - x).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    label = torch.arange(4).repeat(250)
    x = MODES[label] + 0.2 * torch.randn(1000, 2, generator=noise)
    with torch.no_grad():
        drawn = CodePosterior((encoder(x),), masks).draw(noise, 0.5)
        weights, codes = drawn.weights, drawn.codes[:, 0]
        assert mutual_information(codes, label) > 0.95 * math.log(4)
        assert code_usage(codes, 8).perplexity > 3.5
        with_codes = (decoder(embedding(weights, {})[:, 0]) - x).square().sum(1).mean()
        without = decoder(embedding([torch.zeros_like(each) for each in weights], {})[:, 0])
    assert with_codes < 0.5  # 4 without codes, 0.08 at best
    assert without.norm(dim=1).max() < 0.6  # the null code stands for the mean of the modes


SITE_GIVEN_HIDDEN = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.05, 0.05, 0.9]]).double()
CODE_GIVEN_HIDDEN = torch.tensor([[0.9, 0.1, 0.0, 0.0], [0.0, 0.3, 0.7, 0.0], [0.1, 0.1, 0.1, 0.7]]).double()
HIDDEN = torch.tensor([0.5, 0.3, 0.2]).double()
JOINT = torch.einsum("h,hs,hc->sc", HIDDEN, SITE_GIVEN_HIDDEN, CODE_GIVEN_HIDDEN)
"""What the prior has to find: the codes depend on each other through a hidden state that only the encoder sees."""
PLANTED = CodeLayout(spaces=(Pointer(), Codebook(codebook_size=4)))


def shuffled_nodes(num_samples, noise):
    """Three sorts of nodes and one that is padding, in a random order in every sample; sorts are one-hot features."""
    sort = torch.rand(num_samples, 4, generator=noise).argsort(dim=1)
    return sort, torch.nn.functional.one_hot(sort, 4)[..., :3].double()


class SmallNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = CodesEmbedding(PLANTED, 3)
        self.site = nn.Linear(3, 1)
        self.code = nn.Linear(3, 4)

    def forward(self, nodes, masks, codes):
        vectors = self.embedding(PLANTED.one_hot(codes, masks, torch.float64), {"nodes": nodes})
        return self.site(nodes).squeeze(-1), self.code(vectors[:, 0])


def bound(network, nodes):
    masks = PLANTED.masks({"nodes": nodes.any(-1)}, CPU)
    return CodePrior(PLANTED, lambda codes: network(nodes, masks, codes), masks)


@pytest.mark.parametrize("seed", SEEDS)
def test_stage_two_recovers_a_planted_distribution_of_codes(seed):
    noise = generator(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SmallNetwork().double()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 250)
    for _ in range(250):
        prior, codes, targets, _ = encoded(network, 512, noise)
        loss = prior.cross_entropy(codes, targets).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

    with torch.no_grad():
        found = planted_table(network, noise)
        prior, codes, targets, _ = encoded(network, 20_000, noise)
        losses = prior.cross_entropy(codes, targets).mean(0)
    assert float((found - JOINT).abs().sum() / 2) < 0.03
    site_entropy = entropy(JOINT.sum(1))
    expected = torch.stack([site_entropy, entropy(JOINT.flatten()) - site_entropy])
    torch.testing.assert_close(losses, expected, atol=0.03, rtol=0)  # the least that is possible


def encoded(network, num_samples, noise):
    """A batch with the encoder's codes and its soft distributions."""
    sort, nodes = shuffled_nodes(num_samples, noise)
    prior = bound(network, nodes)
    hidden = torch.multinomial(HIDDEN, num_samples, replacement=True, generator=noise)
    site = torch.einsum("bs,bns->bn", SITE_GIVEN_HIDDEN[hidden], nodes)
    targets = (site, CODE_GIVEN_HIDDEN[hidden])
    codes = CodePosterior(tuple(target.log() for target in targets), prior.masks).draw(noise).codes
    return prior, codes, targets, sort


def planted_table(network, noise):
    """Probabilities of every sort of node and every code, by enumeration; they must not depend on the order."""
    sort, nodes = shuffled_nodes(50, noise)
    prior = bound(network, nodes)
    rows = []
    for one in range(3):
        place = (sort == one).long().argmax(1)
        pairs = [torch.stack([place, torch.full_like(place, code)], dim=1) for code in range(4)]
        rows.append(torch.stack([prior.log_prob(pair).exp() for pair in pairs]))
    found = torch.stack(rows)
    assert found.std(dim=-1).max() < 1e-9
    return found.mean(-1)
