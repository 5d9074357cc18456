import dataclasses

import torch

from discodock.models.all_atom.code_prior import CodePriorConfig, CodePriorNetwork
from discodock.models.all_atom.score_model import ScoreModel, ScoreModelConfig
from tests.models.complexes import random_complexes
from tests.models.layouts import LAYOUTS

SIZES = [(40, 9), (25, 6)]
ENCODERS = ScoreModelConfig(num_scalars=12, num_vectors=4, num_layers=1, num_receptor_layers=1)
CONFIG = CodePriorConfig(num_channels=16, num_heads=2, num_context_rounds=1, num_code_rounds=1)


def make_network(layout) -> CodePriorNetwork:
    torch.manual_seed(0)
    return CodePriorNetwork(CONFIG, layout, ENCODERS).double().eval()


def make_prior(network, receptor, ligand, center=None, sample_complex=None):
    num_complexes = len(receptor.pos)
    center = receptor.pos.new_zeros(num_complexes, 3) if center is None else center
    sample_complex = torch.arange(num_complexes) if sample_complex is None else sample_complex
    return network.prior(network.encode(receptor, ligand, center), sample_complex)


def draw(prior, num=2, seed=0):
    return prior.sample(num, torch.Generator().manual_seed(seed)).codes


def permuted(ligand, order):
    topology = dataclasses.replace(ligand.topology, atom_mask=ligand.topology.atom_mask[:, order])
    return dataclasses.replace(
        ligand,
        atom_feat=ligand.atom_feat[:, order],
        bond_type=ligand.bond_type[:, order][:, :, order],
        hops=ligand.hops[:, order][:, :, order],
        topology=topology,
    )


def test_padding_is_never_drawn_and_a_restriction_never_leaks():
    receptor, ligand, _pos = random_complexes(2, SIZES)
    network = make_network(LAYOUTS["default"])
    sample_complex = torch.tensor([0, 1]).repeat_interleave(200)
    prior = make_prior(network, receptor, ligand, sample_complex=sample_complex)
    allowed = torch.rand(400, prior.masks[1].shape[1], generator=torch.Generator().manual_seed(0)) < 0.3
    allowed[:, 0] = True
    codes = prior.restricted((None, allowed)).sample(400, torch.Generator().manual_seed(1)).codes
    for column, mask in zip(codes.unbind(1), (prior.masks[0], prior.masks[1] & allowed), strict=True):
        assert mask.gather(1, column[:, None]).all()


def test_pointers_follow_a_permutation_of_ligand_atoms_and_ignore_one_of_receptor_atoms():
    receptor, ligand, _pos = random_complexes(3, [(30, 8)])
    network = make_network(LAYOUTS["default"])
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    codes = draw(make_prior(network, receptor, ligand), 1)
    shuffled = dataclasses.replace(receptor, **shuffled_fields(receptor))
    moved = torch.stack([order.argsort()[codes[:, 0]], codes[:, 1]], dim=1)
    expected = make_prior(network, receptor, ligand).log_prob(codes)
    torch.testing.assert_close(make_prior(network, shuffled, permuted(ligand, order)).log_prob(moved), expected)


def shuffled_fields(receptor):
    order = torch.randperm(receptor.mask.shape[1], generator=torch.Generator().manual_seed(1))
    return {f.name: getattr(receptor, f.name)[:, order] for f in dataclasses.fields(receptor)}


def test_the_encoders_of_a_score_model_fit():
    network = make_network(LAYOUTS["default"])
    weights = network.from_score_model(ScoreModel(ENCODERS).state_dict())
    missing = network.load_state_dict(weights, strict=False).missing_keys
    assert weights
    assert not [name for name in missing if "encoder" in name]
