"""Stages, workers and processes, with a stub in the place of docking; the stub imports no torch."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from discodock.errors import InputError
from discodock.screening.config import ScreeningConfig, StageConfig
from discodock.screening.ledger import Ledger
from discodock.screening.library import LibraryRecord
from discodock.screening.pool import OwnProcess, Processes
from discodock.screening.stages import run_stages
from tests.screening.stub import make_stub


def stub_ledger(out, num, create=True):
    ledger = Ledger(out, create=create)
    ledger.add_library(LibraryRecord(f"L{i}", "C" * (i + 1), "smi", f"record {i + 1}") for i in range(num))
    return ledger


TWO_STAGES = ScreeningConfig(stages=(StageConfig(name="quick"), StageConfig(name="full", fraction=0.25)))


def test_progress_tells_how_far_it_is(tmp_path):
    heard = []
    with stub_ledger(tmp_path, 8) as ledger:
        run_stages(ledger, TWO_STAGES, lambda: OwnProcess(partial(make_stub, {3: "fail"})), heard.append)
    assert [(p.stage, p.done, p.total) for p in heard if p.stage == "full"] == [("full", i, 2) for i in range(3)]
    assert [p.note for p in heard if p.note] == ["L3: failed: on purpose"]
    assert heard[5].per_second > 0 and heard[5].seconds_left > 0 and heard[0].seconds_left is None


def test_a_worker_that_dies_is_replaced_and_loses_nothing(tmp_path):
    """Ligand 2 kills its worker once, ligand 5 whenever it is tried."""
    (tmp_path / "marks").mkdir()
    make = partial(make_stub, {2: "die once", 5: "die"}, marks=tmp_path / "marks")
    heard = []
    with stub_ledger(tmp_path / "out", 10) as ledger:
        run_stages(ledger, TWO_STAGES, lambda: Processes(make, 2), heard.append)
        assert {result.id for result in ledger.results()} == {f"L{i}" for i in range(10) if i != 5}
        (failure,) = ledger.failures()
        assert failure.id == "L5" and "its worker died 2 times (SIGKILL" in failure.reason
    assert any("L2: its worker died" in p.note and "tried once more" in p.note for p in heard)
    assert all(p.done <= p.total for p in heard)


def test_workers_that_cannot_begin_end_the_screen(tmp_path):
    with stub_ledger(tmp_path, 3) as ledger, pytest.raises(InputError, match="die before they begin"):
        run_stages(ledger, TWO_STAGES, lambda: Processes(partial(make_stub, "die at start"), 1), lambda p: None)


def test_an_error_of_the_workers_is_told_as_it_is(tmp_path):
    with stub_ledger(tmp_path, 3) as ledger, pytest.raises(InputError, match="no such protein"):
        run_stages(ledger, TWO_STAGES, lambda: Processes(partial(make_stub, "refuse"), 1), lambda p: None)


def start_stub_screen(out, num, seconds):
    """A process that screens `num` ligands with the stub; several may work on one folder."""
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "tests.screening.stub", str(out), str(num), str(seconds)]
    return subprocess.Popen(command, env=environment)


def table_of(out):
    with Ledger(out) as ledger:
        return [(r.id, r.stage, r.scores, dict(r.row)) for r in ledger.results()]


def test_two_processes_on_one_folder_do_every_ligand_once(tmp_path):
    both = [start_stub_screen(tmp_path / "two", 40, 0.05) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    with stub_ledger(tmp_path / "one", 40) as ledger:
        run_stages(ledger, TWO_STAGES, lambda: OwnProcess(make_stub), lambda progress: None)
    without_pid = [[(*rest, row["vina_score"]) for *rest, row in table_of(tmp_path / name)] for name in ("one", "two")]
    assert without_pid[0] == without_pid[1] and len(without_pid[0]) == 40
    workers = {row["pid"] for *_, row in table_of(tmp_path / "two")}
    assert len(workers) == 2  # both took part


def test_a_killed_screen_goes_on_where_it_was(tmp_path):
    out = tmp_path / "killed"
    for _ in range(2):
        process = start_stub_screen(out, 40, 0.05)
        deadline = time.monotonic() + 60
        before = num_done(out)
        while num_done(out) < before + 5 and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 10 <= num_done(out) < 40
    assert start_stub_screen(out, 40, 0.0).wait(60) == 0
    with stub_ledger(tmp_path / "one", 40) as ledger:
        run_stages(ledger, TWO_STAGES, lambda: OwnProcess(make_stub), lambda progress: None)
    tables = [[(*rest, row["vina_score"]) for *rest, row in table_of(folder)] for folder in (out, tmp_path / "one")]
    assert tables[0] == tables[1]


def num_done(out):
    if not (out / "ledger.sqlite").exists():
        return 0
    try:
        with Ledger(out) as ledger:
            return ledger.count(0).done
    except InputError:  # being made
        return 0
