"""Files and folders that appear whole or not at all: written under a temporary name beside their place, and renamed."""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

DRAFTS: Final = ".*.tmp"
"""Pattern that temporary names match, though not they alone; see `draft_target`."""

_DRAFT: Final = re.compile(r"\.(?P<target>.+)\.(?P<host>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.tmp")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty draft beside a file, for the block to write, which then takes the file's place.

    Whatever happens, `path` is either what it was or what was written: the draft is on the disk, as far as the system
    can tell, before it is renamed. If the block fails, a full disk included, the draft is removed.

    Args:
        path: file to write; its folder is made if it is not there.

    Yields:
        Path of the draft, in the same folder, with the permissions of a new file.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft_of(path)
    try:
        draft.touch(exist_ok=False)
        yield draft
        _flush(draft, os.O_RDWR)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # elsewhere folders cannot be opened
        _flush(path.parent, os.O_RDONLY)


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write a file in one go; see `replacing`."""
    with replacing(path) as draft:
        draft.write_bytes(data)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as readable JSON in one go; see `replacing`."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8 in one go; see `replacing`. Bytes of file names that are no UTF-8 become escapes."""
    write_atomically(path, text.encode("utf-8", errors="backslashreplace"))


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A draft of a folder that takes its place when the block succeeds, and vanishes otherwise.

    Args:
        folder: folder to write, with everything in it; one that is there is removed at the end.

    Yields:
        Path of the draft, in the same folder.

    Raises:
        OSError: it cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft, previous = _draft_of(folder), _draft_of(folder)
    try:
        draft.mkdir()
        yield draft
        if folder.exists():
            os.replace(folder, previous)
        os.replace(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        if previous.exists() and not folder.exists():
            os.replace(previous, folder)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def remove_drafts(folder: Path, older_than: float = 0.0) -> None:
    """Remove the drafts, files and folders, that killed runs left in a folder.

    Args:
        folder: folder in which nothing is being written, or nothing that takes as long as `older_than`.
        older_than: age of a draft that nobody can be writing any more, s; those of processes of this machine that are
            gone are removed at once.
    """
    newest = time.time() - older_than
    for draft in folder.glob(DRAFTS):
        if draft_target(draft.name) is None:
            continue  # a hidden file of the user's
        with suppress(OSError):  # gone meanwhile: another process sweeps too
            if draft.stat().st_mtime > newest and not _is_abandoned(draft):
                continue
            if draft.is_dir():
                shutil.rmtree(draft)
            else:
                draft.unlink()


def home_expanded(text: str) -> str:
    """A path with a leading `~` as the home folder; any other text, a SMILES string too, as it is."""
    return str(Path(text).expanduser()) if text == "~" or text.startswith("~/") else text


def is_replaceable_table(path: Path, columns: Sequence[str]) -> bool:
    """Whether a CSV table may be written: there is nothing, an empty file, or a table beginning with these columns."""
    if not (path.exists() or path.is_symlink()):
        return True
    try:
        if path.stat().st_size == 0:
            return path.is_file()
        with path.open(newline="", encoding="utf-8") as lines:
            return next(csv.reader(lines), [])[: len(columns)] == list(columns)
    except (OSError, ValueError, csv.Error):
        return False


def draft_target(name: str) -> str | None:
    """Name of the file or folder that a draft of this name was to replace; None if it is the name of no draft."""
    found = _DRAFT.fullmatch(name)
    return None if found is None else found["target"]


def _draft_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _host() -> str:
    """The name of this machine as eight letters, as a folder may be shared by several."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _is_abandoned(draft: Path) -> bool:
    """Whether the process that wrote a draft is known to be gone, as far as this machine can tell."""
    found = _DRAFT.fullmatch(draft.name)
    if found is None or found["host"] != _host() or os.name != "posix":
        return False
    try:
        os.kill(int(found["process"]), 0)
    except ProcessLookupError:
        return True
    except OSError:  # of another user, or no number of a process
        return False
    return False


def _flush(path: Path, mode: int) -> None:
    """Have the system write what it still keeps in memory of a file or folder."""
    handle = os.open(path, mode)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
