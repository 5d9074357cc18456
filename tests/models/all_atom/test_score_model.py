import dataclasses

import pytest
import torch

from discodock.geometry.pose import PoseTangent
from discodock.geometry.topology import LigandTopology
from discodock.graphs import LigandGraph, ReceptorGraph
from discodock.models.all_atom.score_model import ScoreModel, ScoreModelConfig
from tests.models.complexes import random_complexes
from tests.rotations import random_rotmat

SIZES = [(40, 9), (25, 6)]
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}


def make_model(dtype=torch.float64, **settings) -> ScoreModel:
    torch.manual_seed(0)
    config = ScoreModelConfig(num_scalars=12, num_vectors=6, num_layers=2, num_receptor_layers=1, **settings)
    return ScoreModel(config).to(dtype)


def run(model, receptor, ligand, pos, pose_complex=None, t=None) -> PoseTangent:
    pose_complex = torch.arange(len(pos)) if pose_complex is None else pose_complex
    t = torch.linspace(0.2, 0.8, len(pos), dtype=pos.dtype) if t is None else t
    return model(model.encode(receptor, ligand), pos, pose_complex, t)


def assert_same(left: PoseTangent, right: PoseTangent, tolerance=1e-9):
    """Equal up to `tolerance` times the largest entry of each component."""
    for name in ("tr", "rot", "tor"):
        expected = getattr(right, name).detach()
        torch.testing.assert_close(
            getattr(left, name).detach(), expected, atol=tolerance * float(expected.abs().max()), rtol=0
        )


@pytest.mark.parametrize("convolution", ["fused", "e3nn"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(5))
def test_moving_the_complex_moves_the_score(seed, dtype, convolution):
    receptor, ligand, pos = random_complexes(seed, SIZES, dtype)
    model = make_model(dtype, convolution=convolution)
    rotmat, shift = random_rotmat(seed).to(dtype), torch.randn(3, dtype=dtype) * 10
    moved = dataclasses.replace(receptor, pos=receptor.pos @ rotmat.T + shift)
    score = run(model, receptor, ligand, pos)
    expected = PoseTangent(score.tr @ rotmat.T, score.rot @ rotmat.T, score.tor)
    assert_same(run(model, moved, ligand, pos @ rotmat.T + shift), expected, TOLERANCE[dtype])
    assert min(score.tr.abs().max(), score.rot.abs().max(), score.tor.abs().max()) > 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_reflection_mirrors_translation_and_turns_rotation_and_torsions_round(seed):
    receptor, ligand, pos = random_complexes(seed, SIZES)
    model = make_model()
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    score = run(model, receptor, ligand, pos)
    mirrored = run(model, dataclasses.replace(receptor, pos=receptor.pos @ mirror), ligand, pos @ mirror)
    assert_same(mirrored, PoseTangent(score.tr @ mirror, -score.rot @ mirror, -score.tor))


def test_order_of_receptor_atoms_does_not_matter():
    receptor, ligand, pos = random_complexes(0, [(30, 8)])
    order = torch.randperm(30)
    shuffled = ReceptorGraph(**{f.name: getattr(receptor, f.name)[:, order] for f in dataclasses.fields(receptor)})
    model = make_model()
    assert_same(run(model, receptor, ligand, pos), run(model, shuffled, ligand, pos))


def test_order_of_ligand_atoms_does_not_matter():
    receptor, ligand, pos = random_complexes(0, [(30, 8)])
    order = torch.randperm(8)
    topology = ligand.topology
    shuffled = LigandGraph(
        ligand.atom_feat[:, order],
        ligand.bond_type[:, order][:, :, order],
        ligand.hops[:, order][:, :, order],
        LigandTopology(
            topology.atom_mask, order.argsort()[topology.tor_bond], topology.tor_mask, topology.mask_rotate[:, :, order]
        ),
    )
    model = make_model()
    assert_same(run(model, receptor, ligand, pos), run(model, receptor, shuffled, pos[:, order]))


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_equals_its_members_alone(seed):
    receptor, ligand, pos = random_complexes(seed, SIZES)
    model = make_model()
    together = run(model, receptor, ligand, pos, t=torch.tensor([0.3, 0.7], dtype=torch.float64))
    for i, (num_receptor, num_ligand) in enumerate(SIZES):
        num_torsions = num_ligand - 3
        alone = run(
            model,
            ReceptorGraph(
                **{f.name: getattr(receptor, f.name)[i : i + 1, :num_receptor] for f in dataclasses.fields(receptor)}
            ),
            LigandGraph(
                ligand.atom_feat[i : i + 1, :num_ligand],
                ligand.bond_type[i : i + 1, :num_ligand, :num_ligand],
                ligand.hops[i : i + 1, :num_ligand, :num_ligand],
                LigandTopology(
                    ligand.topology.atom_mask[i : i + 1, :num_ligand],
                    ligand.topology.tor_bond[i : i + 1, :num_torsions],
                    ligand.topology.tor_mask[i : i + 1, :num_torsions],
                    ligand.topology.mask_rotate[i : i + 1, :num_torsions, :num_ligand],
                ),
            ),
            pos[i : i + 1, :num_ligand],
            t=torch.tensor([[0.3, 0.7][i]], dtype=torch.float64),
        )
        assert_same(
            PoseTangent(together.tr[i : i + 1], together.rot[i : i + 1], together.tor[i : i + 1, :num_torsions]), alone
        )


def test_poses_sharing_a_receptor_equal_poses_with_their_own():
    receptor, ligand, pos = random_complexes(1, [(40, 9)])
    poses = torch.cat([pos, pos + torch.randn(1, 3, dtype=pos.dtype), pos.flip(0) * 0.9])
    model = make_model()
    t = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    shared = run(model, receptor, ligand, poses, torch.zeros(3, dtype=torch.int64), t)
    for i in range(3):
        own = run(model, receptor, ligand, poses[i : i + 1], t=t[i : i + 1])
        assert_same(PoseTangent(shared.tr[i : i + 1], shared.rot[i : i + 1], shared.tor[i : i + 1]), own)


def test_no_gradient_crosses_from_one_pose_to_another():
    receptor, ligand, pos = random_complexes(2, SIZES)
    pos.requires_grad_()
    score = run(make_model(), receptor, ligand, pos)
    (gradient,) = torch.autograd.grad(score.tr[0].sum() + score.rot[0].sum() + score.tor[0].sum(), pos)
    assert gradient[0].abs().max() > 0
    assert (gradient[1] == 0).all()


def test_a_ligand_far_from_the_receptor_and_one_without_torsions_get_finite_scores():
    receptor, ligand, pos = random_complexes(3, [(20, 3), (20, 5)])
    score = run(make_model(), receptor, ligand, pos + 1000)
    assert all(getattr(score, name).isfinite().all() for name in ("tr", "rot", "tor"))
    assert (score.tor[0] == 0).all()


def test_equal_times_of_the_components_are_one_time_and_others_are_not():
    receptor, ligand, pos = random_complexes(0, SIZES)
    model = make_model(component_times=True)
    torch.nn.init.normal_(model.component_times.deviation[2].weight)  # as after training
    t = torch.tensor([0.3, 0.8], dtype=torch.float64)
    one, each = run(model, receptor, ligand, pos, t=t), run(model, receptor, ligand, pos, t=t[:, None].expand(-1, 3))
    assert_same(each, one)
    apart = run(model, receptor, ligand, pos, t=torch.stack([t, t, 1 - t], dim=1))
    assert (apart.rot - one.rot).abs().max() > 1e-3 * one.rot.abs().max()


def test_times_of_components_are_refused_by_a_network_with_one_time():
    receptor, ligand, pos = random_complexes(0, SIZES)
    with pytest.raises(ValueError, match="a time for each component"):
        run(make_model(), receptor, ligand, pos, t=torch.full((2, 3), 0.5, dtype=torch.float64))


def test_inputs_are_left_as_they_were():
    receptor, ligand, pos = random_complexes(4, SIZES)
    before = [value.clone() for value in (receptor.pos, ligand.atom_feat, ligand.hops, pos)]
    run(make_model(), receptor, ligand, pos)
    for old, new in zip(before, (receptor.pos, ligand.atom_feat, ligand.hops, pos), strict=True):
        assert torch.equal(old, new)


def test_score_depends_on_time_and_on_receptor_chemistry():
    receptor, ligand, pos = random_complexes(5, SIZES)
    model = make_model()
    score = run(model, receptor, ligand, pos)
    later = run(model, receptor, ligand, pos, t=torch.tensor([0.9, 0.1], dtype=torch.float64))
    other = run(model, dataclasses.replace(receptor, element=(receptor.element + 1) % 5), ligand, pos)
    assert (score.tr - later.tr).abs().max() > 1e-4
    assert (score.tr - other.tr).abs().max() > 1e-5


def test_bfloat16_autocast_gives_nearly_the_same_score_and_a_gradient():
    receptor, ligand, pos = random_complexes(6, SIZES, torch.float32)
    model = make_model(torch.float32)
    expected = run(model, receptor, ligand, pos)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        score = run(model, receptor, ligand, pos)
    assert score.tr.dtype == torch.float32
    assert_same(score, expected, tolerance=0.1)
    (score.tr.square().sum() + score.rot.square().sum() + score.tor.square().sum()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_gives_the_score_of_the_cpu():
    receptor, ligand, pos = random_complexes(7, SIZES, torch.float32)
    model = make_model(torch.float32)
    expected = run(model, receptor, ligand, pos)
    moved = [each.to("cuda") for each in (receptor, ligand, pos)]
    t = torch.linspace(0.2, 0.8, len(pos)).cuda()
    score = run(model.cuda(), *moved, torch.arange(len(pos)).cuda(), t)
    assert_same(PoseTangent(*(part.cpu() for part in vars(score).values())), expected, tolerance=1e-3)
