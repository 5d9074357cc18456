"""Locks of output folders, which the system frees when the process that holds one dies: no lock ever goes stale."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from discodock.errors import InputError

LOCK_FILE: Final = ".discodock.lock"
LOCK_TIMEOUT: Final = 120.0
"""Seconds to wait for another process to write its result into the same output folder."""


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold an output folder for a moment, so that results and rows of several processes do not undo each other.

    Raises:
        InputError: another process has held it for `LOCK_TIMEOUT`.
    """
    with _held(out, LOCK_TIMEOUT, f"another process has been writing there for {LOCK_TIMEOUT:g} s; see what it is"):
        yield


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """Hold an output folder for the whole of a run, which shares it with no other.

    Raises:
        InputError: another process holds it.
    """
    with _held(out, 0, "another process is at work there; wait for it, or choose another output folder"):
        yield


@contextmanager
def _held(out: Path, timeout: float, problem: str) -> Iterator[None]:
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK_FILE, timeout=timeout)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{out}: {problem}") from None
    try:
        yield
    finally:
        lock.release()
