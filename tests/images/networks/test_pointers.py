"""Codes that point at a patch of the image: beside codebook codes, in encoder, prior and denoisers."""

import itertools
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from discodock.images.networks.conditioning import (
    CodeGroup,
    CodeTokens,
    ConditionSpace,
    ImageShape,
    code_layout,
    code_sizes,
)
from discodock.images.networks.encoder import ImageEncoder, ImageEncoderConfig
from discodock.images.networks.prior import ImagePriorConfig, ImagePriorNetwork
from discodock.images.networks.registry import make_network
from discodock.latents.categorical import NULL_CODE
from tests.images.networks.small import CONFIGS, SHAPE, randomised, some_inputs

GROUPS = (CodeGroup(kind="pointer", num_codes=2), CodeGroup(num_codes=1, codebook_size=3))
LAYOUT = code_layout(GROUPS)
NUM_PATCHES = 4
SIZES = (4, 4, 3)
CONFIG = ImageEncoderConfig(patch_size=4, channels=16, depth=1, logit_std=2.5)


def all_codes():
    return torch.tensor(list(itertools.product(*map(range, SIZES))))


def test_pointers_have_one_entry_per_patch():
    assert [space.kind for space in LAYOUT.spaces] == ["pointer", "pointer", "codebook"]
    assert code_sizes(LAYOUT, NUM_PATCHES) == SIZES
    with pytest.raises(ValueError, match="points into the nodes 'patches'; given are: none"):
        code_sizes(LAYOUT)
    with pytest.raises(ValidationError):
        CodeGroup(kind="pointr")


@pytest.mark.parametrize("seed", range(3))
def test_the_encoder_says_at_which_patches_it_may_point(seed):
    """Every patch has the chosen spread over images, and what is seen at a patch counts for it more than for others."""
    torch.manual_seed(seed)
    encoder, images = ImageEncoder(CONFIG, SHAPE, LAYOUT), torch.randn(50, 2, 8, 8)
    logits = encoder(images)
    assert [tuple(each.shape) for each in logits] == [(50, size) for size in SIZES]
    for each in logits:
        torch.testing.assert_close(each.mean(dim=0), torch.zeros(each.shape[1]), atol=1e-4, rtol=0)
        deviation = each.std(dim=0, unbiased=False)
        torch.testing.assert_close(deviation, torch.full((each.shape[1],), 2.5), atol=2e-2, rtol=0)
    encoder.eval()
    corner = images.clone()
    corner[:, :, :4, 4:] += torch.randn(50, 2, 4, 4)  # the second of four patches
    change = (encoder(corner)[0] - encoder(images)[0]).abs().mean(dim=0)
    assert int(change.argmax()) == 1 and change.min() > 0


@pytest.fixture
def network():
    config = ImagePriorConfig(channels=16, depth=2, num_heads=2)
    return randomised(ImagePriorNetwork(config, LAYOUT, num_classes=3, num_patches=NUM_PATCHES)).double().eval()


@torch.no_grad()
def test_probabilities_sum_to_one_by_enumeration_and_earlier_pointers_count(network):
    codes = all_codes()
    for label in (0, NULL_CODE):
        prior = network.prior(torch.full((len(codes),), label))
        assert float(prior.log_prob(codes).exp().sum()) == pytest.approx(1, abs=1e-6)
        careful = replace(prior, codes_per_call=1)
        torch.testing.assert_close(prior.log_prob(codes), careful.log_prob(codes))
    moved = codes.clone()
    moved[:, 0] = (moved[:, 0] + 1) % NUM_PATCHES
    before, after = prior.all_logits(codes), prior.all_logits(moved)
    assert torch.equal(before[0], after[0]) and (before[2] - after[2]).abs().max() > 1e-3


@torch.no_grad()
def test_draws_follow_the_probabilities(network):
    num, codes = 4000, all_codes()
    expected = network.prior(torch.zeros(len(codes), dtype=torch.int64)).log_prob(codes).exp()
    drawn = network.prior(torch.zeros(num, dtype=torch.int64)).sample(num, torch.Generator().manual_seed(0)).codes
    found = torch.bincount((drawn * torch.tensor([12, 3, 1])).sum(dim=1), minlength=len(codes)).double() / num
    assert float((found - expected).abs().sum() / 2) < 0.06


def test_the_token_of_a_pointer_is_that_of_its_patch():
    tokens = CodeTokens(LAYOUT, 5, NUM_PATCHES)
    weights = [
        torch.nn.functional.one_hot(torch.tensor([entry, 0]), size).float()
        for entry, size in zip((3, 1, 2), SIZES, strict=True)
    ]
    weights[1][1] = 0  # none
    found = tokens.tokens(weights)
    torch.testing.assert_close(found[0, :2], tokens.patches[[3, 1]])
    torch.testing.assert_close(found[1, :2], torch.stack([tokens.patches[0], tokens.codes[1].null_code]))
    torch.testing.assert_close(found[0, 2], tokens.codes[2].table[2])
    assert "patches" not in CodeTokens(code_layout(GROUPS[1:]), 5, NUM_PATCHES).state_dict()  # as without pointers


@pytest.mark.parametrize("name", CONFIGS)
def test_every_denoiser_hears_every_pointer_and_hands_it_a_gradient(name):
    network = randomised(
        make_network(CONFIGS[name], ImageShape(size=8, channels=2), ConditionSpace(0, GROUPS, NUM_PATCHES))
    )
    x, c_noise, _, _ = some_inputs(2)
    weights = [torch.nn.functional.one_hot(torch.tensor([1, 2]), size).float().requires_grad_() for size in SIZES]
    before = network(x, c_noise, None, weights)
    for number in range(len(SIZES)):
        changed = [each.roll(1, dims=1) if i == number else each for i, each in enumerate(weights)]
        assert (network(x, c_noise, None, changed) - before).abs().max() > 1e-3
    before.square().sum().backward()
    assert all((each.grad.abs().sum(dim=1) > 0).all() for each in weights)
    nothing = [torch.zeros_like(each) for each in weights]
    torch.testing.assert_close(network(x, c_noise, None, None), network(x, c_noise, None, nothing))
