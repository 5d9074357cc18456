"""Why something failed, in one line for a person; the traceback of what nobody expected goes to a log file."""

from __future__ import annotations

import errno
import traceback
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from discodock.errors import DiscodockError
from discodock.text import one_line

LOG_FILE: Final = "discodock.log"
LOG_HEAD: Final = "Tracebacks of discodock, of failures that nobody expected: please report them.\n"

_OF_THE_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


def reason_of(error: Exception, what: str = "", folder: Path | None = None) -> str:
    """Why a record, job or complex failed; called where the error is caught.

    Args:
        error: the error.
        what: name of what failed, for the log.
        folder: output folder, whose `LOG_FILE` gets the traceback of an unexpected error; None where there is none yet.

    Returns:
        One line; that of an unexpected error names its type and the log.
    """
    if isinstance(error, DiscodockError):
        return one_line(str(error))
    if isinstance(error, OSError):
        return os_reason(error)
    log = None if folder is None else note_traceback(error, what, folder / LOG_FILE)
    reason = one_line(f"unexpected {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")
    return reason if log is None else f"{reason}; the traceback is in {log}"


def os_reason(error: OSError) -> str:
    """What the system refused, and what to do."""
    name = f"{error.filename}: " if error.filename else ""
    return one_line(f"{name}{error.strerror or error}; check the path, the permissions and the free space")


def concerns_all(error: OSError) -> bool:
    """Whether what the system refused, such as room on the disk, it would refuse to every other record as well."""
    return error.errno in _OF_THE_DISK


def note_traceback(error: Exception, what: str, path: Path) -> Path | None:
    """Append a traceback to a log; returns its path, or None if it cannot be written or is a file of the user's."""
    entry = "".join([f"\n{datetime.now():%Y-%m-%d %H:%M:%S} {one_line(what)}\n", *traceback.format_exception(error)])
    with suppress(OSError):
        if is_log(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
                log.write(entry if log.tell() else LOG_HEAD + entry)
            return path
    return None


def is_log(path: Path) -> bool:
    """Whether a log may be written there: there is nothing, or a log.

    Raises:
        OSError: it cannot be read.
    """
    if not (path.exists() or path.is_symlink()):
        return True
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as log:
        return log.readline() in ("", LOG_HEAD)
