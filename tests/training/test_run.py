"""Runs of a module with one weight: what is saved, and when a session ends."""

import errno
import signal

import pytest
import pytorch_lightning as pl
import torch
from pydantic import ValidationError
from torch.utils.data import DataLoader

from discodock.errors import CheckpointError, ConfigError
from discodock.settings import Settings
from discodock.training.optim import OptimizerConfig
from discodock.training.run import LAST_CHECKPOINT, RunConfig, fit, write_config

STEP = 0.25
"""What every optimiser step adds to the weight."""


class Counter(pl.LightningModule):
    """Its weight grows by `STEP` a step; validation number `broken_off_at` raises `interruption`."""

    def __init__(self, broken_off_at=None, interruption=KeyboardInterrupt):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.broken_off_at, self.interruption = broken_off_at, interruption
        self.validated = []

    def training_step(self, batch, batch_idx):
        return -self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.validated.append(float(self.weight))
        if len(self.validated) == self.broken_off_at:
            raise self.interruption

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=STEP)


class Numbers(pl.LightningDataModule):
    """Five batches an epoch, of which the module makes nothing."""

    def train_dataloader(self):
        return DataLoader(torch.zeros(5, 1))

    def val_dataloader(self):
        return DataLoader(torch.zeros(1, 1))


def run(task, folder, **settings):
    """Train on the CPU; the steps at which weights were written, and the last averaged weight."""
    config = RunConfig(**{"accelerator": "cpu", "devices": 1, "checkpoint_every": 1000, "validate_every": 3} | settings)
    written = []
    try:
        fit(
            task,
            Numbers(),
            folder,
            config,
            OptimizerConfig(gradient_clip=100, ema_decay=0.5),
            lambda state, summary: written.append((summary["step"], float(state["weight"]))),
        )
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # Lightning ignores it after the first
    return written


def averages(num_steps, decay=0.5):
    """Averages of the weight after 1, 2, ... steps by the rule of `moving_average`; the first is a copy."""
    found = []
    for number in range(num_steps):
        current = STEP * (number + 1)
        kept = min(decay, (1 + number) / (10 + number)) if number else 0.0
        found.append(current if not found else kept * found[-1] + (1 - kept) * current)
    return found


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("broken_off_at", [1, 2])
def test_an_interrupted_validation_leaves_current_and_averaged_weights_the_right_way_round(
    tmp_path, broken_off_at, interruption
):
    task, steps = Counter(broken_off_at, interruption), 3 * broken_off_at
    with pytest.raises(interruption):
        run(task, tmp_path, max_steps=20)
    saved = torch.load(tmp_path / LAST_CHECKPOINT, weights_only=True)
    current, average = saved["current_model_state"]["weight"], saved["state_dict"]["weight"]
    assert saved["global_step"] == steps
    assert float(current) == pytest.approx(STEP * steps)
    assert float(average) == pytest.approx(averages(steps)[-1]) == pytest.approx(task.validated[-1])


def test_a_run_goes_on_from_an_interrupted_validation_as_if_it_had_not_been(tmp_path):
    whole = run(Counter(), tmp_path / "whole", max_steps=5)
    with pytest.raises(KeyboardInterrupt):
        run(Counter(broken_off_at=1), tmp_path / "halves", max_steps=5)
    assert run(Counter(), tmp_path / "halves", max_steps=5)[-1] == whole[-1]


def test_the_time_limit_is_that_of_a_session(tmp_path):
    limit = {"max_steps": 20, "max_hours": 1e-9}  # a step takes longer
    steps = [run(Counter(), tmp_path, **limit)[-1][0] for _ in range(3)]
    assert steps == [1, 2, 3]
    assert run(Counter(), tmp_path, max_steps=5)[-1][0] == 5


class Stage(Settings):
    """A configuration with a run in it."""

    size: int = 1
    run: RunConfig = RunConfig()


@pytest.mark.parametrize("strategy", ["fsdp", "deepspeed", "dpp"])
def test_strategies_that_cannot_work_are_refused_when_read(strategy):
    with pytest.raises(ValidationError, match="strategy"):
        RunConfig(strategy=strategy)
    for known in ("auto", "ddp", "ddp_find_unused_parameters_true"):
        assert RunConfig(strategy=known).strategy == known


def test_a_run_goes_on_though_its_run_block_would_be_refused_now(tmp_path):
    (tmp_path / LAST_CHECKPOINT).parent.mkdir()
    (tmp_path / LAST_CHECKPOINT).touch()
    (tmp_path / "config.yaml").write_text("size: 1\nrun: {strategy: fsdp, gone: 3}\n")
    assert write_config(tmp_path, Stage())["run"]["strategy"] == "auto"
    with pytest.raises(ConfigError, match="another 'size' block"):
        write_config(tmp_path, Stage(size=2))


def test_a_full_disk_leaves_the_last_checkpoint_from_which_the_run_goes_on(tmp_path, monkeypatch):
    whole = run(Counter(), tmp_path / "whole", max_steps=6, checkpoint_every=2)
    run(Counter(), tmp_path / "halves", max_steps=2, checkpoint_every=2)
    last = tmp_path / "halves" / LAST_CHECKPOINT
    saved = last.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr("discodock.files.Path.write_bytes", write_half_of)
        with pytest.raises(CheckpointError, match="No space left on device.*make room"):
            run(Counter(), tmp_path / "halves", max_steps=6, checkpoint_every=2)
    assert last.read_bytes() == saved and [path.name for path in last.parent.iterdir()] == ["last.ckpt"]
    assert run(Counter(), tmp_path / "halves", max_steps=6, checkpoint_every=2)[-1] == whole[-1]


def write_half_of(path, data):
    """A disk that is full after half of a file."""
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_drafts_of_a_killed_run_are_swept_away(tmp_path):
    draft = tmp_path / LAST_CHECKPOINT.parent / ".last.ckpt.0123abcd-1-00000000.tmp"
    draft.parent.mkdir()
    draft.touch()
    run(Counter(), tmp_path, max_steps=1)
    assert not draft.exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"not a checkpoint"])
def test_a_broken_checkpoint_is_named_with_what_to_do(tmp_path, content):
    run(Counter(), tmp_path, max_steps=1)
    (tmp_path / LAST_CHECKPOINT).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"last\.ckpt: not a readable checkpoint; delete it"):
        run(Counter(), tmp_path, max_steps=2)


@pytest.mark.parametrize("content", ["size: [", "- 1", "\xff"])
def test_a_broken_configuration_of_a_run_is_named_with_what_to_do(tmp_path, content):
    (tmp_path / LAST_CHECKPOINT).parent.mkdir()
    (tmp_path / LAST_CHECKPOINT).touch()
    (tmp_path / "config.yaml").write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError, match=r"config\.yaml: ") as caught:
        write_config(tmp_path, Stage())
    assert "\n" not in str(caught.value)
