import dataclasses

import pytest
import torch

from tests.models.disco_diffdock.networks import LAYOUTS, PAPER, complexes, make_encoder, new_encoder
from tests.rotations import random_rotmat


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("seed", range(5))
def test_logits_do_not_depend_on_the_frame(layout, seed):
    receptor, ligand, pos = complexes(seed)
    encoder = make_encoder(LAYOUTS[layout])
    rotmat, shift = random_rotmat(seed), torch.randn(3, dtype=torch.float64) * 10
    moved = dataclasses.replace(receptor, pos=receptor.pos @ rotmat.T + shift)
    pairs = zip(
        encoder(receptor, ligand, pos).logits, encoder(moved, ligand, pos @ rotmat.T + shift).logits, strict=True
    )
    for before, after in pairs:
        torch.testing.assert_close(after, before, atol=1e-6, rtol=1e-5)
        assert before.std() > 1e-4


def test_logits_follow_atoms_and_residues_and_depend_on_the_pose():
    receptor, ligand, pos = complexes(0, [(90, 9)])
    encoder = make_encoder()
    logits = encoder(receptor, ligand, pos).logits[0]
    order = torch.randperm(90)
    shuffled = {k: v[:, order] for k, v in vars(receptor).items()}
    torch.testing.assert_close(encoder(type(receptor)(**shuffled), ligand, pos).logits[0], logits)
    assert (encoder(receptor, ligand, pos + 3).logits[0] - logits).abs().max() > 1e-5
    assert logits.shape == (1, 9 + 15)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_drawn_codes_are_real_nodes_with_a_gradient_and_follow_the_logits(layout):
    receptor, ligand, pos = complexes(1)
    encoder = new_encoder(LAYOUTS[layout]).train()
    bound = encoder(receptor, ligand, pos)
    owner = torch.arange(2).repeat_interleave(200)
    drawn = encoder.draw(bound, owner, torch.Generator().manual_seed(0))
    masks = encoder.layout.masks({name: mask[owner] for name, mask in bound.masks.items()}, owner.device)
    for weights, probs, mask, logits in zip(drawn.weights, drawn.posterior.probs, masks, bound.logits, strict=True):
        assert (weights.detach().sum(-1) == 1).all()
        assert (weights[~mask.expand(weights.shape)] == 0).all()
        frequency = weights[:200].detach().mean(dim=0)
        torch.testing.assert_close(frequency, probs[0].detach(), atol=0.15, rtol=0)
        assert logits.shape[0] == 2
    sum(each.square().cumsum(-1).sum() for each in drawn.weights).backward()
    assert [n for n, p in encoder.named_parameters() if p.requires_grad and p.grad is None] == []


def test_the_paper_s_codes_choose_among_all_ligand_atoms_and_residues():
    receptor, ligand, pos = complexes(2)
    bound = make_encoder(PAPER)(receptor, ligand, pos)
    assert bound.masks["complex"].sum(dim=1).tolist() == [9 + 15, 6 + 10]
    assert [each.shape for each in bound.logits] == [(2, 24)] * 2
