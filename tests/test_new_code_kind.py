"""A kind of code that only this test knows: registered, it is read by every network of docking and of images.

The tests of `tests/latents` run on registered kinds alone; this one is to show that a kind is a module and a row of
`CODE_SPACES`, and that no network asks for more than what a code space says of itself.
"""

import itertools
from collections.abc import Mapping
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from discodock.data.batch import ComplexBatch, repeat_complexes
from discodock.diffusion.process import PoseProcessConfig
from discodock.images.data import ImageBatch
from discodock.images.model import ImageCodesConfig, ImageModelConfig, to_unit_range
from discodock.images.networks.conditioning import PATCHES, CodeGroup
from discodock.images.networks.encoder import ImageEncoderConfig
from discodock.images.networks.prior import ImagePriorConfig
from discodock.images.prior_task import ImagePriorTask, ImagePriorTaskConfig
from discodock.images.task import ImageTask, ImageTaskConfig
from discodock.latents.registry import CODE_SPACES, CodeLayout
from discodock.latents.space import CodeEmbedding, CodeSpace
from discodock.models.all_atom.code_encoder import CodeEncoderConfig
from discodock.models.all_atom.code_prior import CodePriorConfig
from discodock.models.all_atom.score_model import ScoreModelConfig
from discodock.models.disco_diffdock.config import (
    ResidueCodeEncoderConfig,
    ResidueCodePriorConfig,
    ResidueScoreModelConfig,
)
from discodock.tasks.codes import CodesConfig, encode_unbound
from discodock.tasks.prior import PriorTask, PriorTaskConfig
from discodock.tasks.score import ScoreTask, ScoreTaskConfig
from tests.images.networks.small import CONFIGS, SHAPE
from tests.models.disco_diffdock.networks import SMALL, complexes

NUM_RANKS = 5


class Ranks(CodeSpace):
    """A number from 0 to K - 1 that is smaller than the number of nodes of a set, which differs by sample."""

    kind: Literal["ranks"] = "ranks"
    nodes: str = "nodes"
    codebook_size: int = NUM_RANKS

    @property
    def node_set(self) -> None:
        return None

    @property
    def num_entries(self) -> int:
        return self.codebook_size

    def mask(self, node_masks: Mapping[str, Tensor], device: torch.device) -> Tensor:
        num_nodes = node_masks[self.nodes].to(device).sum(-1, keepdim=True)
        return torch.arange(self.codebook_size, device=device) < num_nodes

    def make_embedding(self, channels: int) -> CodeEmbedding:
        return RanksEmbedding(self.codebook_size, channels)


class RanksEmbedding(CodeEmbedding):
    """A direction, longer the higher the rank."""

    def __init__(self, num_ranks: int, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("length", torch.linspace(1, 2, num_ranks))
        self.direction = nn.Parameter(torch.randn(channels))

    def chosen(self, weights: Tensor, nodes: Mapping[str, Tensor]) -> Tensor:
        return (weights.to(self.length) @ self.length)[:, None] * self.direction


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(CODE_SPACES, "ranks", Ranks)


SIZES = [(30, 6), (24, 4)]
PRIORS = {
    "all_atom": CodePriorConfig(num_channels=8, num_heads=2, num_context_rounds=1, num_code_rounds=1),
    "residue": ResidueCodePriorConfig(num_hidden=8),
}


def docking_task(family) -> ScoreTask:
    noise = PoseProcessConfig()
    small = {"num_scalars": 8, "num_vectors": 4, "num_layers": 1, "num_receptor_layers": 1, "num_ligand_layers": 1}
    sigmas = {"tr_sigma_min": noise.tr.sigma_min, "tr_sigma_max": noise.tr.sigma_max}
    model, encoder = {
        "all_atom": (ScoreModelConfig(**small), CodeEncoderConfig(**small)),
        "residue": (
            ResidueScoreModelConfig(**SMALL, num_layers=2, **sigmas),
            ResidueCodeEncoderConfig(**SMALL, num_layers=1, num_hidden=8),
        ),
    }[family]
    values = {"spaces": [{"kind": "ranks", "nodes": "ligand"}, {"kind": "pointer", "nodes": "ligand"}]}
    layout = CodeLayout.model_validate(values)
    assert CodeLayout.model_validate_json(layout.model_dump_json()) == layout
    codes = CodesConfig(layout=layout, encoder=encoder)
    return shaken(ScoreTask(ScoreTaskConfig(model=model, codes=codes, poses_per_complex=2), 10))


def shaken(task):
    """Nothing is zero any more, as after some training."""
    with torch.no_grad():
        for parameter in task.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return task


def complex_batch() -> ComplexBatch:
    receptor, ligand, pos = complexes(0, SIZES, torch.float32)
    return ComplexBatch(receptor, ligand, pos, pos[:, None], torch.arange(pos.shape[1]).expand(2, 1, -1))


@pytest.mark.parametrize("family", PRIORS)
@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_docking_reads_a_kind_that_it_has_never_heard_of(family):
    torch.manual_seed(0)
    batch, task = complex_batch(), docking_task(family)
    loss = task.training_step(batch, 0)
    loss.backward()
    assert loss.isfinite()
    assert any(p.grad is not None and p.grad.any() for p in task.code_encoder.heads[0].parameters())

    task.eval().requires_grad_(False)
    drawn = task.draw_codes(batch, repeat_complexes(batch, 100), torch.Generator().manual_seed(0))
    assert drawn.codes[:100, 0].max() == 4 and drawn.codes[100:, 0].max() == 3  # of six atoms, and of four
    context, t = task.model.encode(batch.receptor, batch.ligand), torch.full((2,), 0.5)
    scores = [task.model(context, batch.ligand_pos, torch.arange(2), t, codes(task, rank)).tr for rank in (0, 3)]
    assert (scores[0] - scores[1]).abs().max() > 1e-4

    second = shaken(PriorTask(PriorTaskConfig(prior=PRIORS[family], draws_per_complex=2), task, 10))
    second.training_step(batch, 0).backward()
    assert any(p.grad is not None and p.grad.any() for p in second.prior.heads[0].parameters())
    every = torch.tensor(list(itertools.product(range(NUM_RANKS), range(6))))
    owner = torch.arange(2).repeat_interleave(len(every))
    prior = second.eval().prior.prior(encode_unbound(second.prior, batch), owner, batch.ligand_pos[owner])
    with torch.no_grad():
        total = prior.log_prob(every.repeat(2, 1)).exp().view(2, -1).sum(dim=1)
    torch.testing.assert_close(total, torch.ones(2))
    sample = prior.sample(len(owner), torch.Generator().manual_seed(0)).codes
    assert (sample[len(every) :, 0] < 4).all()


def codes(task, rank):
    masks = task.config.codes.layout.masks({"ligand": torch.ones(2, 6, dtype=torch.bool)}, torch.device("cpu"))
    return task.config.codes.layout.one_hot(torch.tensor([[rank, 0]]).expand(2, -1), masks)


@pytest.mark.parametrize("network", ["unet", "transformer"])
@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_images_read_a_kind_that_they_have_never_heard_of(network):
    torch.manual_seed(0)
    groups = (CodeGroup(kind="ranks", num_codes=1, codebook_size=NUM_RANKS), CodeGroup(num_codes=1, codebook_size=3))
    assert groups[0].space == Ranks(nodes=PATCHES)
    settings = ImageCodesConfig(groups=groups, encoder=ImageEncoderConfig(patch_size=4, channels=8, num_heads=2))
    model = ImageModelConfig(shape=SHAPE, network=CONFIGS[network], codes=settings)
    task = shaken(ImageTask(ImageTaskConfig(model=model), 10))
    batch = ImageBatch(torch.randint(256, (40, SHAPE.channels, 8, 8), dtype=torch.uint8), torch.full((40,), -1))
    loss = task.training_step(batch, 0)
    loss.backward()
    assert loss.isfinite()
    assert any(p.grad is not None and p.grad.any() for p in task.model.encoder.heads[0].parameters())

    stage_one = task.model.eval().requires_grad_(False)
    clean = to_unit_range(batch.images)
    drawn = stage_one.code_posterior(clean).draw(torch.Generator().manual_seed(0))
    assert drawn.codes[:, 0].max() < 4 and (drawn.posterior.probs[0] > 0).sum(dim=1).eq(4).all()  # of four patches
    sigma, masks = torch.full((40,), 2.0), stage_one.code_masks(torch.device("cpu"))
    low, high = (stage_one.layout.one_hot(torch.tensor([[rank, 0]]).expand(40, -1), masks) for rank in (0, 3))
    difference = stage_one.denoiser(clean, sigma, None, low) - stage_one.denoiser(clean, sigma, None, high)
    assert difference.abs().max() > 1e-4

    prior_config = ImagePriorConfig(channels=8, depth=1, num_heads=2)
    second = shaken(ImagePriorTask(ImagePriorTaskConfig(prior=prior_config), stage_one, 10))
    second.training_step(batch, 0).backward()
    assert any(p.grad is not None and p.grad.any() for p in second.prior.heads[0].parameters())
    every = torch.tensor(list(itertools.product(range(NUM_RANKS), range(3))))
    prior = second.eval().prior.prior(torch.full((len(every),), -1))
    with torch.no_grad():
        assert float(prior.log_prob(every).exp().sum()) == pytest.approx(1, abs=1e-5)
    assert prior.sample(len(every), torch.Generator().manual_seed(0)).codes[:, 0].max() < 4
