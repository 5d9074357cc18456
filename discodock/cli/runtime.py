"""What the launcher sets for the whole process before any work starts."""

from __future__ import annotations

import _thread
import ctypes
import io
import logging
import signal
import sys
import threading
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_THRESHOLDS: Final = (1 << 30, 32 << 20)
"""Bytes to try, largest first: glibc before 2.35 refuses an mmap threshold above half its heap size (32 MiB)."""


def raise_allocator_thresholds() -> bool:
    """Make glibc keep the memory of freed tensors for the next ones; true if it took the setting.

    By default glibc takes every large tensor fresh from the system and hands it straight back; the page faults then
    cost about half of the time of a forward or training step on CPU. All threads share one heap, because glibc keeps
    those of threads small and gives them back. Does nothing on other C libraries.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    mmap_raised = any(libc.mallopt(_M_MMAP_THRESHOLD, threshold) for threshold in _THRESHOLDS)
    trim_raised = libc.mallopt(_M_TRIM_THRESHOLD, _THRESHOLDS[0]) == 1
    one_heap = libc.mallopt(_M_ARENA_MAX, 1) == 1
    return mmap_raised and trim_raised and one_heap


def hide_reader_notes() -> None:
    """Keep what readers and checks log off the terminal: docking reports the same with each result."""
    for name in ("discodock.chem", "posebusters"):
        logging.getLogger(name).addHandler(logging.NullHandler())


def show_what_can_be_shown() -> None:
    """Write characters that the terminal's encoding lacks, and bytes of file names that are none, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def keep_ctrl_c_from_rdkit() -> None:
    """Receive Ctrl-C in a thread of its own and pass it to Python, so that it always ends the command.

    RDKit puts its own handler in place while it embeds conformers: Ctrl-C then only cancels the embedding, and the
    program goes on as if nothing had happened. Here SIGINT is blocked in all threads, so no handler ever runs, and one
    thread waits for it. Does nothing where threads cannot wait for signals (Windows).
    """
    if not hasattr(signal, "sigwait"):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def wait() -> None:
        while True:
            signal.sigwait({signal.SIGINT})
            _thread.interrupt_main()

    threading.Thread(target=wait, name="ctrl-c", daemon=True).start()
