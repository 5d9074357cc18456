import torch

from tests.models.disco_diffdock.networks import PAPER, complexes, make_encoder


def test_logits_follow_atoms_and_residues_and_depend_on_the_pose():
    receptor, ligand, pos = complexes(0, [(90, 9)])
    encoder = make_encoder()
    logits = encoder(receptor, ligand, pos).logits[0]
    order = torch.randperm(90)
    shuffled = {k: v[:, order] for k, v in vars(receptor).items()}
    torch.testing.assert_close(encoder(type(receptor)(**shuffled), ligand, pos).logits[0], logits)
    assert (encoder(receptor, ligand, pos + 3).logits[0] - logits).abs().max() > 1e-5
    assert logits.shape == (1, 9 + 15)


def test_the_paper_s_codes_choose_among_all_ligand_atoms_and_residues():
    receptor, ligand, pos = complexes(2)
    bound = make_encoder(PAPER)(receptor, ligand, pos)
    assert bound.masks["complex"].sum(dim=1).tolist() == [9 + 15, 6 + 10]
    assert [each.shape for each in bound.logits] == [(2, 24)] * 2
