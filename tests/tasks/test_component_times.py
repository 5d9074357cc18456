import pytest
import torch

from discodock.models.all_atom.score_model import ScoreModelConfig
from discodock.tasks.score import ScoreTaskConfig, component_times
from discodock.tasks.score_stage import train_score
from tests.tasks.test_score_stage import settings


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_fraction_of_the_poses_has_independent_times_of_the_same_distribution():
    config = ScoreTaskConfig(model=ScoreModelConfig(component_times=True), independent_times=0.25, time_alpha=2.0)
    times = component_times(20_000, config, generator())
    shared = (times == times[:, :1]).all(dim=1)
    assert shared.float().mean().item() == pytest.approx(0.75, abs=0.01)
    assert times.mean(dim=0).tolist() == pytest.approx([2 / 3] * 3, abs=0.01)  # the mean of Beta(2, 1)
    apart = times[~shared]
    assert abs(torch.corrcoef(apart.T)[0, 1].item()) < 0.05 and abs(torch.corrcoef(apart.T)[1, 2].item()) < 0.05


def test_without_them_draws_are_as_before():
    config = ScoreTaskConfig()
    assert component_times(10, config, generator()).shape == (10,)


def test_a_network_with_one_time_cannot_have_them():
    with pytest.raises(ValueError, match="component_times"):
        ScoreTaskConfig(independent_times=0.5)


def test_training_goes_on_from_a_network_with_one_time(prepared, tmp_path):
    first = train_score(settings(prepared, ("2azr_982",), "run.max_steps=2"), tmp_path / "one")
    more = ("task.model.component_times=true", "task.independent_times=0.5", f"start_from={first}", "run.max_steps=3")
    assert train_score(settings(prepared, ("2azr_982",), *more), tmp_path / "each").is_file()
