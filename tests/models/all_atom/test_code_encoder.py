import dataclasses

import torch

from discodock.graphs import ReceptorGraph
from discodock.latents.registry import stack_hard_codes
from discodock.models.all_atom.code_encoder import CodeEncoder, CodeEncoderConfig
from discodock.models.code_nodes import code_nodes
from discodock.nn.features import Features
from tests.models.complexes import random_complexes
from tests.models.layouts import LAYOUTS

SIZES = [(40, 9), (25, 6)]
CONFIG = CodeEncoderConfig(num_scalars=12, num_vectors=4)


def make_encoder(layout, dtype=torch.float64) -> CodeEncoder:
    torch.manual_seed(0)
    return CodeEncoder(CONFIG, layout).to(dtype)


def draw(encoder, receptor, ligand, pos, pose_complex=None, seed=0):
    pose_complex = torch.arange(len(pos)) if pose_complex is None else pose_complex
    return encoder.draw(encoder(receptor, ligand, pos), pose_complex, torch.Generator().manual_seed(seed))


def shuffle_receptor(receptor, order) -> ReceptorGraph:
    return ReceptorGraph(**{f.name: getattr(receptor, f.name)[:, order] for f in dataclasses.fields(receptor)})


def test_pointers_follow_a_permutation_of_ligand_atoms_and_ignore_one_of_receptor_atoms():
    receptor, ligand, pos = random_complexes(2, [(30, 8)])
    encoder = make_encoder(LAYOUTS["default"])
    order, receptor_order = torch.randperm(8), torch.randperm(30)
    topology = dataclasses.replace(ligand.topology, atom_mask=ligand.topology.atom_mask[:, order])
    shuffled = dataclasses.replace(
        ligand,
        atom_feat=ligand.atom_feat[:, order],
        bond_type=ligand.bond_type[:, order][:, :, order],
        hops=ligand.hops[:, order][:, :, order],
        topology=topology,
    )
    bound = encoder(receptor, ligand, pos)
    other = encoder(shuffle_receptor(receptor, receptor_order), shuffled, pos[:, order])
    own = torch.zeros(1, dtype=torch.int64)
    atoms = encoder.heads[0](bound, own, [])
    torch.testing.assert_close(encoder.heads[0](other, own, []), atoms[:, order])
    pointed = torch.eye(8, dtype=pos.dtype)[:1]
    residues = encoder.heads[1](bound, own, [pointed])
    torch.testing.assert_close(encoder.heads[1](other, own, [pointed[:, order]]), residues)
    assert (encoder.heads[1](bound, own, [torch.eye(8, dtype=pos.dtype)[5:6]]) - residues).abs().max() > 1e-3


def test_a_batch_equals_its_members_alone():
    receptor, ligand, pos = random_complexes(3, SIZES)
    encoder = make_encoder(LAYOUTS["default"])
    together = encoder(receptor, ligand, pos)
    for i, (num_receptor, num_ligand) in enumerate(SIZES):
        own = ReceptorGraph(
            **{f.name: getattr(receptor, f.name)[i : i + 1, :num_receptor] for f in dataclasses.fields(receptor)}
        )
        alone = encoder(own, move_rows(ligand, i), pos[i : i + 1])
        for name, features in alone.features.items():
            found = together.features[name][i : i + 1, : features.shape[1]]
            torch.testing.assert_close(found, features)
            assert (together.features[name][i, features.shape[1] :] == 0).all() or name == "ligand"
        torch.testing.assert_close(together.summary[i : i + 1], alone.summary)
        assert num_ligand <= alone.features["ligand"].shape[1]


def move_rows(ligand, i):
    topology = ligand.topology.select(torch.tensor([i]))
    return dataclasses.replace(
        ligand,
        atom_feat=ligand.atom_feat[i : i + 1],
        bond_type=ligand.bond_type[i : i + 1],
        hops=ligand.hops[i : i + 1],
        topology=topology,
    )


def test_different_seeds_draw_different_codes():
    receptor, ligand, pos = random_complexes(5, SIZES)
    encoder, pose_complex = make_encoder(LAYOUTS["default"]), torch.zeros(30, dtype=torch.int64)
    codes = stack_hard_codes(draw(encoder, receptor, ligand, pos, pose_complex).weights)
    assert len(codes.unique(dim=0)) > 2
    torch.testing.assert_close(codes, stack_hard_codes(draw(encoder, receptor, ligand, pos, pose_complex).weights))


def test_residues_are_found_and_pooled_as_by_hand():
    receptor, ligand, _pos = random_complexes(6, SIZES)
    receptor = shuffle_receptor(receptor, torch.randperm(40))
    receptor = dataclasses.replace(receptor, residue_idx=receptor.residue_idx * 7 + 3)
    nodes = code_nodes(receptor, ligand)
    values = torch.randn(int(receptor.mask.sum()), 2, dtype=torch.float64)
    pooled = nodes.pool(Features(values, values.new_zeros(len(values), 3, 1)))
    start = 0
    for b, mask in enumerate(receptor.mask):
        numbers = receptor.residue_idx[b][mask]
        expected = sorted(set(numbers.tolist()))
        assert nodes.residue_idx[b].tolist() == expected + [-1] * (nodes.residue_idx.shape[1] - len(expected))
        assert int(nodes.masks["residues"][b].sum()) == len(expected)
        for n, number in enumerate(expected):
            chosen = numbers == number
            torch.testing.assert_close(nodes.residue_pos[b, n], receptor.pos[b][mask][chosen].mean(0))
            torch.testing.assert_close(pooled.scalars[b, n], values[start : start + len(numbers)][chosen].mean(0))
        start += len(numbers)


def test_inputs_are_left_as_they_were():
    receptor, ligand, pos = random_complexes(7, SIZES)
    before = receptor.pos.clone(), pos.clone()
    draw(make_encoder(LAYOUTS["default"]), receptor, ligand, pos)
    assert torch.equal(before[0], receptor.pos)
    assert torch.equal(before[1], pos)


def test_a_new_encoder_points_at_outer_atoms_and_the_residues_beside_them():
    receptor, ligand, pos = random_complexes(8, [(120, 12)])
    spaces = LAYOUTS["default"].spaces * 2
    encoder = make_encoder(LAYOUTS["default"].model_copy(update={"spaces": spaces}))
    bound, own = encoder(receptor, ligand, pos), torch.zeros(200, dtype=torch.int64)
    codes = stack_hard_codes(encoder.draw(bound, own, torch.Generator().manual_seed(0)).weights)
    atoms, residues = bound.pos["ligand"][0], bound.pos["residues"][0]
    center = atoms.mean(dim=0)
    assert (atoms[codes[:, 0]] - center).norm(dim=-1).mean() > 1.2 * (atoms - center).norm(dim=-1).mean()
    assert (atoms[codes[:, 2]] - atoms[codes[:, 0]]).norm(dim=-1).mean() > 1.2 * torch.cdist(atoms, atoms).mean()
    for pair in (0, 2):
        nearest = torch.cdist(atoms[codes[:, pair]], residues).amin(dim=1)
        found = (atoms[codes[:, pair]] - residues[codes[:, pair + 1]]).norm(dim=-1)
        assert (found - nearest).mean() < 1.0
