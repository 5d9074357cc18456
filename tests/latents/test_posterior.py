"""The encoder's distribution as a value: what is drawn from it, and what it says about itself."""

import pytest
import torch

from discodock.latents.categorical import hard_codes
from discodock.latents.diagnostics import entropy
from discodock.latents.posterior import CodePosterior
from tests.latents.kinds import MIXED, NUM_SAMPLES, SEEDS, generator, node_masks, random_logits

CPU = torch.device("cpu")


def make_posterior(seed):
    masks = MIXED.masks(node_masks(seed), CPU)
    return CodePosterior(tuple(random_logits(mask, seed + i) for i, mask in enumerate(masks)), masks)


@pytest.mark.parametrize("seed", SEEDS)
def test_draws_follow_the_probabilities_and_the_temperature_changes_the_gradient_alone(seed):
    posterior = make_posterior(seed)
    rows = torch.arange(NUM_SAMPLES).repeat_interleave(3000)
    masks = tuple(mask[rows] if mask.ndim == 2 else mask for mask in posterior.masks)
    many = CodePosterior(tuple(each[rows] for each in posterior.logits), masks)
    drawn, cold = many.draw(generator(seed)), many.draw(generator(seed), temperature=0.1)
    assert torch.equal(drawn.codes, cold.codes) and drawn.posterior is many
    for weights, probs in zip(drawn.weights, posterior.probs, strict=True):
        frequency = weights.view(NUM_SAMPLES, 3000, -1).mean(dim=1)
        torch.testing.assert_close(frequency, probs, atol=0.04, rtol=0)
    assert torch.equal(drawn.codes, torch.stack([hard_codes(each) for each in drawn.weights], dim=1))


@pytest.mark.parametrize("seed", SEEDS)
def test_entropy_and_information_are_those_of_the_probabilities(seed):
    posterior = make_posterior(seed)
    assert posterior.entropy.shape == (NUM_SAMPLES, MIXED.num_codes)
    for index, probs in enumerate(posterior.probs):
        torch.testing.assert_close(posterior.entropy[:, index], entropy(probs))
        told = float(entropy(probs.mean(0)) - entropy(probs).mean())
        assert posterior.information[index] == pytest.approx(told, abs=1e-12)
