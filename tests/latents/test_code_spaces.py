import pytest
import torch
from pydantic import ValidationError

from discodock.latents.categorical import NULL_CODE, log_prob, masked_log_softmax, one_hot, sample
from discodock.latents.codebook import Codebook, CodebookEmbedding
from discodock.latents.pointer import Pointer, gather_nodes
from discodock.latents.posterior import CodePosterior
from discodock.latents.registry import (
    CODE_SPACES,
    CodeLayout,
    CodesEmbedding,
    null_codes,
    stack_hard_codes,
)
from discodock.latents.relaxation import gumbel_softmax, straight_through_gumbel_softmax
from tests.latents.kinds import (
    CHANNELS,
    EXAMPLES,
    KINDS,
    MIXED,
    NUM_SAMPLES,
    SEEDS,
    generator,
    make_case,
    node_masks,
    node_sets,
    random_logits,
)

CPU = torch.device("cpu")


def mixed(seed):
    nodes = node_sets(seed)
    masks = MIXED.masks(node_masks(seed), CPU)
    return nodes, masks, [random_logits(mask, seed + i) for i, mask in enumerate(masks)]


def test_every_kind_is_registered_can_be_configured_and_has_an_example():
    assert set(EXAMPLES) == set(CODE_SPACES)
    for kind, space in CODE_SPACES.items():
        assert space().kind == kind
        assert CodeLayout.model_validate({"spaces": [{"kind": kind}]}).spaces == (space(),)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_log_prob_sums_to_one_over_the_entries(kind, seed):
    case = make_case(kind, seed)
    codes = torch.arange(case.logits.shape[1])
    rows = [log_prob(case.logits, case.mask, codes[i].expand(NUM_SAMPLES)) for i in codes]
    total = torch.stack(rows).exp().sum(0)
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-12, rtol=0)
    torch.testing.assert_close(torch.stack(rows, dim=1), masked_log_softmax(case.logits, case.mask))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_masked_entries_are_never_drawn(kind, seed):
    case = make_case(kind, seed)
    mask = case.mask.expand(case.logits.shape)
    noise = generator(seed)
    for _ in range(200):
        assert mask.gather(1, sample(case.logits, case.mask, noise)[:, None]).all()
        assert straight_through_gumbel_softmax(case.logits, case.mask, 1.0, noise)[~mask].sum() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_draws_of_either_sort_have_the_stated_probabilities(kind, seed):
    case = make_case(kind, seed)
    logits, mask = case.logits[:1], case.mask.expand(case.logits.shape)[:1]
    expected = masked_log_softmax(logits, mask).exp()[0]
    rows = 10_000
    codes = sample(logits.expand(rows, -1), mask.expand(rows, -1), generator(seed))
    found = one_hot(codes, logits.shape[1], torch.float64).mean(0)
    torch.testing.assert_close(found, expected, atol=0.025, rtol=0)
    relaxed = straight_through_gumbel_softmax(
        logits.expand(rows, -1), mask.expand(rows, -1), 0.7, generator(seed)
    ).mean(0)
    torch.testing.assert_close(relaxed, expected, atol=0.025, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_forward_is_one_hot_and_the_gradient_is_the_softmax_s(kind, seed, temperature):
    case = make_case(kind, seed)
    logits = case.logits.clone().requires_grad_()
    direction = torch.randn(logits.shape, generator=generator(seed), dtype=torch.float64)
    hard = straight_through_gumbel_softmax(logits, case.mask, temperature, generator(seed))
    assert set(hard.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(hard.sum(1), torch.ones(NUM_SAMPLES, dtype=torch.float64))
    (found,) = torch.autograd.grad((hard * direction).sum(), logits)

    soft = gumbel_softmax(logits, case.mask, temperature, generator(seed)).detach()
    assert torch.equal(hard.argmax(1), soft.argmax(1))
    expected = soft * (direction - (soft * direction).sum(1, keepdim=True)) / temperature
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    assert (found[~case.mask.expand(found.shape)] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_embedding_is_linear_in_the_weights_and_learned_where_there_is_no_code(kind, seed):
    case = make_case(kind, seed)
    embedding = case.space.make_embedding(CHANNELS).double()
    num_entries = case.logits.shape[1]
    weights = masked_log_softmax(case.logits, case.mask).exp()
    each = [one_hot(torch.full((NUM_SAMPLES,), n), num_entries, torch.float64) for n in range(num_entries)]
    vectors = torch.stack([embedding(row, case.nodes) for row in each], dim=1)
    torch.testing.assert_close(embedding(weights, case.nodes), (weights[:, :, None] * vectors).sum(1))
    none = embedding(torch.zeros_like(weights), case.nodes)
    assert torch.equal(none, embedding.null_code.expand(NUM_SAMPLES, -1))
    none.sum().backward()
    assert (embedding.null_code.grad == NUM_SAMPLES).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_that_is_there_has_nothing_of_the_null_code(kind):
    case = make_case(kind, 0)
    embedding = case.space.make_embedding(CHANNELS)  # float32, where rounding would show
    nodes = {name: each.float() for name, each in case.nodes.items()}
    weights = straight_through_gumbel_softmax(case.logits.float(), case.mask, 0.9, generator(0))
    before = embedding(weights, nodes)
    with torch.no_grad():
        embedding.null_code += 1e6
    assert torch.equal(embedding(weights, nodes), before)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_reaches_the_encoder_and_stays_within_its_sample(kind):
    case = make_case(kind, 1)
    logits = torch.zeros_like(case.logits).requires_grad_()
    mask = torch.ones_like(logits, dtype=torch.bool)
    weights = straight_through_gumbel_softmax(logits, mask, 1.0, generator(0))
    vectors = case.space.make_embedding(CHANNELS).double()(weights, case.nodes)
    (grad,) = torch.autograd.grad(vectors[2].square().sum(), logits)
    assert grad[2].abs().min() > 0
    assert grad[[0, 1, 3]].abs().max() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_pointers_follow_a_permutation_of_the_nodes(seed):
    case = make_case("pointer", seed)
    order = torch.randperm(case.logits.shape[1], generator=generator(seed))
    nodes = {"points": case.nodes["points"][:, order]}
    weights = gumbel_softmax(case.logits, case.mask, 1.0, generator(seed))
    embedding = case.space.make_embedding(CHANNELS).double()
    torch.testing.assert_close(embedding(weights[:, order], nodes), embedding(weights, case.nodes))
    torch.testing.assert_close(
        masked_log_softmax(case.logits[:, order], case.mask[:, order]),
        masked_log_softmax(case.logits, case.mask)[:, order],
    )


def test_pointers_gather_what_their_node_has():
    weights = one_hot(torch.tensor([1, NULL_CODE]), 3, torch.float32)
    pos = torch.arange(18.0).reshape(2, 3, 3)
    assert torch.equal(gather_nodes(weights, pos), torch.stack([pos[0, 1], torch.zeros(3)]))


def test_pointers_do_not_round_positions_to_half_precision():
    pos = 100 + torch.randn(3, 7, 3, generator=generator(0))
    weights = one_hot(torch.tensor([2, 0, 6]), 7, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = gather_nodes(weights, pos)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, pos[[0, 1, 2], [2, 0, 6]], rtol=0, atol=1e-5)


def test_a_codebook_looks_up_the_row_of_its_table():
    embedding = CodebookEmbedding(Codebook(codebook_size=3), 2)
    weights = one_hot(torch.tensor([2, 0, NULL_CODE]), 3, torch.float32)
    rows = torch.stack([embedding.table[2], embedding.table[0], embedding.null_code])
    assert torch.equal(embedding(weights, {}), rows)


def test_a_pointer_without_its_nodes_is_refused_by_name():
    with pytest.raises(ValueError, match="'points'; given are: atoms"):
        Pointer(nodes="points").mask({"atoms": torch.ones(1, 2, dtype=torch.bool)}, CPU)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_layout_draws_every_code_from_its_own_logits(seed):
    nodes, masks, logits = mixed(seed)
    posterior = CodePosterior(tuple(logits), masks)
    drawn = posterior.draw(generator(seed))
    weights, codes = drawn.weights, drawn.codes
    assert [tuple(each.shape) for each in weights] == [(NUM_SAMPLES, 6), (NUM_SAMPLES, 3), (NUM_SAMPLES, 4)]
    assert all(torch.equal(a, b) for a, b in zip(MIXED.one_hot(codes, masks, torch.float64), weights, strict=True))
    noise = generator(seed)
    expected = [sample(each, mask, noise) for each, mask in zip(logits, masks, strict=True)]
    assert torch.equal(codes, torch.stack(expected, dim=1))  # the same noise, the same codes
    for probs, mask in zip(posterior.probs, masks, strict=True):
        torch.testing.assert_close(probs.sum(1), torch.ones(NUM_SAMPLES, dtype=torch.float64))
        assert probs[~mask.expand(probs.shape)].sum() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_layout_is_embedded_code_by_code(seed):
    nodes, masks, logits = mixed(seed)
    layout = CodeLayout(spaces=(*MIXED.spaces, Pointer(nodes="others")))
    weights = (
        *CodePosterior(tuple(logits), masks).draw(generator(seed)).weights,
        torch.zeros(NUM_SAMPLES, 4, dtype=torch.float64),
    )
    embedding = CodesEmbedding(layout, CHANNELS).double()
    vectors = embedding(weights, nodes)
    assert vectors.shape == (NUM_SAMPLES, 4, CHANNELS)
    for i in range(4):
        assert torch.equal(vectors[:, i], embedding.codes[i](weights[i], nodes))


def test_null_codes_are_rows_of_zeros_in_every_space():
    nodes, masks, _ = mixed(0)
    codes = null_codes(NUM_SAMPLES, MIXED, CPU)
    weights = MIXED.one_hot(codes, masks)
    assert all(each.abs().sum() == 0 for each in weights)
    assert torch.equal(stack_hard_codes(weights), codes)


@pytest.mark.parametrize(
    "bad",
    [
        {"spaces": []},
        {"spaces": [{"kind": "pointr"}]},
        {"spaces": [{"kind": "codebook", "codebook_size": 1}]},
        {"spaces": [{"kind": "pointer", "codebook_size": 8}]},
    ],
)
def test_layouts_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValidationError):
        CodeLayout.model_validate(bad)


def test_a_layout_survives_its_configuration_file():
    assert CodeLayout.model_validate_json(MIXED.model_dump_json()) == MIXED
