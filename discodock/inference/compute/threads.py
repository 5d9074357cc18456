"""Several batches of poses at work at the same time, each on a CPU core of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event
from typing import Any, Final, TypeVar

import torch

from discodock.errors import ConfigError

MAX_THREADS: Final = 4
"""More than four batches are rarely there for one ligand, and Python keeps further threads waiting."""

POLL_INTERVAL: Final = 0.1
"""Seconds; how long Ctrl-C, which does not wake a waiting thread, goes unnoticed."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let every operation of torch run in the thread that calls it, for a while.

    The tensors of a docking are small: a second thread within an operation gains little on an idle core, and where
    another process is at work, both wait for each other most of the time. On two busy cores it took nine times as long.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def docking_threads(device: torch.device, wanted: int | None) -> int:
    """Threads to dock with on a device.

    Args:
        device: device to dock on; a GPU needs one thread.
        wanted: number that the user wants; None takes as many as torch would (the cores, or OMP_NUM_THREADS),
            `MAX_THREADS` at most.

    Raises:
        ConfigError: fewer than one is wanted.
    """
    if wanted is not None and wanted < 1:
        raise ConfigError(f"threads: {wanted} are too few; give 1 or more")
    if device.type != "cpu":
        return 1
    return min(torch.get_num_threads(), MAX_THREADS) if wanted is None else wanted


def map_in_threads(
    function: Callable[[_Item], _Result], items: Sequence[_Item], threads: int, stop: Event | None = None
) -> list[_Result]:
    """Results of all items in their order, with `threads` of them at work at a time.

    Each runs on its own core, with operations that do not split any further. The first error, or Ctrl-C, ends the rest.

    Args:
        function: function to apply.
        items: arguments of the function.
        threads: largest number of threads.
        stop: set when those at work should give up, for functions that look at it now and then (`interruptible`).
    """
    if threads == 1 or len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        futures = []
        try:
            for item in items:
                futures.append(pool.submit(function, item))
            while wait(futures, timeout=POLL_INTERVAL, return_when=FIRST_EXCEPTION).not_done:
                for future in futures:
                    if future.done():
                        future.result()
            return [future.result() for future in futures]
        except BaseException:
            if stop is not None:
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def interruptible(function: Callable[..., _Result], stop: Event) -> Callable[..., _Result]:
    """The same function, until `stop` is set; then it raises a CancelledError, which ends the thread that calls it."""

    def call(*arguments: Any) -> _Result:
        if stop.is_set():
            raise CancelledError
        return function(*arguments)

    return call
