"""Marks of pointers: at the node they choose, everywhere without a code, nowhere in the padding."""

import pytest
import torch

from discodock.latents.categorical import NULL_CODE, one_hot
from discodock.latents.pointer import Pointer
from discodock.latents.posterior import CodePosterior
from discodock.latents.registry import CodeLayout, CodesEmbedding
from discodock.latents.relaxation import gumbel_softmax
from discodock.models.code_marks import MarkedCodesEmbedding, MarkedPointerEmbedding
from tests.latents.kinds import CHANNELS, MIXED, NUM_SAMPLES, SEEDS, generator, make_case, node_masks, node_sets

LAYOUT = CodeLayout(spaces=(*MIXED.spaces, Pointer(nodes="others")))


@pytest.mark.parametrize("seed", SEEDS)
def test_marks_follow_a_permutation_of_the_nodes(seed):
    case = make_case("pointer", seed)
    order = torch.randperm(case.logits.shape[1], generator=generator(seed))
    weights = gumbel_softmax(case.logits, case.mask, 1.0, generator(seed))
    embedding = MarkedPointerEmbedding(Pointer(nodes="points"), CHANNELS).double()
    marks = embedding.marks(weights, case.mask)
    torch.testing.assert_close(embedding.marks(weights[:, order], case.mask[:, order]), marks[:, order])


def test_pointers_mark_their_node():
    mask = torch.tensor([[True, True, False], [True, True, True]])
    embedding = MarkedPointerEmbedding(Pointer(nodes="points"), 2)
    weights = one_hot(torch.tensor([1, NULL_CODE]), 3, torch.float32)
    marks = embedding.marks(weights, mask)
    zero = torch.zeros(2)
    assert torch.equal(marks[0], torch.stack([zero, embedding.mark, zero]))
    assert torch.equal(marks[1], embedding.null_mark.expand(3, 2))
    assert torch.equal(embedding.marks(weights[[1, 0]], mask)[0], torch.stack([embedding.null_mark] * 2 + [zero]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_layout_is_marked_set_by_set_and_embedded_as_without_marks(seed):
    nodes = node_sets(seed)
    real = node_masks(seed)
    masks = MIXED.masks(real, torch.device("cpu"))
    logits = [torch.zeros(NUM_SAMPLES, mask.shape[-1]).double() for mask in masks]
    last = torch.zeros(NUM_SAMPLES, 4, dtype=torch.float64)
    weights = (*CodePosterior(tuple(logits), masks).draw(generator(seed)).weights, last)
    embedding = MarkedCodesEmbedding(LAYOUT, CHANNELS).double()
    marks = embedding.marks(weights, "others", real["others"])
    by_hand = sum(embedding.codes[i].marks(weights[i], real["others"]) for i in (2, 3))
    torch.testing.assert_close(marks, by_hand)
    assert (marks[~real["others"]] == 0).all()
    assert embedding.marks(weights, "elsewhere", torch.ones(NUM_SAMPLES, 9, dtype=torch.bool)).abs().sum() == 0
    plain = CodesEmbedding(LAYOUT, CHANNELS).double()
    plain.load_state_dict({name: v for name, v in embedding.state_dict().items() if "mark" not in name})
    assert torch.equal(plain(weights, nodes), embedding(weights, nodes))
