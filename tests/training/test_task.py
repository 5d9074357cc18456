"""What tasks draw: the same when a run goes on, and never the same twice."""

import pytest
import torch

from discodock.noise import Purpose
from discodock.training.optim import OptimizerConfig, ParameterGroup
from discodock.training.task import FrozenStageOne, Task, TaskConfig


class Drawn(Task):
    """Draws of a step, from its own generator and from the one that dropout uses; optionally of another process."""

    rank = 0

    @property
    def global_rank(self):
        return self.rank

    def draws(self, purpose, step):
        generator = self.generator(purpose, step)
        own = torch.rand(3, generator=generator)
        with self.seeded(generator):
            return own, torch.rand(3)


def task(seed=0, rank=0):
    made = Drawn(TaskConfig(seed=seed), max_steps=10)
    made.rank = rank
    return made


@pytest.mark.parametrize("step", [0, 7])
def test_a_run_that_goes_on_draws_what_the_uninterrupted_one_would(step):
    whole = task()
    for earlier in range(step):
        whole.draws(Purpose.TRAINING, earlier)
    for first, second in zip(whole.draws(Purpose.TRAINING, step), task().draws(Purpose.TRAINING, step), strict=True):
        assert torch.equal(first, second)


def test_seeds_ranks_steps_and_purposes_all_differ():
    purposes = (Purpose.TRAINING, Purpose.VALIDATION, Purpose.VALIDATION_CODES)
    keys = [(seed, rank, p, step) for seed in range(3) for rank in range(3) for p in purposes for step in range(20)]
    for kind in (0, 1):
        drawn = [tuple(task(seed, rank).draws(p, step)[kind].tolist()) for seed, rank, p, step in keys]
        assert len(set(drawn)) == len(keys)


def test_dropout_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    task().draws(Purpose.TRAINING, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [-1, 1 << 32])
def test_seeds_that_would_share_streams_are_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        TaskConfig(seed=seed)


def test_groups_have_rates_and_frozen_steps_of_their_own():
    config = TaskConfig(optimizer=OptimizerConfig(learning_rate=0.5, warmup_steps=0, decay_fraction=0))
    made = Task(config, max_steps=10)
    fast, slow = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    made.parameter_groups = lambda: [ParameterGroup([fast]), ParameterGroup([slow], 0.25, frozen_steps=2)]
    found = made.configure_optimizers()
    optimizer, scheduler = found["optimizer"], found["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(3):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    assert rates == [[0.5, 0.0], [0.5, 0.0], [0.5, 0.125]]


def test_a_frozen_stage_neither_trains_nor_drops_out():
    stage_one = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))
    made = FrozenStageOne(TaskConfig(), stage_one, max_steps=1).train()
    assert made.training and not any(module.training for module in made.stage_one.modules())
    assert not made.parameter_groups()[0].parameters
