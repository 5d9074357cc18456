"""EDM: the scales give unit variance, and the loss of knowing nothing is one at every noise level."""

import math

import pytest
import torch
from torch import nn

from discodock.images.edm import Denoiser, EDMConfig, denoising_losses, loss_weight, preconditioning

SIGMAS = torch.tensor([0.002, 0.1, 0.5, 3.0, 80.0], dtype=torch.float64)


class Returns(nn.Module):
    """A network that returns what it is told to, and remembers what it saw."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, c_noise, labels, codes):
        self.seen = x
        return self.answer(x)


@pytest.mark.parametrize(("mean", "std"), [(-1.2, 1.2), (-0.507, 1.2), (-0.8, 1.4)])
def test_a_monotonic_weight_is_the_plain_one_up_to_its_peak_and_constant_above(mean, std):
    config = EDMConfig(P_mean=mean, P_std=std, is_monotonic=True)
    log_sigma = torch.linspace(-6, 5, 1101, dtype=torch.float64)
    density = (-((log_sigma - mean) ** 2) / (2 * std**2)).exp()
    weight = density * ((2 * log_sigma).exp() + config.sigma_data**2)
    held = weight * config.monotonic_factor(log_sigma.exp())
    peak = int(weight.argmax())
    torch.testing.assert_close(held[:peak], weight[:peak])
    torch.testing.assert_close(held[peak:], weight.max().expand_as(held[peak:]), rtol=1e-4, atol=0)
    assert weight[-1] < 0.9 * weight.max()
    plain = config.model_copy(update={"is_monotonic": False})
    assert (plain.monotonic_factor(log_sigma.exp()) == 1).all()


def test_inputs_and_targets_of_the_network_have_unit_variance():
    for sigma_data in (0.3, 0.5, 1.0):
        scales = preconditioning(SIGMAS, sigma_data)
        ones = torch.ones_like(SIGMAS)
        torch.testing.assert_close(scales.c_in.square() * (SIGMAS**2 + sigma_data**2), ones)
        # the target (y - c_skip (y + n)) / c_out, with y of variance sigma_data^2 and n of sigma^2
        variance = (1 - scales.c_skip) ** 2 * sigma_data**2 + scales.c_skip**2 * SIGMAS**2
        torch.testing.assert_close(variance / scales.c_out.square(), ones)
        torch.testing.assert_close(loss_weight(SIGMAS, sigma_data) * scales.c_out.square(), ones)


def test_skip_is_the_one_that_amplifies_errors_least():
    """c_skip minimises the variance of the target (Eq. 8 of the paper's appendix), by finite differences."""
    scales = preconditioning(SIGMAS, 0.5)

    def variance(skip):
        return (1 - skip) ** 2 * 0.25 + skip**2 * SIGMAS**2

    for shift in (-1e-3, 1e-3):
        assert (variance(scales.c_skip + shift) > variance(scales.c_skip)).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_network_that_knows_nothing_has_loss_one(seed):
    generator = torch.Generator().manual_seed(seed)
    clean = 0.5 * torch.randn(len(SIGMAS), 100_000, generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    denoiser = Denoiser(Returns(torch.zeros_like), 0.5)
    losses = denoising_losses(denoiser, clean, SIGMAS.float(), noise)
    torch.testing.assert_close(losses, torch.ones(len(SIGMAS)), atol=0.02, rtol=0)


def test_denoiser_scales_the_network_and_leaves_clean_images_alone():
    network = Returns(torch.ones_like)
    x = torch.randn(2, 1, 4, 4)
    sigma = torch.tensor([1e-6, 2.0])
    scales = preconditioning(sigma, 0.5)
    denoised = Denoiser(network, 0.5)(x, sigma)
    torch.testing.assert_close(denoised[0], x[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(denoised[1], scales.c_skip[1] * x[1] + scales.c_out[1])
    torch.testing.assert_close(network.seen[1], x[1] / math.sqrt(4.25))


def test_training_noise_is_log_normal():
    logs = EDMConfig(P_mean=-0.7, P_std=1.3).draw_sigmas(100_000, torch.Generator().manual_seed(0)).log()
    assert abs(float(logs.mean()) + 0.7) < 0.02
    assert abs(float(logs.std()) - 1.3) < 0.02


def test_noise_levels_must_be_ordered():
    with pytest.raises(ValueError, match=r"sigma_max 0.1 must be above"):
        EDMConfig(sigma_min=0.2, sigma_max=0.1)
