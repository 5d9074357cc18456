"""Running one function over many tasks in processes, surviving the death of a worker."""

import itertools
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_exit
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

TASKS_AHEAD: Final = 8  # tasks in flight per worker: enough to keep it busy, little enough memory


def run_all(function: Callable[[T], R], tasks: Iterator[T], *, workers: int, on_crash: Callable[[T], R]) -> Iterator[R]:
    """Results of a function over tasks, as they come, in any order.

    With one worker everything runs in this process. Otherwise a worker that dies takes no other task with it: the
    tasks then in flight run again, one process each, and those that kill theirs become `on_crash(task)`.

    Args:
        function: picklable function of one task.
        tasks: arguments of `function`, taken only as fast as they are worked on.
        workers: number of processes.
        on_crash: result of a task that kills its process.
    """
    if workers <= 1:
        yield from map(function, tasks)
        return
    while True:
        in_flight: dict[Future[R], T] = {}
        try:
            yield from _run_pool(function, tasks, workers, in_flight)
            return
        except BrokenProcessPool:
            for task in list(in_flight.values()):
                yield _run_alone(function, task, on_crash)


def _run_pool(
    function: Callable[[T], R], tasks: Iterator[T], workers: int, in_flight: dict[Future[R], T]
) -> Iterator[R]:
    pool = _pool(workers)
    try:
        while True:
            for task in itertools.islice(tasks, TASKS_AHEAD * workers - len(in_flight)):
                in_flight[pool.submit(function, task)] = task
            if not in_flight:
                return
            for future in wait(in_flight, return_when=FIRST_COMPLETED).done:
                result = future.result()  # a broken pool raises here, the task still in flight
                del in_flight[future]
                yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run_alone(function: Callable[[T], R], task: T, on_crash: Callable[[T], R]) -> R:
    with _pool(1) as pool:
        try:
            return pool.submit(function, task).result()
        except BrokenProcessPool:
            return on_crash(task)


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn: forking a process that has run torch or RDKit threads can deadlock
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=start_worker)


def start_worker() -> None:
    """Leave Ctrl-C to the parent, which stops handing out tasks, and end when the parent is gone, even by a kill.

    Warnings about single files would tear the parent's progress bar: workers report what matters in their results.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("discodock", "posebusters"):
        logging.getLogger(name).setLevel(logging.ERROR)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_exit([parent.sentinel])
        os._exit(1)
