"""Marks of pointers: at the node they choose, everywhere without a code, nowhere in the padding."""

import pytest
import torch

from discodock.latents.categorical import NULL_CODE, one_hot
from discodock.latents.pointer import Pointer
from discodock.latents.posterior import CodePosterior
from discodock.latents.registry import CodeLayout, CodesEmbedding
from discodock.latents.relaxation import gumbel_softmax
from discodock.models.code_marks import MarkedCodesEmbedding
from tests.latents.kinds import CHANNELS, MIXED, NUM_SAMPLES, SEEDS, generator, make_case, node_masks, node_sets

LAYOUT = CodeLayout(spaces=(*MIXED.spaces, Pointer(nodes="others")))


ONE = CodeLayout(spaces=(Pointer(nodes="points"),))


@pytest.mark.parametrize("seed", SEEDS)
def test_marks_follow_a_permutation_of_the_nodes(seed):
    case = make_case("pointer", seed)
    order = torch.randperm(case.logits.shape[1], generator=generator(seed))
    weights = gumbel_softmax(case.logits, case.mask, 1.0, generator(seed))
    embedding = MarkedCodesEmbedding(ONE, CHANNELS).double()
    marks = embedding.marks([weights], "points", case.mask)
    permuted = embedding.marks([weights[:, order]], "points", case.mask[:, order])
    torch.testing.assert_close(permuted, marks[:, order])


def test_pointers_mark_their_node():
    mask = torch.tensor([[True, True, False], [True, True, True]])
    embedding = MarkedCodesEmbedding(ONE, 2)
    mark, null_mark = embedding.mark_parameters(0)
    weights = one_hot(torch.tensor([1, NULL_CODE]), 3, torch.float32)
    marks = embedding.marks([weights], "points", mask)
    zero = torch.zeros(2)
    assert torch.equal(marks[0], torch.stack([zero, mark, zero]))
    assert torch.equal(marks[1], null_mark.expand(3, 2))
    swapped = embedding.marks([weights[[1, 0]]], "points", mask)
    assert torch.equal(swapped[0], torch.stack([null_mark, null_mark, zero]))


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
    null_mark = embedding.mark_parameters(3)[1] * real["others"][..., None]
    by_hand = weights[2][..., None] * embedding.mark_parameters(2)[0] + null_mark  # the last code is there nowhere
    torch.testing.assert_close(marks, by_hand)
    assert (marks[~real["others"]] == 0).all()
    assert embedding.marks(weights, "elsewhere", torch.ones(NUM_SAMPLES, 9, dtype=torch.bool)).abs().sum() == 0
    plain = CodesEmbedding(LAYOUT, CHANNELS).double()
    plain.load_state_dict({name: v for name, v in embedding.state_dict().items() if "mark" not in name})
    assert torch.equal(plain(weights, nodes), embedding(weights, nodes))
