import pytest
import torch

from discodock.data.batch import collate, repeat_complexes
from discodock.data.module import ComplexDataModule
from discodock.errors import ConfigError
from discodock.models.checkpoint import load_checkpoint
from discodock.models.disco_diffdock.config import ResidueScoreModelConfig
from discodock.tasks.codes import encode_unbound, kl_divergence
from discodock.tasks.prior_stage import PriorStageConfig, train_prior
from discodock.tasks.score import ScoreTask
from discodock.tasks.score_stage import train_score
from tests.tasks.test_codes_stage import CODES
from tests.tasks.test_score_stage import RIGID, settings

KL = (
    *CODES,
    "task.codes.kl_weight=0.5",
    "task.codes.prior.num_channels=16",
    "task.codes.prior.num_heads=2",
    "task.codes.prior.num_context_rounds=1",
    "task.codes.prior.num_code_rounds=1",
    "task.codes.prior.dropout=0",
)


@pytest.fixture
def batch(prepared):
    data = ComplexDataModule(settings(prepared, RIGID).data)
    data.setup()
    return collate([data.val_set[0]])


def make_task(prepared, *overrides):
    torch.manual_seed(0)
    return ScoreTask(settings(prepared, RIGID, *KL, *overrides).task, 100)


def exact_divergence(task, batch):
    """Sum over first codes of q(z1) [log q(z1) / p(z1) + KL(q(z2 | z1) || p(z2 | z1))], by enumeration, one complex."""
    first = torch.eye(batch.ligand_pos.shape[1])
    own = torch.zeros(len(first), dtype=torch.int64)
    bound, heads = task.code_encoder(batch.receptor, batch.ligand, batch.ligand_pos), task.code_encoder.heads
    prior = task.code_prior.prior(encode_unbound(task.code_prior, batch), own)
    q = (heads[0](bound, own, []), heads[1](bound, own, [first]))
    p = prior.all_logits(torch.stack([torch.arange(len(first)), own], dim=1))
    q1, q2, p1, p2 = (
        each.masked_fill(~mask, -torch.inf).softmax(-1)
        for each, mask in zip((*q, *p), (*prior.masks, *prior.masks), strict=True)
    )
    second = torch.where(q2 > 0, q2 * (q2 / p2).log(), 0).sum(-1)
    return (q1[0] * ((q1[0] / p1[0]).log() + second)).sum()


def test_the_estimate_is_the_divergence_of_encoder_and_prior(prepared, batch):
    task = make_task(prepared).eval().requires_grad_(False)
    pose_complex = repeat_complexes(batch, 4000)
    generator = torch.Generator().manual_seed(1)
    drawn = task.draw_codes(batch, pose_complex, generator)
    expected = float(exact_divergence(task, batch))
    assert expected > 0.1
    found = float(kl_divergence(task.code_prior, batch, pose_complex, drawn, generator))
    assert found == pytest.approx(expected, rel=0.05)


def test_the_divergence_teaches_the_encoder_and_the_prior(prepared, batch):
    task = make_task(prepared)
    pose_complex = repeat_complexes(batch, 8)
    values = []
    optimizer = torch.optim.Adam([*task.code_encoder.parameters(), *task.code_prior.parameters()], lr=3e-3)
    for step in range(60):
        generator = torch.Generator().manual_seed(step)
        drawn = task.draw_codes(batch, pose_complex, generator)
        kl = kl_divergence(task.code_prior, batch, pose_complex, drawn, generator)
        optimizer.zero_grad()
        kl.backward()
        for module in (task.code_encoder, task.code_prior):
            gradients = [p.grad for p in module.parameters() if p.grad is not None]
            assert all(gradient.isfinite().all() for gradient in gradients)
            assert any(gradient.any() for gradient in gradients)
        optimizer.step()
        values.append(float(kl.detach()))
    assert sum(values[-10:]) < 0.3 * sum(values[:10])


def test_the_prior_travels_in_the_file_and_stage_two_goes_on_with_it(prepared, tmp_path):
    path = train_score(settings(prepared, RIGID, *KL, "run.max_steps=2"), tmp_path / "codes")
    found = load_checkpoint(path)
    assert found.config["prior"]["num_channels"] == 16
    again = train_score(
        settings(prepared, RIGID, *KL, "run.max_steps=1", "task.optimizer.learning_rate=1e-30", f"start_from={path}"),
        tmp_path / "again",
    )
    stage_two = PriorStageConfig.model_validate(
        {
            "start_from": path,
            "data": settings(prepared, RIGID).data.model_dump(),
            "task": {"prior": found.config["prior"], "optimizer": {"learning_rate": 1e-30}},
            "run": {"accelerator": "cpu", "devices": 1, "max_steps": 1, "validate_every": 1000},
        }
    )
    second = train_prior(stage_two, tmp_path / "prior")
    for later in (again, second):
        weights = load_checkpoint(later).part("prior")
        for name, value in found.part("prior").items():
            torch.testing.assert_close(weights[name], value)


def test_a_network_without_such_a_prior_says_so(prepared):
    wrong = settings(prepared, RIGID, *KL).task.codes
    with pytest.raises(ConfigError, match="kl_weight"):
        wrong.joint_prior(ResidueScoreModelConfig())
