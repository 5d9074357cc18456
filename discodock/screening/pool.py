"""Who docks: processes of this machine, or this process itself, behind one interface.

A process that dies takes no other ligand with it, and which one it was docking is known.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from threading import Thread
from typing import Final, Protocol

from discodock.data.workers import start_worker
from discodock.errors import DiscodockError, InputError
from discodock.screening.records import Task, TaskResult

TASKS_AHEAD: Final = 2
"""Ligands that a worker has in hand: while a result is written down, it docks the next one already."""

MAX_EARLY_DEATHS: Final = 3
"""Workers that may die in a row before they are ready, until that is taken for the machine's fault."""


class Docker(Protocol):
    """Docks the ligands of a screen, one at a time."""

    def dock(self, task: Task) -> TaskResult | str:
        """The result of a ligand, or the reason why there is none."""
        ...


MakeDocker = Callable[[int], Docker]
"""Makes what docks in worker number n, from 0; picklable."""


@dataclass(frozen=True)
class Outcome:
    """What became of a ligand.

    Attributes:
        task: the ligand and its stage.
        result: result; None if there is none.
        problem: reason why there is no result.
        crash: death of its worker over it, in words; empty if it lives.
        is_lost: whether its worker died over another ligand before it came to this one.
    """

    task: Task
    result: TaskResult | None = None
    problem: str = ""
    crash: str = ""
    is_lost: bool = False


class Pool(Protocol):
    """Workers."""

    def num_wanted(self) -> int:
        """Ligands that can be handed in now."""
        ...

    def submit(self, task: Task) -> None:
        """Hand a ligand in."""
        ...

    def collect(self, timeout: float) -> list[Outcome]:
        """What became of some ligands; empty if that takes longer than `timeout` seconds."""
        ...

    def close(self) -> None:
        """End the workers; what they have in hand is lost."""
        ...


class OwnProcess:
    """Docks in this process."""

    def __init__(self, make: MakeDocker) -> None:
        self._docker = make(0)
        self._task: Task | None = None

    def num_wanted(self) -> int:
        """As `Pool`."""
        return int(self._task is None)

    def submit(self, task: Task) -> None:
        """As `Pool`."""
        self._task = task

    def collect(self, timeout: float) -> list[Outcome]:
        """As `Pool`; docks now."""
        task, self._task = self._task, None
        return [] if task is None else [_outcome(task, self._docker.dock(task))]

    def close(self) -> None:
        """As `Pool`."""


@dataclass
class _Worker:
    """A process, the way to it, and what it has in hand, first the ligand that it docks."""

    number: int
    process: SpawnProcess
    pipe: Connection
    tasks: deque[Task] = field(default_factory=deque)
    is_ready: bool = False


class Processes:
    """Docks in processes of this machine, which are started again when they die.

    Args:
        make: maker of what docks, picklable.
        num: number of processes.
    """

    def __init__(self, make: MakeDocker, num: int) -> None:
        self._make = make
        self._context = multiprocessing.get_context("spawn")  # forking a process with threads can deadlock
        self._num_early_deaths = 0
        self._workers: list[_Worker] = []
        try:
            for number in range(num):
                self._workers.append(self._start(number))
        except BaseException:
            self.close()
            raise

    def num_wanted(self) -> int:
        """As `Pool`."""
        return sum(TASKS_AHEAD - len(worker.tasks) for worker in self._workers)

    def submit(self, task: Task) -> None:
        """As `Pool`: to the worker that has least in hand."""
        worker = min(self._workers, key=lambda each: len(each.tasks))
        worker.tasks.append(task)
        with suppress(OSError):  # it has died, which `collect` tells
            worker.pipe.send(task)

    def collect(self, timeout: float) -> list[Outcome]:
        """As `Pool`.

        Raises:
            DiscodockError: workers cannot do their work at all.
        """
        pipes = {worker.pipe: worker for worker in self._workers}
        outcomes: list[Outcome] = []
        for pipe in wait(list(pipes), timeout):
            worker = pipes[pipe]  # type: ignore[index]  # only pipes were waited for
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                outcomes += self._bury(worker)
                continue
            if isinstance(message, BaseException):
                raise message
            if message is None:
                worker.is_ready, self._num_early_deaths = True, 0
                continue
            outcomes.append(_outcome(worker.tasks.popleft(), message))
        return outcomes

    def close(self) -> None:
        """As `Pool`."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()
        self._workers = []

    def _start(self, number: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(self._make, number, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Worker(number, process, ours)

    def _bury(self, worker: _Worker) -> list[Outcome]:
        """Start another worker in the place of a dead one, and tell what it had in hand."""
        worker.process.join()
        how = _how_it_ended(worker.process.exitcode)
        worker.pipe.close()
        if not worker.is_ready:
            self._num_early_deaths += 1
            if self._num_early_deaths >= MAX_EARLY_DEATHS:
                raise InputError(f"workers die before they begin ({how}); is there enough memory? Give fewer --workers")
        self._workers[self._workers.index(worker)] = self._start(worker.number)
        tasks = list(worker.tasks)
        culprit = [Outcome(task, crash=how) for task in tasks[:1] if worker.is_ready]
        return culprit + [Outcome(task, is_lost=True) for task in tasks[len(culprit) :]]


def _outcome(task: Task, answer: TaskResult | str) -> Outcome:
    return Outcome(task, problem=answer) if isinstance(answer, str) else Outcome(task, result=answer)


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name}, out of memory?" if name == "SIGKILL" else name


def _work(make: MakeDocker, number: int, pipe: Connection) -> None:
    """The life of a worker."""
    start_worker()
    tasks: SimpleQueue[Task | None] = SimpleQueue()
    Thread(target=_receive, args=(pipe, tasks), daemon=True).start()
    try:
        docker = make(number)
        pipe.send(None)
        while (task := tasks.get()) is not None:
            pipe.send(docker.dock(task))
    except (DiscodockError, OSError) as error:
        with suppress(OSError):
            pipe.send(error)
        sys.exit(1)


def _receive(pipe: Connection, tasks: SimpleQueue[Task | None]) -> None:
    """Take in what the parent sends, so that it never waits for a worker that waits for it."""
    with suppress(EOFError, OSError):
        while True:
            tasks.put(pipe.recv())
    tasks.put(None)
