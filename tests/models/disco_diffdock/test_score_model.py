import dataclasses

import pytest
import torch

from discodock.geometry.topology import LigandTopology
from discodock.graphs import EmbeddedReceptorGraph, LigandGraph, ReceptorGraph
from discodock.models.code_nodes import code_nodes
from discodock.models.disco_diffdock.config import ResidueScoreModelConfig
from discodock.models.disco_diffdock.graph import alpha_carbon_graph, repeat_pairs
from discodock.models.disco_diffdock.score_model import ResidueScoreModel
from tests.models.all_atom.test_score_model import assert_same, run
from tests.models.disco_diffdock.networks import LAYOUTS, complexes, make_model, new_model

TOLERANCE = {torch.float32: 1e-2, torch.float64: 1e-5}  # e3nn's own constants have single precision


def one_hot_codes(model, num_poses: int, sizes: dict[str, int], entries=(3, 20)) -> tuple[torch.Tensor, ...]:
    """The same codes for every pose, as weights."""
    codes = []
    for space, entry in zip(model.network.embedding.layout.spaces, (*entries, 2, 4), strict=False):
        num = space.codebook_size if space.kind == "codebook" else sizes[space.nodes]
        codes.append(torch.eye(num, dtype=torch.float64)[[entry % num] * num_poses])
    return tuple(codes)


NODES = {"ligand": 9, "residues": 15, "complex": 24}


@pytest.mark.parametrize("layout", [None, *LAYOUTS])
def test_order_of_atoms_does_not_matter(layout):
    receptor, ligand, pos = complexes(0, [(90, 9)])
    model = make_model(LAYOUTS.get(layout))
    codes = None if layout is None else one_hot_codes(model, 1, NODES)
    order, atoms = torch.randperm(90), torch.arange(9).roll(2)
    shuffled = ReceptorGraph(
        **{name: value[:, order] for name, value in vars(receptor).items()},
    )
    topology = ligand.topology
    turned = LigandGraph(
        ligand.atom_feat[:, atoms],
        ligand.bond_type[:, atoms][:, :, atoms],
        ligand.hops[:, atoms][:, :, atoms],
        LigandTopology(
            topology.atom_mask, atoms.argsort()[topology.tor_bond], topology.tor_mask, topology.mask_rotate[:, :, atoms]
        ),
    )
    t = torch.tensor([0.5], dtype=torch.float64)
    expected = model(model.encode(receptor, ligand), pos, torch.zeros(1, dtype=torch.int64), t, codes)
    if codes is not None:
        spaces = LAYOUTS[layout].spaces
        sets = {"ligand": atoms, "complex": torch.cat([atoms, torch.arange(9, 24)])}
        codes = tuple(
            each[:, sets[space.nodes]] if getattr(space, "nodes", None) in sets else each
            for space, each in zip(spaces, codes, strict=True)
        )
    context = model.encode(shuffled, turned)
    assert_same(model(context, pos[:, atoms], torch.zeros(1, dtype=torch.int64), t, codes), expected, 1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_code_counts_and_no_codes_are_null_codes(layout):
    receptor, ligand, pos = complexes(6)
    model = make_model(LAYOUTS[layout])
    codes = one_hot_codes(model, 2, NODES)
    context, t = model.encode(receptor, ligand), torch.tensor([0.4, 0.6], dtype=torch.float64)

    def tr(codes):
        return model(context, pos, torch.arange(2), t, codes).tr

    null = tuple(torch.zeros_like(each) for each in codes)
    torch.testing.assert_close(tr(null), tr(None), rtol=0, atol=0)
    for i in range(len(codes)):
        changed = codes[i].roll(1, dims=1)
        for other in (changed, null[i]):
            assert (tr((*codes[:i], other, *codes[i + 1 :])) - tr(codes)).abs().max() > 1e-4


def test_gradients_reach_all_parameters_and_the_weights_of_codes():
    receptor, ligand, pos = complexes(7)
    model = new_model(LAYOUTS["paper"]).train()
    codes = tuple(each.requires_grad_() for each in one_hot_codes(model, 2, NODES))
    t = torch.tensor([0.4, 0.6], dtype=torch.float64)
    kept = (codes[0], codes[1] * torch.tensor([[0.0], [1.0]]))
    score = model(model.encode(receptor, ligand), pos, torch.arange(2), t, kept)
    (score.tr.sin().sum() + score.rot.sin().sum() + score.tor.sin().sum()).backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert codes[0].grad.abs().max() > 0


def test_residues_are_alpha_carbons_with_their_nearest_neighbours():
    receptor, ligand, _ = complexes(8)
    graph = alpha_carbon_graph(receptor, code_nodes(receptor, ligand), max_neighbors=4, cutoff=7.0)
    torch.testing.assert_close(graph.pos[0], receptor.pos[0, 1::6])
    torch.testing.assert_close(graph.residue_type[1, :10], receptor.residue_type[1, :60:6])
    distance = torch.cdist(graph.pos[1, :10], graph.pos[1, :10]).fill_diagonal_(torch.inf)
    expected = {(i, int(j)) for i in range(10) for j in distance[i].argsort()[:4] if distance[i, j] < 7.0}
    mine = graph.pairs.sample == 1
    assert set(zip(graph.pairs.target[mine].tolist(), graph.pairs.source[mine].tolist(), strict=True)) == expected
    number = torch.arange(90) // 6
    hetero = dataclasses.replace(receptor, atom_name=torch.where(number == 2, 0, receptor.atom_name))
    mask = alpha_carbon_graph(hetero, code_nodes(hetero, ligand), max_neighbors=4, cutoff=7.0).mask
    assert mask[0].nonzero().squeeze(1).tolist() == [i for i in range(15) if i != 2]  # a cofactor is no node


def test_repeated_pairs_are_those_of_the_chosen_samples():
    receptor, ligand, _ = complexes(9)
    pairs = alpha_carbon_graph(receptor, code_nodes(receptor, ligand), max_neighbors=3, cutoff=20.0).pairs
    chosen = torch.tensor([1, 0, 1])
    repeated = repeat_pairs(pairs, chosen, 2)
    for pose, which in enumerate(chosen):
        own, original = repeated.sample == pose, pairs.sample == which
        assert torch.equal(repeated.source[own], pairs.source[original])
        assert torch.equal(repeated.target[own], pairs.target[original])
        assert torch.equal(repeated.vec[own], pairs.vec[original])


def test_language_model_embeddings_are_read_by_residue_number():
    receptor, ligand, pos = complexes(10)
    model = make_model_with_embeddings()
    embedding = torch.randn(2, 15, 5, dtype=torch.float64)
    base = run(model, embedded(receptor, embedding), ligand, pos)
    changed = embedding.clone()
    changed[0, 7] += 1
    other = run(model, embedded(receptor, changed), ligand, pos)
    assert (base.tr[0] - other.tr[0]).abs().max() > 1e-5
    assert torch.equal(base.tr[1], other.tr[1])
    half = receptor.residue_idx[0] >= 7  # a crop keeps the numbers of its residues
    kept = ReceptorGraph(**{k: v[:1, half] for k, v in vars(receptor).items()})
    graph = model.encode(embedded(kept, embedding[:1]), ligand).receptor
    torch.testing.assert_close(graph.embedding[0], embedding[0, 7:])
    with pytest.raises(ValueError, match="have none"):
        run(model, receptor, ligand, pos)


def embedded(receptor, embedding):
    return EmbeddedReceptorGraph(**vars(receptor), residue_embedding=embedding)


def make_model_with_embeddings():
    torch.manual_seed(0)
    config = ResidueScoreModelConfig(num_scalars=6, num_vectors=3, num_layers=2, embedding_size=5)
    return ResidueScoreModel(config).double().eval()


def test_contacts_reach_three_sigma_and_twenty_angstrom():
    model = make_model()
    t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    sigma = 0.1 ** (1 - t) * 19**t
    torch.testing.assert_close(model.cross_cutoff(t), 3 * sigma + 20)
