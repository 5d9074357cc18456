import pytest
import torch

from discodock.geometry.pose import PoseTangent
from discodock.models.all_atom.score_model import ScoreModel, ScoreModelConfig
from tests.models.complexes import random_complexes

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
