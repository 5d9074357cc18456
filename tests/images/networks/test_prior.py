"""The prior of image codes: causal, normalised, told the class; and the encoder's shapes."""

import itertools
from dataclasses import replace

import pytest
import torch

from discodock.errors import ConfigError
from discodock.images.networks.conditioning import CodeGroup, ImageShape, code_layout
from discodock.images.networks.encoder import ImageEncoder, ImageEncoderConfig
from discodock.images.networks.prior import ImagePriorConfig, ImagePriorNetwork
from discodock.latents.categorical import NULL_CODE
from tests.images.networks.small import GROUPS, SIZES, randomised

LAYOUT = code_layout(GROUPS)


@pytest.fixture
def network():
    config = ImagePriorConfig(channels=16, depth=2, num_heads=2)
    return randomised(ImagePriorNetwork(config, LAYOUT, num_classes=3)).double().eval()


def all_codes():
    return torch.tensor(list(itertools.product(*map(range, SIZES))))


@torch.no_grad()
def test_probabilities_sum_to_one_by_enumeration(network):
    codes = all_codes()
    for label in (0, 2, NULL_CODE):
        prior = network.prior(torch.full((len(codes),), label))
        assert float(prior.log_prob(codes).exp().sum()) == pytest.approx(1, abs=1e-6)


@torch.no_grad()
def test_logits_depend_on_earlier_codes_alone(network):
    codes, labels = all_codes(), torch.zeros(36, dtype=torch.int64)
    before = network(codes, labels)
    for number, size in enumerate(SIZES):
        changed = codes.clone()
        changed[:, number] = (changed[:, number] + 1) % size
        for i, (a, b) in enumerate(zip(before, network(changed, labels), strict=True)):
            assert (float((a - b).abs().max()) > 1e-3) == (i > number)


def test_one_call_for_all_logits_agrees_with_one_code_at_a_time(network):
    codes, calls = all_codes(), []
    network.register_forward_hook(lambda *_: calls.append(1))
    prior = network.prior(torch.ones(len(codes), dtype=torch.int64))
    found = prior.log_prob(codes)
    assert len(calls) == 1
    careful = replace(prior, codes_per_call=1)
    torch.testing.assert_close(found, careful.log_prob(codes))
    assert len(calls) == 1 + len(SIZES)


@torch.no_grad()
def test_classes_count(network):
    codes = all_codes()
    first, second = (network.prior(torch.full((len(codes),), label)).log_prob(codes) for label in (0, 1))
    assert (first - second).abs().max() > 0.05


@torch.no_grad()
def test_draws_follow_the_probabilities(network):
    num, codes = 4000, all_codes()
    expected = network.prior(torch.zeros(len(codes), dtype=torch.int64)).log_prob(codes).exp()
    drawn = network.prior(torch.zeros(num, dtype=torch.int64)).sample(num, torch.Generator().manual_seed(0)).codes
    number = (drawn * torch.tensor([12, 4, 1])).sum(dim=1)
    found = torch.bincount(number, minlength=36).double() / num
    assert float((found - expected).abs().sum() / 2) < 0.05  # 0.03 from counting alone


def test_encoder_reads_one_token_per_code():
    shape = ImageShape(size=8, channels=2)
    encoder = randomised(ImageEncoder(ImageEncoderConfig(patch_size=4, channels=16, depth=1), shape, LAYOUT)).eval()
    images = torch.randn(3, 2, 8, 8)
    logits = encoder(images)
    assert [tuple(each.shape) for each in logits] == [(3, size) for size in SIZES]
    for a, b in zip(logits, encoder(images[:1]), strict=True):
        torch.testing.assert_close(a[:1], b, atol=1e-5, rtol=1e-4)
    corner = images.clone()
    corner[:, :, -1, -1] += 1  # the last patch counts for all codes
    for a, b in zip(logits, encoder(corner), strict=True):
        assert (a - b).abs().max() > 1e-4
    with pytest.raises(ConfigError, match="do not tile"):
        ImageEncoder(ImageEncoderConfig(patch_size=3), shape, LAYOUT)


@pytest.mark.parametrize("seed", range(3))
def test_logits_keep_the_chosen_spread_over_images(seed):
    """Whatever the heads are; and after training each image has the logits that it has among others."""
    torch.manual_seed(seed)
    shape, config = ImageShape(size=8, channels=2), ImageEncoderConfig(patch_size=4, channels=16, logit_std=2.5)
    encoder, images = ImageEncoder(config, shape, LAYOUT), torch.randn(50, 2, 8, 8)
    for _ in range(150):
        trained = encoder(images)
    for logits in trained:
        torch.testing.assert_close(logits.mean(dim=0), torch.zeros(logits.shape[1]), atol=1e-4, rtol=0)
        deviation = logits.std(dim=0, unbiased=False)
        torch.testing.assert_close(deviation, torch.full((logits.shape[1],), 2.5), atol=2e-2, rtol=0)
    for one, among in zip(encoder.eval()(images[:1]), trained, strict=True):
        torch.testing.assert_close(one, among[:1], atol=1e-2, rtol=2e-2)


def test_layout_has_the_codes_of_all_groups_in_order():
    layout = code_layout((CodeGroup(num_codes=2, codebook_size=5), CodeGroup(num_codes=1, codebook_size=7)))
    assert [space.codebook_size for space in layout.spaces] == [5, 5, 7]
