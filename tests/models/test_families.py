"""What holds of the networks of every family: a new one gives its example in `families.py` and is tested here."""

import dataclasses
import itertools

import pytest
import torch

from discodock.geometry.pose import PoseTangent
from discodock.models.checkpoint import load_checkpoint, save_checkpoint
from discodock.models.registry import FAMILIES
from tests.models.all_atom.test_score_model import assert_same
from tests.models.complexes import member, reordered
from tests.models.families import (
    ANYWHERE,
    EXAMPLES,
    WITH_LAYOUTS,
    code_encoder,
    code_prior,
    codes_of,
    inputs,
    new_code_encoder,
    new_code_prior,
    new_score_model,
    prior_of,
    score_model,
    score_of,
)
from tests.rotations import random_rotmat

DOUBLE = torch.float64


def test_every_family_has_an_example():
    assert EXAMPLES.keys() == FAMILIES.keys()


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("seed", [*range(5), "single precision", "e3nn"])
def test_moving_the_complex_moves_the_score(kind, seed):
    dtype = torch.float32 if seed == "single precision" else DOUBLE
    convolution = EXAMPLES[kind].convolutions[seed == "e3nn"]
    number = seed if isinstance(seed, int) else 0
    model, (receptor, ligand, pos) = (
        score_model(kind, None, dtype, convolution=convolution),
        inputs(kind, number, dtype),
    )
    torch.manual_seed(number)
    rotmat, shift = random_rotmat(number).to(dtype), torch.randn(3, dtype=dtype) * 10
    moved = dataclasses.replace(receptor, pos=receptor.pos @ rotmat.T + shift)
    score = score_of(model, receptor, ligand, pos)
    expected = PoseTangent(score.tr @ rotmat.T, score.rot @ rotmat.T, score.tor)
    found = score_of(model, moved, ligand, pos @ rotmat.T + shift)
    assert_same(found, expected, EXAMPLES[kind].tolerance[dtype])
    assert min(part.abs().max() for part in (score.tr, score.rot, score.tor)) > 1e-6


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_mirror_image_mirrors_translation_and_turns_rotation_and_torsions_round_if_it_counts_as_one(kind):
    model, (receptor, ligand, pos) = score_model(kind), inputs(kind, 0)
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=DOUBLE))
    score = score_of(model, receptor, ligand, pos)
    mirrored = score_of(model, dataclasses.replace(receptor, pos=receptor.pos @ mirror), ligand, pos @ mirror)
    if EXAMPLES[kind].mirrors:
        assert_same(mirrored, PoseTangent(score.tr @ mirror, -score.rot @ mirror, -score.tor))
    else:  # vectors and pseudovectors are added on purpose
        assert (mirrored.tr - score.tr @ mirror).abs().max() > 1e-3 and (mirrored.tor + score.tor).abs().max() > 1e-3


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_order_of_atoms_does_not_matter_to_the_score(kind):
    size = EXAMPLES[kind].sizes[0]
    model, (receptor, ligand, pos) = score_model(kind), inputs(kind, 0, sizes=[size])
    order = torch.randperm(size[1], generator=torch.Generator().manual_seed(0))
    shuffled, turned = reordered(receptor, ligand, torch.randperm(size[0]), order)
    expected = score_of(model, receptor, ligand, pos)
    assert_same(score_of(model, shuffled, turned, pos[:, order]), expected, EXAMPLES[kind].tolerance[DOUBLE])


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("seed", range(5))
def test_scores_of_a_batch_are_those_of_its_members_alone(kind, seed):
    model, (receptor, ligand, pos) = score_model(kind), inputs(kind, seed)
    t = torch.tensor([0.3, 0.7], dtype=DOUBLE)
    together = score_of(model, receptor, ligand, pos, t=t)
    for i, size in enumerate(EXAMPLES[kind].sizes):
        alone = score_of(model, *member(receptor, ligand, pos, i, size), t=t[i : i + 1])
        own = PoseTangent(together.tr[i : i + 1], together.rot[i : i + 1], together.tor[i : i + 1, : size[1] - 3])
        assert_same(own, alone, EXAMPLES[kind].tolerance[DOUBLE])


@pytest.mark.parametrize("kind", EXAMPLES)
def test_poses_sharing_a_receptor_equal_poses_with_their_own(kind):
    model, (receptor, ligand, pos) = score_model(kind), inputs(kind, 1)
    poses, owner = torch.cat([pos[1:] * 1.1, pos[:1], pos[:1] + 1.0, pos[1:]]), torch.tensor([1, 0, 0, 1])
    t = torch.tensor([0.1, 0.5, 0.9, 0.2], dtype=DOUBLE)
    shared = score_of(model, receptor, ligand, poses, owner, t)
    for i in range(4):
        one = slice(i, i + 1)
        own = score_of(model, receptor, ligand, poses[one], owner[one], t[one])
        assert_same(
            PoseTangent(shared.tr[one], shared.rot[one], shared.tor[one]), own, EXAMPLES[kind].tolerance[DOUBLE]
        )


@pytest.mark.parametrize("kind", EXAMPLES)
def test_no_gradient_crosses_from_one_pose_to_another(kind):
    model, (receptor, ligand, pos) = score_model(kind), inputs(kind, 2)
    pos.requires_grad_()
    score = score_of(model, receptor, ligand, pos)
    (gradient,) = torch.autograd.grad(score.tr[0].sum() + score.rot[0].sum() + score.tor[0].sum(), pos)
    assert gradient[0].abs().max() > 0 and (gradient[1] == 0).all()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_far_and_rigid_and_single_atom_ligands_get_finite_scores_in_training_too(kind):
    for sizes in ([(60, 3), (60, 5)], [(60, 1), (60, 3)]):
        receptor, ligand, pos = inputs(kind, 3, sizes=sizes)
        for model in (score_model(kind), new_score_model(kind).train()):
            score = score_of(model, receptor, ligand, pos + 1000)
            assert all(getattr(score, name).isfinite().all() for name in ("tr", "rot", "tor"))
            assert (score.tor[0] == 0).all()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_score_depends_on_time_and_chemistry_and_leaves_its_inputs_as_they_were(kind):
    model, (receptor, ligand, pos) = score_model(kind), inputs(kind, 5)
    before = [value.clone() for value in (receptor.pos, ligand.atom_feat, ligand.hops, pos)]
    score = score_of(model, receptor, ligand, pos)
    later = score_of(model, receptor, ligand, pos, t=torch.tensor([0.9, 0.1], dtype=DOUBLE))
    changed = dataclasses.replace(
        receptor, element=(receptor.element + 1) % 5, residue_type=(receptor.residue_type + 1) % 20
    )
    other = score_of(model, changed, ligand, pos)
    assert (score.tr - later.tr).abs().max() > 1e-4 and (score.tr - other.tr).abs().max() > 1e-5
    after = (receptor.pos, ligand.atom_feat, ligand.hops, pos)
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(("kind", "layout"), WITH_LAYOUTS)
def test_gradients_reach_all_parameters_of_a_score_model(kind, layout):
    model, (receptor, ligand, pos) = new_score_model(kind, layout).train(), inputs(kind, 7)
    drawn = draw(code_encoder(kind, layout), receptor, ligand, pos)
    codes = tuple(weights.detach() for weights in drawn.weights)
    kept = tuple(each * torch.tensor([[1.0], [0.0]], dtype=DOUBLE) for each in codes)  # null codes have parameters too
    t = torch.tensor([0.4, 0.6], dtype=DOUBLE)
    score = model(model.encode(receptor, ligand), pos, torch.arange(2), t, kept)
    (score.tr.sin().sum() + score.rot.sin().sum() + score.tor.sin().sum()).backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def draw(encoder, receptor, ligand, pos, pose_complex=None):
    pose_complex = torch.arange(len(pos)) if pose_complex is None else pose_complex
    return encoder.draw(encoder(receptor, ligand, pos), pose_complex, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("kind", "layout"), WITH_LAYOUTS)
@pytest.mark.parametrize("seed", range(5))
def test_the_encoder_does_not_see_the_frame(kind, layout, seed):
    encoder, (receptor, ligand, pos) = code_encoder(kind, layout), inputs(kind, seed)
    torch.manual_seed(seed)
    rotmat, shift = random_rotmat(seed), torch.randn(3, dtype=DOUBLE) * 10
    expected = draw(encoder, receptor, ligand, pos).posterior.probs
    for motion in (rotmat, -rotmat) if EXAMPLES[kind].mirrors else (rotmat,):
        moved = dataclasses.replace(receptor, pos=receptor.pos @ motion.T + shift)
        found = draw(encoder, moved, ligand, pos @ motion.T + shift).posterior.probs
        for left, right in zip(found, expected, strict=True):
            torch.testing.assert_close(left, right, rtol=0, atol=EXAMPLES[kind].tolerance[DOUBLE])
    assert max(float((probs.amax(1) - probs.amin(1)).max().detach()) for probs in expected) > 1e-3  # none is uniform


@pytest.mark.parametrize(("kind", "layout"), WITH_LAYOUTS)
def test_codes_are_one_hot_at_real_nodes_and_follow_their_probabilities(kind, layout):
    encoder, (receptor, ligand, pos) = code_encoder(kind, layout), inputs(kind, 1)
    owner = torch.arange(2).repeat_interleave(200)
    drawn = draw(encoder, receptor, ligand, pos, owner)
    masks = {name: mask[owner] for name, mask in encoder(receptor, ligand, pos).masks.items()}
    layout_masks = encoder.layout.masks(masks, owner.device)
    for weights, probs, mask in zip(drawn.weights, drawn.posterior.probs, layout_masks, strict=True):
        assert set(weights.unique().tolist()) == {0.0, 1.0} and (weights.sum(1) == 1).all()
        torch.testing.assert_close(probs.sum(1), torch.ones(400, dtype=DOUBLE))
        assert (probs[~mask.expand(probs.shape)] == 0).all() and (weights[~mask.expand(probs.shape)] == 0).all()
    torch.testing.assert_close(drawn.weights[0][:200].mean(0), drawn.posterior.probs[0][0], atol=0.15, rtol=0)


@pytest.mark.parametrize(("kind", "layout"), WITH_LAYOUTS)
def test_gradients_reach_all_parameters_of_an_encoder(kind, layout):
    encoder, (receptor, ligand, pos) = new_code_encoder(kind, layout).train(), inputs(kind, 4)
    drawn = draw(encoder, receptor, ligand, pos)
    sum((each * torch.randn_like(each)).sum() for each in (*drawn.weights, *drawn.posterior.probs)).backward()
    assert not [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize(("kind", "layout"), WITH_LAYOUTS)
@pytest.mark.parametrize("seed", range(3))
def test_the_prior_does_not_see_the_frame(kind, layout, seed):
    network, (receptor, ligand, conformer) = code_prior(kind, layout), inputs(kind, seed)
    torch.manual_seed(seed)
    rotmat, shift, center = random_rotmat(seed), torch.randn(3, dtype=DOUBLE) * 10, torch.randn(2, 3, dtype=DOUBLE) * 3
    prior = prior_of(network, receptor, ligand, conformer, center)
    codes, tolerance = codes_of(prior), EXAMPLES[kind].tolerance[DOUBLE]
    for motion in (rotmat, -rotmat) if EXAMPLES[kind].mirrors else (rotmat,):
        moved = dataclasses.replace(receptor, pos=receptor.pos @ motion.T + shift)
        found = prior_of(network, moved, ligand, conformer @ motion.T, center @ motion.T + shift)
        torch.testing.assert_close(found.log_prob(codes), prior.log_prob(codes), atol=tolerance, rtol=tolerance)
    elsewhere = prior_of(network, receptor, ligand, conformer, center + 2)
    assert (elsewhere.log_prob(codes) - prior.log_prob(codes)).abs().max() > 1e-6


@pytest.mark.parametrize(
    ("kind", "layout"), [pair for pair in WITH_LAYOUTS if pair[1] in ("default", "mixed", "paper")]
)
def test_probabilities_of_all_codes_sum_to_one(kind, layout):
    network, (receptor, ligand, conformer) = code_prior(kind, layout), inputs(kind, 1, sizes=[(12, 3)])
    sizes = [int(mask.sum()) for mask in prior_of(network, receptor, ligand, conformer).masks]
    every = torch.tensor(list(itertools.product(*map(range, sizes))))
    with torch.no_grad():
        prior = prior_of(network, receptor, ligand, conformer, owner=torch.zeros(len(every), dtype=torch.int64))
        assert prior.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("kind", "layout"), WITH_LAYOUTS)
def test_codes_of_a_batch_are_as_probable_as_those_of_its_members_alone(kind, layout):
    network, (receptor, ligand, conformer) = code_prior(kind, layout), inputs(kind, 4)
    together = prior_of(network, receptor, ligand, conformer)
    sizes = EXAMPLES[kind].sizes
    is_anywhere = torch.tensor([space == ANYWHERE for space in network.layout.spaces])
    for i, size in enumerate(sizes):
        own = prior_of(network, *member(receptor, ligand, conformer, i, size))
        codes = codes_of(own, 1)
        num_padding = max(num_ligand for _, num_ligand in sizes) - size[1]  # residues come after them
        there = torch.where(is_anywhere & (codes >= size[1]), codes + num_padding, codes)
        torch.testing.assert_close(own.log_prob(codes), together.log_prob(there.expand(2, -1))[i : i + 1])


@pytest.mark.parametrize(("kind", "layout"), WITH_LAYOUTS)
def test_gradients_reach_all_parameters_of_a_prior_and_earlier_codes_matter(kind, layout):
    network, (receptor, ligand, conformer) = new_code_prior(kind, layout), inputs(kind, 5)
    prior = prior_of(network, receptor, ligand, conformer)
    codes = codes_of(prior)
    logits = prior.all_logits(codes)
    sum((each * torch.randn_like(each)).sum() for each in logits).backward()
    assert not [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    if len(logits) > 1:
        other = prior.all_logits((codes + 1) % torch.tensor([int(mask.sum(-1).min()) for mask in prior.masks]))
        torch.testing.assert_close(other[0], logits[0])
        assert (other[1] - logits[1]).abs().max() > 1e-6


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("part", ["score_model", "code_encoder", "code_prior"])
def test_a_checkpoint_gives_every_network_back_to_the_last_bit(kind, part, tmp_path):
    layout = next(iter(EXAMPLES[kind].layouts))
    network = {
        "score_model": lambda: new_score_model(kind, layout, torch.float32),
        "code_encoder": lambda: new_code_encoder(kind, layout).float(),
        "code_prior": lambda: new_code_prior(kind, layout).float(),
    }[part]()
    config, path = getattr(EXAMPLES[kind], part), tmp_path / "network.safetensors"
    save_checkpoint(path, network.state_dict(), {part: config.model_dump(mode="json")}, {})
    loaded = load_checkpoint(path)
    assert type(config)(**loaded.config[part]) == config
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    network.load_state_dict(loaded.weights)
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
