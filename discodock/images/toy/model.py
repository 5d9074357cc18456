"""A mixture in the plane, learned by a plain diffusion and by one with codes: what codes do, in seconds on a CPU.

Source: the toy example of DisCo-Diff, arXiv 2407.03300.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from discodock.images.edm import Denoiser, EDMConfig, denoising_losses
from discodock.images.networks.conditioning import CodeGroup, Conditioning, ConditionSpace, code_layout, code_sizes
from discodock.images.networks.layers import NormalizedLinear
from discodock.images.networks.prior import ImagePriorConfig, ImagePriorNetwork
from discodock.latents.dropout import CodeDropout, drop_weights
from discodock.latents.posterior import CodeDraw, CodePosterior
from discodock.latents.registry import CodeLayout
from discodock.latents.relaxation import TemperatureSchedule
from discodock.settings import Seed, Settings
from discodock.training.optim import OptimizerConfig, ParameterGroup, adamw_with_schedule, moving_average


class Mixture(Settings):
    """Narrow Gaussians in clusters: the clusters lie far apart, the modes of one cluster are nested in it."""

    num_clusters: int = Field(4, ge=1, description="clusters, on a circle around the origin")
    modes_per_cluster: int = Field(3, ge=1, description="modes, on a circle around the centre of their cluster")
    cluster_radius: float = Field(1.5, gt=0, description="radius of the large circle")
    mode_radius: float = Field(0.35, gt=0, description="radius of the small circles")
    width: float = Field(0.04, gt=0, description="standard deviation of a mode")

    @property
    def num_modes(self) -> int:
        """Modes of all clusters."""
        return self.num_clusters * self.modes_per_cluster

    def means(self) -> Tensor:
        """Centres of the modes, cluster by cluster, shape (num_modes, 2)."""
        large = self.cluster_radius * _circle(self.num_clusters)
        small = self.mode_radius * _circle(self.modes_per_cluster)
        return (large[:, None] + small[None]).flatten(0, 1)

    def draw(self, num: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Points (num, 2) and the modes they are of, int64, (num,); all modes are equally likely."""
        mode = torch.randint(self.num_modes, (num,), generator=generator)
        return self.means()[mode] + self.width * torch.randn(num, 2, generator=generator), mode


class ToyConfig(Settings):
    """The mixture, the networks and their training."""

    renamed = {"logit_spread": "logit_std"}

    mixture: Mixture = Field(default_factory=Mixture, description="the data")
    edm: EDMConfig = Field(
        default_factory=lambda: EDMConfig(sigma_data=1.0, P_mean=-1.0, P_std=1.5, sigma_min=0.005, sigma_max=40.0),
        description="noise levels",
    )
    codes: CodeGroup = Field(
        default_factory=lambda: CodeGroup(num_codes=1, codebook_size=12),
        description="the codes; one with an entry for each mode",
    )
    balance_weight: float = Field(
        0.3, ge=0, description="weight of the reward for rare entries, 1/nat: all are used equally often"
    )
    dropout: CodeDropout = Field(default_factory=CodeDropout, description="probabilities of hiding codes")
    annealing: TemperatureSchedule = Field(
        default_factory=lambda: TemperatureSchedule(start=8.0, end=1.0, decay_steps=3000),
        description="divisor of the encoder's logits: codes part the data step by step, as in deterministic annealing",
    )
    logit_std: float = Field(4.0, gt=0, description="standard deviation of the encoder's logits over points")
    width: int = Field(96, ge=8, description="hidden features of the networks with codes; the plain one is widened")
    depth: int = Field(4, ge=1, description="hidden layers of the denoisers")
    steps: int = Field(4000, ge=10, description="optimiser steps of each network")
    batch_size: int = Field(512, ge=2, description="points per step")
    optimizer: OptimizerConfig = Field(
        default_factory=lambda: OptimizerConfig(learning_rate=3e-3, warmup_steps=50, ema_decay=0.995, weight_decay=0.0),
        description="optimiser and schedule",
    )
    prior_steps: int = Field(400, ge=10, description="optimiser steps of the prior of the codes")
    seed: Seed = Field(0, description="seed of weights, data and noise")


class Waves(nn.Module):
    """Points (B, 2) with the sines and cosines of their coordinates at a few frequencies, (B, 14): finer to tell apart.

    Source: Tancik et al. 2020, arXiv 2006.10739.
    """

    FREQUENCIES = (1.0, 2.0, 4.0)

    def forward(self, points: Tensor) -> Tensor:
        """Features of each point."""
        angles = (points[:, :, None] * points.new_tensor(self.FREQUENCIES)).flatten(1)
        return torch.cat([points, angles.sin(), angles.cos()], dim=1)


class PointNetwork(nn.Module):
    """Hidden layers that are each shifted by noise level and codes; the interface of `edm.DenoisingNetwork`."""

    def __init__(self, width: int, depth: int, space: ConditionSpace) -> None:
        super().__init__()
        self.conditioning = Conditioning(space, 32)
        self.first = nn.Linear(2, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.shifts = nn.ModuleList(nn.Linear(32, width) for _ in range(depth))
        self.last = nn.Linear(width, 2)

    def forward(self, x: Tensor, c_noise: Tensor, labels: Tensor | None, codes: Sequence[Tensor] | None) -> Tensor:
        """Points (B, 2) -> (B, 2)."""
        condition = self.conditioning(c_noise, labels, codes)
        vector = condition.vector + sum(tokens.sum(dim=1) for tokens in condition.tokens)
        h = self.first(x)
        for layer, shift in zip(self.hidden, self.shifts, strict=True):
            h = h + nn.functional.silu(layer(h) + shift(vector))
        return self.last(h)


class UsageReward:
    """A reward for entries that are rare: its gradient is that of the entropy of the usage of every code.

    Entries are then used equally often: no one stands for two modes while two stand for one. The usage is a moving
    average over batches, as in one batch the modes themselves are not equally frequent.

    Source: the balance of regularised information maximisation (Krause, Perona, Gomes 2010, NIPS 23).
    """

    RATE = 0.05  # of the moving average, per batch

    def __init__(self) -> None:
        self.usage: list[Tensor] | None = None

    def __call__(self, probs: Sequence[Tensor]) -> Tensor:
        """Mean of -log(usage) over the entries drawn, summed over codes, nats, for probabilities (B, K_i) of each."""
        now = [each.mean(dim=0) for each in probs]
        fixed = [each.detach() for each in now]
        before = fixed if self.usage is None else self.usage
        self.usage = [old.lerp(new, self.RATE) for old, new in zip(before, fixed, strict=True)]
        rarity = [-usage.clamp(min=1e-6).log() for usage in self.usage]
        return torch.stack([(each * rare).sum() for each, rare in zip(now, rarity, strict=True)]).sum()


class ToyModel(nn.Module):
    """A denoiser of points and, with codes, their encoder and prior."""

    def __init__(self, config: ToyConfig, width: int, *, has_codes: bool) -> None:
        super().__init__()
        groups = (config.codes,) if has_codes else ()
        self.config = config
        self.denoiser = Denoiser(PointNetwork(width, config.depth, ConditionSpace(0, groups)), config.edm.sigma_data)
        self.layout: CodeLayout | None = None
        self.encoder: nn.Sequential | None = None
        self.prior: ImagePriorNetwork | None = None
        if has_codes:
            self.layout = code_layout(groups)
            sizes = code_sizes(self.layout)
            hidden = (nn.Linear(14, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
            self.encoder = nn.Sequential(Waves(), *hidden, NormalizedLinear(width, sum(sizes), config.logit_std))
            self.prior = ImagePriorNetwork(ImagePriorConfig(channels=32, depth=1, num_heads=2), self.layout, 0)

    @property
    def num_parameters(self) -> int:
        """Of denoiser and encoder."""
        parts = [self.denoiser, *([self.encoder] if self.encoder is not None else [])]
        return sum(p.numel() for part in parts for p in part.parameters())

    def draw_codes(self, points: Tensor, generator: torch.Generator, temperature: float = 1.0) -> CodeDraw:
        """Codes of points (B, 2), from the encoder's logits divided by the temperature."""
        assert self.encoder is not None and self.layout is not None
        logits = (self.encoder(points) / temperature).split(code_sizes(self.layout), dim=1)
        masks = self.layout.masks({}, points.device)
        return CodePosterior(logits, masks).draw(generator)

    def prior_codes(self, num: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Weights (num, K_i) of codes drawn from the prior."""
        assert self.prior is not None and self.layout is not None
        prior = self.prior.prior(torch.full((num,), -1))
        return self.layout.one_hot(prior.sample(num, generator).codes, prior.masks)


@dataclass(frozen=True)
class ToyPair:
    """A plain model and one with codes, of equal size, trained alike."""

    plain: ToyModel
    codes: ToyModel


def train_pair(config: ToyConfig) -> ToyPair:
    """Train both models, and the prior of the codes; the plain one is made at least as large as the other."""
    with_codes = _made(config, config.width, has_codes=True)
    width = config.width
    while (plain := _made(config, width, has_codes=False)).num_parameters < with_codes.num_parameters:
        width += 1
    _train_denoiser(plain, config)
    _train_denoiser(with_codes, config)
    _train_prior(with_codes, config)
    return ToyPair(plain.eval().requires_grad_(False), with_codes.eval().requires_grad_(False))


def _made(config: ToyConfig, width: int, *, has_codes: bool) -> ToyModel:
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return ToyModel(config, width, has_codes=has_codes)


def _train_denoiser(model: ToyModel, config: ToyConfig) -> None:
    """Denoiser and encoder end to end; the model ends with the averaged weights."""
    generator = torch.Generator().manual_seed(config.seed)
    trained = [*model.denoiser.parameters(), *(model.encoder.parameters() if model.encoder is not None else [])]
    averages = [p.detach().clone() for p in trained]
    average, rarity = moving_average(config.optimizer.ema_decay), UsageReward()
    optimizer, scheduler = adamw_with_schedule([ParameterGroup(trained)], config.optimizer, config.steps)
    for step in range(config.steps):
        points, _ = config.mixture.draw(config.batch_size, generator)
        sigma = config.edm.draw_sigmas(len(points), generator)
        noise = torch.randn(points.shape, generator=generator)
        codes, reward = None, torch.zeros(())
        if model.layout is not None:
            drawn = model.draw_codes(points, generator, config.annealing.temperature(step))
            kept = config.dropout.draw(len(points), model.layout.num_codes, generator, points.device)
            codes, reward = drop_weights(drawn.weights, kept), config.balance_weight * rarity(drawn.posterior.probs)
        loss = denoising_losses(model.denoiser, points, sigma, noise, None, codes).mean() - reward
        _step(loss, optimizer, scheduler, trained, config.optimizer.gradient_clip)
        average(averages, [p.detach() for p in trained], step)
    with torch.no_grad():
        for parameter, value in zip(trained, averages, strict=True):
            parameter.copy_(value)
    model.eval()


def _train_prior(model: ToyModel, config: ToyConfig) -> None:
    assert model.prior is not None and model.layout is not None
    generator = torch.Generator().manual_seed(config.seed + 1)
    trained = list(model.prior.parameters())
    optimizer, scheduler = adamw_with_schedule([ParameterGroup(trained)], config.optimizer, config.prior_steps)
    for _ in range(config.prior_steps):
        points, _ = config.mixture.draw(config.batch_size, generator)
        with torch.no_grad():
            drawn = model.draw_codes(points, generator)
        prior = model.prior.prior(torch.full((len(points),), -1))
        loss = prior.cross_entropy(drawn.codes, drawn.posterior.probs).sum(dim=1).mean()
        _step(loss, optimizer, scheduler, trained, config.optimizer.gradient_clip)


def _step(
    loss: Tensor,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LambdaLR,
    parameters: Sequence[nn.Parameter],
    clip: float | None,
) -> None:
    optimizer.zero_grad()
    loss.backward()
    if clip is not None:
        nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
    scheduler.step()


def _circle(num: int) -> Tensor:
    """Points at equal angles on the unit circle, shape (num, 2)."""
    angle = 2 * math.pi * (torch.arange(num) + 0.25) / num
    return torch.stack([angle.cos(), angle.sin()], dim=1)
