import pytest
import torch
from pydantic import ValidationError
from torch.utils._python_dispatch import TorchDispatchMode

from discodock.geometry.pose import PoseTangent
from discodock.latents.categorical import NULL_CODE
from discodock.latents.dropout import CodeDropout, drop_codes, drop_weights
from discodock.latents.guidance import guided
from discodock.latents.posterior import CodePosterior
from discodock.latents.registry import CodesEmbedding, stack_hard_codes
from discodock.noise import Purpose, StreamNoise
from tests.latents.kinds import CHANNELS, MIXED, NUM_SAMPLES, SEEDS, generator, node_masks, node_sets, random_logits

CPU = torch.device("cpu")


@pytest.mark.parametrize("seed", SEEDS)
def test_codes_are_dropped_at_the_stated_rates(seed):
    kept = CodeDropout(whole=0.2, each=0.3).draw(40_000, 3, generator(seed), CPU).double()
    none = (kept.sum(1) == 0).double().mean()
    assert float(none) == pytest.approx(0.2 + 0.8 * 0.3**3, abs=0.01)
    torch.testing.assert_close(kept.mean(0), torch.full((3,), 0.8 * 0.7, dtype=torch.float64), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("settings", "expected"), [({"whole": 0.1}, {0, 3}), ({"whole": 0, "each": 0.5}, {0, 1, 2, 3})]
)
def test_codes_are_dropped_together_or_one_by_one(settings, expected):
    kept = CodeDropout(**settings).draw(500, 3, generator(0), CPU)
    assert set(kept.sum(1).tolist()) == expected


class NoDoubles(TorchDispatchMode):
    """Refuses float64 on the meta device, as MPS does."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **kwargs or {})
        assert not (isinstance(found, torch.Tensor) and found.is_meta and found.dtype == torch.float64), func
        return found


def test_nothing_is_sent_to_a_device_in_float64():
    with NoDoubles():
        kept = CodeDropout().draw(5, 3, generator(0), torch.device("meta"))
    assert kept.shape == (5, 3) and kept.is_meta and kept.dtype == torch.bool


def test_the_ends_of_the_rates_are_exact():
    assert CodeDropout(whole=0, each=0).draw(10_000, 2, generator(0), CPU).all()
    assert not CodeDropout(whole=1, each=0).draw(10_000, 2, generator(0), CPU).any()
    assert not CodeDropout(whole=0, each=1).draw(10_000, 2, generator(0), CPU).any()
    with pytest.raises(ValidationError):
        CodeDropout(whole=1.1)


def test_a_stream_per_sample_drops_the_same_codes_in_any_batch():
    config = CodeDropout(whole=0.3, each=0.3)
    together = config.draw(20, 3, StreamNoise(1, range(20), Purpose.POSES), CPU)
    assert torch.equal(config.draw(5, 3, StreamNoise(1, range(10, 15), Purpose.POSES), CPU), together[10:15])


@pytest.mark.parametrize("seed", SEEDS)
def test_dropped_codes_become_the_learned_null_code_and_pass_no_gradient(seed):
    nodes = node_sets(seed)
    masks = MIXED.masks(node_masks(seed), CPU)
    logits = [random_logits(mask, seed).requires_grad_() for mask in masks]
    weights = CodePosterior(tuple(logits), masks).draw(generator(seed)).weights
    kept = torch.rand(NUM_SAMPLES, MIXED.num_codes, generator=generator(seed)) < 0.5
    kept[0], kept[1] = True, False
    dropped = drop_weights(weights, kept)
    assert torch.equal(stack_hard_codes(dropped), drop_codes(stack_hard_codes(weights), kept))
    assert torch.equal(drop_codes(stack_hard_codes(weights), kept) == NULL_CODE, ~kept)

    embedding = CodesEmbedding(MIXED, CHANNELS).double()
    before, vectors = embedding(weights, nodes), embedding(dropped, nodes)
    assert torch.equal(vectors[kept], before[kept])
    nulls = torch.stack([code.null_code for code in embedding.codes])
    assert torch.equal(vectors[~kept], nulls.expand(NUM_SAMPLES, -1, -1)[~kept])
    assert torch.equal(
        embedding([torch.zeros_like(each) for each in weights], nodes), nulls.expand(NUM_SAMPLES, -1, -1)
    )
    grads = torch.autograd.grad(vectors.square().sum(), logits)
    for i, (grad, mask) in enumerate(zip(grads, masks, strict=True)):
        several = mask.expand(grad.shape).sum(1) > 1  # a choice of one has no gradient anyway
        assert torch.equal(grad.abs().sum(1) > 0, kept[:, i] & several)


@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.5, 2.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_guidance_is_the_formula_for_tensors_and_for_tangents(seed, weight):
    def draw():
        return torch.randn(3, 2, generator=noise, dtype=torch.float64)

    noise = generator(seed)
    told, untold = (PoseTangent(draw(), draw(), draw()) for _ in range(2))
    found = guided(lambda: told, lambda: untold, weight)
    for name in ("tr", "rot", "tor"):
        c, u = getattr(told, name), getattr(untold, name)
        torch.testing.assert_close(getattr(found, name), (1 + weight) * c - weight * u, atol=1e-12, rtol=0)
        torch.testing.assert_close(guided(lambda c=c: c, lambda u=u: u, weight), getattr(found, name), atol=0, rtol=0)


def test_weight_zero_is_the_identity_to_the_last_bit_and_costs_nothing():
    conditional = torch.tensor([1e-30, 3.0, -0.0])

    def never():
        raise AssertionError("the unguided output is not needed")

    assert guided(lambda: conditional, never, 0.0) is conditional
    torch.testing.assert_close(guided(lambda: conditional, lambda: torch.ones(3), 1.0), 2 * conditional - 1)
