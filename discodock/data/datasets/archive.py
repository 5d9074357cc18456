"""Tar archives, packed or not, that may come from anybody: what unpacks to far more than its size is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from discodock.input_files import MAX_BYTES, InputKind, open_regular

ARCHIVE: Final = InputKind("archive", "copy or download it again")

MAX_RATIO: Final = 200
"""Most bytes unpacked for each byte of the archive, beyond the first `MAX_BYTES`; structures reach ten."""

DAMAGED_ARCHIVE: Final = (
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    MemoryError,
)
"""What tarfile raises on damaged archives, and `open_archive` on bombs."""

_UNPACKERS: Final[tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...]] = (
    (b"\xfd7zXZ\x00", lzma.open),
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
)
"""How archives are unpacked, by how they begin."""


@contextmanager
def open_archive(path: Path) -> Iterator[tarfile.TarFile]:
    """A tar archive, plain or packed with xz, gzip or bzip2, open for reading.

    Args:
        path: the archive.

    Raises:
        InputError: it is missing or no regular file.
        tarfile.TarError: it is no archive; or, while it is read, it unpacks to more than `MAX_RATIO` times its size.
    """
    with open_regular(path, ARCHIVE) as file:
        head = file.peek(6)
        unpack = next((each for magic, each in _UNPACKERS if head.startswith(magic)), None)
        stream = file if unpack is None else unpack(file)
        limit = max(MAX_BYTES, MAX_RATIO * path.stat().st_size)
        with tarfile.open(fileobj=_Bounded(stream, limit), mode="r:") as archive:  # type: ignore[call-overload]
            yield archive


class _Bounded(io.RawIOBase):
    """A stream that refuses to be read beyond a limit, and to be read in pieces that no file may have."""

    def __init__(self, stream: Any, limit: int) -> None:
        self.stream, self.limit = stream, limit

    def read(self, size: int = -1) -> bytes:
        if size > 2 * MAX_BYTES:
            raise tarfile.ReadError(f"a part of {size} bytes")
        self._check(self.stream.tell() + max(size, 0))
        return bytes(self.stream.read(size))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check(offset)
        return int(self.stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self.stream.tell())

    def _check(self, position: int) -> None:
        if position > self.limit:
            raise tarfile.ReadError(f"it unpacks to more than {self.limit / 2**20:.0f} MB")
