"""A docker that docks nothing: for tests, and for what a screen costs beside docking. `python -m` screens with it."""

import os
import signal
import sys
import time
from pathlib import Path

from discodock.errors import InputError
from discodock.screening.config import ScreeningConfig, StageConfig
from discodock.screening.ledger import Ledger
from discodock.screening.library import LibraryRecord
from discodock.screening.pool import OwnProcess
from discodock.screening.records import TaskResult
from discodock.screening.stages import run_stages


class StubDocker:
    """Scores a ligand by its text; some misbehave, by number."""

    def __init__(self, behaviour, marks, seconds):
        self.behaviour, self.marks, self.seconds = behaviour, marks, seconds

    def dock(self, task):
        behaviour = self.behaviour.get(task.number, "")
        mark = self.marks / str(task.number) if self.marks else None
        if behaviour == "die" or (behaviour == "die once" and not mark.exists()):
            if mark:
                mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if behaviour == "fail":
            return "on purpose"
        time.sleep(self.seconds)
        score = float(len(task.text) * 7 % 10) + task.stage
        return TaskResult(score, self.seconds, {"vina_score": -score, "pid": os.getpid()}, f"{task.id}\n$$$$\n")


def make_stub(behaviour=None, number=0, marks=None, seconds=0.0):
    if behaviour == "die at start":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "refuse":
        raise InputError("no such protein")
    return StubDocker(behaviour if isinstance(behaviour, dict) else {}, marks, seconds)


def main(out, num, seconds):
    stages = (StageConfig(name="quick"), StageConfig(name="full", fraction=0.25))
    with Ledger(Path(out), create=True) as ledger:
        ledger.add_library(LibraryRecord(f"L{i}", "C" * (i + 1), "smi", f"record {i + 1}") for i in range(int(num)))

        def start():
            return OwnProcess(lambda number: make_stub(seconds=float(seconds)))

        run_stages(ledger, ScreeningConfig(stages=stages), start, lambda progress: None)


if __name__ == "__main__":
    main(*sys.argv[1:])
