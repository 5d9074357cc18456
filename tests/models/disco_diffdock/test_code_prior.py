import dataclasses
from functools import cache

import pytest
import torch

from discodock.models.disco_diffdock.code_prior import ResiduePriorNetwork
from discodock.models.disco_diffdock.config import ResidueCodePriorConfig, ResidueScoreModelConfig
from discodock.models.disco_diffdock.score_model import ResidueScoreModel
from tests.models.disco_diffdock.networks import LAYOUTS, PAPER, SMALL, complexes
from tests.rotations import random_rotmat

SCORE = ResidueScoreModelConfig(**SMALL, num_layers=3)


def make_network(layout=PAPER) -> ResiduePriorNetwork:
    """The same again, for tests that change nothing about it."""
    network = known_network(layout)
    torch.manual_seed(0)
    return network


def new_network(layout=PAPER) -> ResiduePriorNetwork:
    """A network whose batch normalisation has seen some complexes."""
    torch.manual_seed(0)
    network = ResiduePriorNetwork(ResidueCodePriorConfig(num_hidden=8), layout, SCORE).double()
    make_prior(network, *complexes(11)).all_logits(torch.zeros(2, layout.num_codes, dtype=torch.int64))
    return network.eval()


known_network = cache(new_network)


def make_prior(network, receptor, ligand, conformer, sample_complex=None):
    context = network.encode(receptor, ligand, receptor.pos.new_zeros(len(receptor.pos), 3))
    own = torch.arange(len(receptor.pos)) if sample_complex is None else sample_complex
    return network.prior(context, own, conformer[own])


def draw(prior, num=2):
    return prior.sample(num, torch.Generator().manual_seed(0)).codes


@pytest.mark.parametrize(("layout", "seed"), [*(("paper", seed) for seed in range(5)), ("mixed", 0)])
def test_receptor_and_conformer_move_together_and_the_orientation_of_one_alone_counts(layout, seed):
    receptor, ligand, conformer = complexes(seed)
    network = make_network(LAYOUTS[layout])
    prior = make_prior(network, receptor, ligand, conformer)
    codes = draw(prior)
    rotmat, shift = random_rotmat(seed), torch.randn(3, dtype=torch.float64) * 10

    def log_prob(turn_receptor, turn_conformer):
        turned = dataclasses.replace(receptor, pos=receptor.pos @ turn_receptor.T)
        return make_prior(network, turned, ligand, conformer @ turn_conformer.T + shift).log_prob(codes)

    torch.testing.assert_close(log_prob(rotmat, rotmat), prior.log_prob(codes), atol=1e-6, rtol=1e-6)
    unturned = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(log_prob(rotmat, unturned), log_prob(unturned, rotmat.T), atol=1e-6, rtol=1e-6)
    assert (log_prob(unturned, rotmat) - prior.log_prob(codes)).abs().max() > 1e-5
    assert (log_prob(-unturned, -unturned) - prior.log_prob(codes)).abs().max() > 1e-6


def test_padding_residues_without_alpha_carbon_and_forbidden_entries_are_never_drawn():
    receptor, ligand, conformer = complexes(2)
    names = torch.where(receptor.residue_idx == 3, 5, receptor.atom_name)  # no alpha carbon in the fourth residue
    receptor = dataclasses.replace(receptor, atom_name=names)
    owner = torch.tensor([0, 1]).repeat_interleave(100)
    prior = make_prior(make_network(), receptor, ligand, conformer, owner)
    assert prior.masks[0].sum(dim=1).unique().tolist() == [6 + 9, 9 + 14]
    allowed = torch.arange(prior.masks[0].shape[1]) >= 9
    codes = prior.restricted((None, allowed)).sample(200, torch.Generator().manual_seed(1)).codes
    for column, mask in zip(codes.unbind(1), prior.masks, strict=True):
        assert mask.gather(1, column[:, None]).all()
    assert not (codes == 9 + 3).any() and (codes[:, 1] >= 9).all() and (codes[:, 0] < 9).any()


def test_the_weights_of_a_score_model_fit_and_give_its_features():
    network, score_model = new_network(), ResidueScoreModel(SCORE, PAPER).double().eval()
    weights = network.from_score_model(score_model.state_dict())
    missing = network.load_state_dict(weights, strict=False).missing_keys
    assert {name.split(".")[0] for name in missing} == {"heads"}
    assert {name.split(".")[0] for name in score_model.state_dict()} - {name.split(".")[0] for name in weights} == {
        "center_head",
        "bond_head",
    }
    shared, own = network.split_parameters()
    assert len(shared) + len(own) == len(list(network.parameters())) and len(own) == 2 * 2 * 6
