import dataclasses

import pytest
import torch

from discodock.geometry.pose import PoseTangent
from discodock.models.all_atom.score_model import ScoreModel, ScoreModelConfig
from tests.models.all_atom.test_score_model import assert_same
from tests.models.complexes import random_complexes
from tests.models.layouts import LAYOUTS
from tests.rotations import random_rotmat

SIZES = [(40, 9), (25, 6)]


def make_model(layout, *, is_trained=True) -> ScoreModel:
    """A network with codes; `is_trained` fills what begins as zero."""
    torch.manual_seed(0)
    config = ScoreModelConfig(num_scalars=12, num_vectors=6, num_layers=2, num_receptor_layers=1)
    model = ScoreModel(config, layout).double()
    if is_trained:
        for parameter in model.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.3)
    return model


def random_codes(model, context, pose_complex, seed=0):
    """One-hot weights of random nodes."""
    generator = torch.Generator().manual_seed(seed)
    masks = {name: mask[pose_complex] for name, mask in context.codes.nodes.masks.items()}
    entries = model.codes.layout.masks(masks, pose_complex.device)
    weights = []
    for mask in entries:
        probs = mask.double().expand(len(pose_complex), -1)
        chosen = torch.multinomial(probs, 1, generator=generator)
        weights.append(torch.zeros_like(probs).scatter_(1, chosen, 1.0))
    return tuple(weights)


def run(model, receptor, ligand, pos, seed=0, codes=True) -> PoseTangent:
    own = torch.arange(len(pos))
    context = model.encode(receptor, ligand)
    given = random_codes(model, context, own, seed) if codes is True else codes
    return model(context, pos, own, torch.linspace(0.2, 0.8, len(pos), dtype=pos.dtype), given)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("seed", range(5))
def test_moving_the_complex_moves_the_score_with_codes(layout, seed):
    receptor, ligand, pos = random_complexes(seed, SIZES)
    model = make_model(layout)
    rotmat, shift = random_rotmat(seed), torch.randn(3, dtype=pos.dtype) * 10
    moved = dataclasses.replace(receptor, pos=receptor.pos @ rotmat.T + shift)
    score = run(model, receptor, ligand, pos, seed)
    expected = PoseTangent(score.tr @ rotmat.T, score.rot @ rotmat.T, score.tor)
    assert_same(run(model, moved, ligand, pos @ rotmat.T + shift, seed), expected)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_reflection_with_codes(layout):
    receptor, ligand, pos = random_complexes(0, SIZES)
    model, mirror = make_model(layout), torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    score = run(model, receptor, ligand, pos)
    mirrored = run(model, dataclasses.replace(receptor, pos=receptor.pos @ mirror), ligand, pos @ mirror)
    assert_same(mirrored, PoseTangent(score.tr @ mirror, -score.rot @ mirror, -score.tor))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_network_begins_as_the_one_without_codes(layout):
    receptor, ligand, pos = random_complexes(1, SIZES)
    model, plain = make_model(layout, is_trained=False), make_model(None)
    known = {name: value for name, value in plain.state_dict().items()}
    assert known.keys() < model.state_dict().keys()
    model.load_state_dict(known, strict=False)
    expected = run(plain, receptor, ligand, pos, codes=None)
    assert_same(run(model, receptor, ligand, pos), expected)
    assert_same(run(model, receptor, ligand, pos, codes=None), expected)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_no_codes_are_null_codes_and_every_code_matters(layout):
    receptor, ligand, pos = random_complexes(2, SIZES)
    model = make_model(layout)
    context = model.encode(receptor, ligand)
    codes = random_codes(model, context, torch.arange(2))
    null = tuple(torch.zeros_like(each) for each in codes)
    assert_same(run(model, receptor, ligand, pos, codes=null), run(model, receptor, ligand, pos, codes=None))
    whole = run(model, receptor, ligand, pos, codes=codes)
    for index in range(layout.num_codes):
        partly = run(model, receptor, ligand, pos, codes=(*codes[:index], null[index], *codes[index + 1 :]))
        assert (partly.tr - whole.tr).abs().max() > 1e-4


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_codes_of_one_pose_do_not_touch_another(layout):
    receptor, ligand, pos = random_complexes(3, SIZES)
    model = make_model(layout)
    codes = random_codes(model, model.encode(receptor, ligand), torch.arange(2))
    changed = tuple(torch.stack([each[0], torch.zeros_like(each[1])]) for each in codes)
    before, after = (run(model, receptor, ligand, pos, codes=each) for each in (codes, changed))
    for name in ("tr", "rot", "tor"):
        torch.testing.assert_close(getattr(before, name)[0], getattr(after, name)[0])
    assert (before.tr[1] - after.tr[1]).abs().max() > 1e-4


def test_a_pointer_at_a_residue_passes_a_gradient_to_the_weights_of_all_residues():
    receptor, ligand, pos = random_complexes(4, [(40, 9)])
    model = make_model(LAYOUTS["default"])
    codes = random_codes(model, model.encode(receptor, ligand), torch.zeros(1, dtype=torch.int64))
    for weights in codes:
        weights.requires_grad_()
    run(model, receptor, ligand, pos, codes=codes).tr.sum().backward()
    assert all((weights.grad != 0).all() for weights in codes)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_parameter_that_asks_for_a_gradient_gets_one(layout):
    receptor, ligand, pos = random_complexes(5, SIZES)
    model = make_model(layout)
    score = run(model, receptor, ligand, pos)
    (score.tr.sum() + score.rot.sum() + score.tor.sum()).backward()
    assert not [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]


def test_codes_for_a_network_without_and_unknown_nodes_are_refused():
    receptor, ligand, pos = random_complexes(6, SIZES)
    with pytest.raises(ValueError, match="without a code layout"):
        run(make_model(None), receptor, ligand, pos, codes=(torch.zeros(2, 9),))
    spaces = (LAYOUTS["default"].spaces[0].model_copy(update={"nodes": "chains"}),)
    with pytest.raises(ValueError, match="'chains'"):
        make_model(LAYOUTS["default"].model_copy(update={"spaces": spaces}))
