import dataclasses

import pytest
import torch

from discodock.geometry import cavities
from discodock.graphs import ResidueGraph
from discodock.models.site.model import SITE_LAYOUT, SiteModel, SiteModelConfig
from tests.models.complexes import random_complexes
from tests.rotations import random_rotmat

SIZES = [(60, 9), (36, 6)]
ATOMS_PER_RESIDUE = 6


def make_model() -> SiteModel:
    torch.manual_seed(0)
    config = SiteModelConfig(num_scalars=12, num_vectors=6, num_receptor_layers=1, num_layers=2, max_neighbors=4)
    return SiteModel(config).double().eval()


def residues_of(model, receptor, cavity_scalars, cavity_vectors) -> ResidueGraph:
    scalars, vectors = model.encode_receptor(receptor)
    count, size = receptor.mask.shape[0], receptor.mask.shape[1] // ATOMS_PER_RESIDUE
    atoms = receptor.mask.view(count, size, ATOMS_PER_RESIDUE)
    total = (receptor.pos * receptor.mask[..., None]).view(count, size, ATOMS_PER_RESIDUE, 3).sum(dim=2)
    pos = total / atoms.sum(dim=2).clamp(min=1)[..., None]
    return ResidueGraph(pos, atoms.any(dim=2), scalars, vectors, cavity_scalars, cavity_vectors)


def random_cavities(count=2, size=10):
    generator = torch.Generator().manual_seed(1)
    scalars = torch.randn(count, size, cavities.NUM_SCALARS, generator=generator, dtype=torch.float64)
    return scalars, torch.randn(count, size, 3, cavities.NUM_VECTORS, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("flip", [1.0, -1.0])
@pytest.mark.parametrize("seed", range(3))
def test_centres_move_with_the_complex_and_logits_stay_under_reflections_too(seed, flip):
    model = make_model()
    receptor, ligand, _ = random_complexes(seed, SIZES)
    scalars, vectors = random_cavities()
    rotmat, shift = flip * random_rotmat(seed), torch.tensor([10.0, -7.0, 3.0], dtype=torch.float64)
    expected = model(residues_of(model, receptor, scalars, vectors), ligand)
    moved = dataclasses.replace(receptor, pos=receptor.pos @ rotmat.T + shift)
    turned = torch.einsum("ij,bnjk->bnik", rotmat, vectors)
    found = model(residues_of(model, moved, scalars, turned), ligand)
    torch.testing.assert_close(found.logits, expected.logits, rtol=0, atol=1e-9)
    mask = expected.mask
    torch.testing.assert_close(found.center[mask], (expected.center @ rotmat.T + shift)[mask], rtol=0, atol=1e-9)
    assert expected.logits[mask].std() > 1e-3


def test_a_receptor_s_sites_do_not_depend_on_its_batch():
    model = make_model()
    receptor, ligand, _ = random_complexes(0, SIZES)
    scalars, vectors = random_cavities()
    together = model(residues_of(model, receptor, scalars, vectors), ligand)
    alone_receptor, alone_ligand, _ = random_complexes(0, SIZES)
    receptor_fields = {f.name: getattr(alone_receptor, f.name)[1:, :36] for f in dataclasses.fields(alone_receptor)}
    alone_receptor = type(alone_receptor)(**receptor_fields)
    topology = alone_ligand.topology.select(torch.tensor([1]))
    alone_ligand = type(alone_ligand)(
        alone_ligand.atom_feat[1:], alone_ligand.bond_type[1:], alone_ligand.hops[1:], topology
    )
    alone = model(residues_of(model, alone_receptor, scalars[1:, :6], vectors[1:, :6]), alone_ligand)
    torch.testing.assert_close(together.logits[1, :6], alone.logits[0], rtol=0, atol=1e-9)
    torch.testing.assert_close(together.center[1, :6], alone.center[0], rtol=0, atol=1e-9)


def test_the_site_depends_on_the_ligand():
    model = make_model()
    receptor, ligand, _ = random_complexes(0, SIZES)
    residues = residues_of(model, receptor, *random_cavities())
    other = dataclasses.replace(ligand, atom_feat=ligand.atom_feat.flip(0))
    assert (model(residues, ligand).logits - model(residues, other).logits).abs().max() > 1e-6


def test_the_atom_encoder_is_not_trained():
    model = make_model()
    receptor, ligand, _ = random_complexes(0, SIZES)
    prediction = model(residues_of(model, receptor, *random_cavities()), ligand)
    (prediction.logits.sum() + prediction.center.sum()).backward()
    trained = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert {"input_scalars", "input_vectors", "ligand_encoder", "layers", "logit", "offset"} <= trained
    assert "receptor_encoder" not in trained


def test_the_prior_of_the_site_code_stays_inside_the_receptor_and_a_restriction():
    model = make_model()
    receptor, ligand, _ = random_complexes(0, SIZES)
    prediction = model(residues_of(model, receptor, *random_cavities()), ligand)
    prior = prediction.prior()
    assert prior.layout is SITE_LAYOUT
    generator = torch.Generator().manual_seed(0)
    allowed = torch.arange(10) % 3 == 1
    for _ in range(50):
        assert prediction.mask[torch.arange(2), prior.sample(2, generator).codes[:, 0]].all()
        assert allowed[prior.restricted([allowed]).sample(2, generator).codes[:, 0]].all()
    every = torch.stack([prior.log_prob(torch.full((2, 1), code)) for code in range(10)])
    torch.testing.assert_close(every.exp().sum(dim=0), torch.ones(2, dtype=torch.float64))
