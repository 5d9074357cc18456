"""Input files of users: regular files of bounded size, unpacked and decoded; anything else is refused in one line.

Every reader of a file that a user gives goes through here and says with an `InputKind` what it expects: what is a pipe,
a device or a bomb, or is no text, is refused before anything parses it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import os
import re
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from discodock.errors import DiscodockError, InputError

if TYPE_CHECKING:
    import numpy as np

MAX_BYTES: Final = 256 * 2**20
"""Most bytes of an input file, unpacked: three million atoms in a PDB file, or some 50,000 ligands in an SDF."""

MAX_ROWS, MAX_COLUMNS = 1_000_000, 1_000
"""Most rows and columns of a table."""

MAX_DEPTH: Final = 50
"""Most levels of nesting in JSON and YAML; settings have five."""

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SNIFFED: Final = 2_000  # bytes looked at for UTF-16 without a mark
_GZIP: Final = b"\x1f\x8b"
_MAGIC: Final = (
    (_GZIP, "packed with gzip twice"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh91AY&SY", "packed with bzip2"),
    (b"\xfd7zXZ\x00", "packed with xz"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (b"%PDF-", "a PDF document"),
)
"""What files often are instead of text, by how they begin."""

_DAMAGE: Final = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    EOFError,
    MemoryError,
    RuntimeError,
    OverflowError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile and numpy raise on files whose bytes were changed."""

_SEPARATORS: Final = ",;\t|"
"""Of values in a table; Excel may write `sep=;` above the header."""

_BLANK_LINES: Final = re.compile(r"(?:[ \t]*\n)*")
_SPECIAL: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@dataclass(frozen=True)
class InputKind:
    """What a file should be.

    Attributes:
        noun: name of such a file, for messages.
        remedy: way out for a user whose file is another kind, for messages.
        error: class of what is raised.
        max_bytes: most bytes, unpacked.
    """

    noun: str = "file"
    remedy: str = "check the path"
    error: type[DiscodockError] = InputError
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True)
class TableRow:
    """A row of a table.

    Attributes:
        cells: values by column, without blanks around them; "" where the row is shorter than the header.
        line: number of the line where the row ends, from 1.
        surplus: values beyond the last column, joined; "" if there are none.
    """

    cells: dict[str, str]
    line: int
    surplus: str


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        columns: names in the header, in lower case, with underscores for blanks and dashes in them.
        rows: rows that are not blank.
        separator: character between values.
    """

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    separator: str


def open_regular(path: Path, kind: InputKind) -> io.BufferedReader:
    """Open a regular file for reading its bytes.

    Args:
        path: the file.
        kind: kind of file it should be, for messages and limits.

    Raises:
        DiscodockError: it is missing, no regular file, or cannot be opened, as `kind.error`.
    """
    try:
        return open(path, "rb", opener=_open_regular)
    except (FileNotFoundError, NotADirectoryError):
        raise kind.error(f"{path}: no such {kind.noun}; {kind.remedy}") from None
    except _NotRegularError as error:
        raise kind.error(f"{path}: is {error}, not a {kind.noun}; name a file that lies on the disk") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(path, kind, error) from None


def _unreadable(path: Path, kind: InputKind, error: Exception) -> DiscodockError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return kind.error(f"{path}: cannot be read ({reason}); check the path and its permissions")


class _NotRegularError(Exception):
    """Not a regular file but what the message says, such as "a pipe"."""


def _open_regular(path: str, flags: int) -> int:
    # a pipe without a writer would be waited for; Windows has neither the flag nor such pipes
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise _NotRegularError(next((what for is_kind, what in _SPECIAL if is_kind(mode)), "no regular file"))
    return handle


def read_bytes(path: Path, kind: InputKind) -> bytes:
    """Content of a regular file, as it is.

    Args:
        path: the file.
        kind: kind of file it should be, for messages and limits.

    Raises:
        DiscodockError: it is missing, no regular file, or too large, as `kind.error`.
    """
    with open_regular(path, kind) as file:
        try:
            data = file.read(kind.max_bytes + 1)
        except OSError as error:  # of a failing disk, for instance
            raise _unreadable(path, kind, error) from None
    return _bounded(data, path, kind)


def _bounded(data: bytes, path: Path, kind: InputKind) -> bytes:
    if len(data) > kind.max_bytes:
        limit = f"{kind.max_bytes / 2**20:g} MB"
        raise kind.error(f"{path}: larger than {limit}, unpacked, the most for a {kind.noun}; split or shorten it")
    return data


def _unpacked(data: bytes, path: Path, kind: InputKind) -> bytes:
    """Content of a gzip file."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return _bounded(file.read(kind.max_bytes + 1), path, kind)
    except (EOFError, OSError, zlib.error):
        raise kind.error(
            f"{path}: cannot be read, it is a truncated or damaged gzip file; copy or download it again"
        ) from None


def read_text(path: Path, kind: InputKind) -> str:
    """Text of a file in UTF-8, UTF-16, UTF-32 or Windows-1252, lines ended by line feeds, without marks.

    Args:
        path: the file, gzipped or not, whatever its name says.
        kind: kind of file it should be, for messages and limits.

    Raises:
        DiscodockError: as `read_bytes`; or it is binary, or damaged gzip or UTF-16.
    """
    data = read_bytes(path, kind)
    if data.startswith(_GZIP):
        data = _unpacked(data, path, kind)
    text = decoded(data)
    if text is None:
        what = next((f"it is {what}" for magic, what in _MAGIC if data.startswith(magic)), "binary file")
        raise kind.error(f"{path}: {what}, not a {kind.noun}; {kind.remedy}")
    return text


def decoded(data: bytes) -> str | None:
    """Bytes as text, lines ended by line feeds; None if they are none.

    Marks of Unicode decide; without one, UTF-16 shows in its zeros, and what is not UTF-8 is taken for Windows-1252,
    which is Latin-1 with more letters.
    """
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), None) or _utf16(data) or "utf-8"
    if any(data.startswith(magic) for magic, _ in _MAGIC):
        return None
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            return None
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:  # of the bytes that it leaves open
            text = data.decode("latin-1")
    if "\0" in text:
        return None
    # editors of the eighties end a file with Ctrl-Z
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip("\x1a")


def _utf16(data: bytes) -> str | None:
    """UTF-16 without a mark, of mostly Western letters: every second byte is zero; None if it is not."""
    head = data[:_SNIFFED]
    even, odd = head[::2], head[1::2]
    if len(even) < 2 or len(data) % 2:
        return None
    for zeros, letters, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros.count(0) > 0.7 * len(zeros) and letters.count(0) == 0:
            return name
    return None


def read_json(path: Path, kind: InputKind) -> Any:
    """The value in a JSON file.

    Args:
        path: the file.
        kind: kind of file it should be, for messages and limits.

    Raises:
        DiscodockError: as `read_text`; or it is not JSON, or nested too deeply.
    """
    try:
        return parse_json(read_text(path, kind))
    except ValueError as error:
        raise kind.error(f"{path}: damaged {kind.noun} ({error}); {kind.remedy}") from None


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, or nested more than `MAX_DEPTH` deep.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return value
    raise ValueError(f"nested more than {MAX_DEPTH} deep")


def read_csv(path: Path, kind: InputKind) -> Table:
    """A table with a header, whose values are separated by commas, semicolons, tabs or bars, whichever the header has.

    Args:
        path: the file.
        kind: kind of file it should be, for messages and limits.

    Raises:
        DiscodockError: as `read_text`; or a quotation mark is left open, a column is named twice, or it is too large.
    """
    text = read_text(path, kind)
    try:
        return _parse_csv(text)
    except csv.Error as error:
        raise kind.error(f"{path}: cannot be read as a CSV table ({error}); write it again") from None


def _parse_csv(text: str) -> Table:
    """A table of a text.

    Raises:
        csv.Error: it cannot be used as one.
    """
    num_blank = len(_BLANK_LINES.match(text)[0])  # type: ignore[index]  # the pattern matches nothing as well
    offset, text = text.count("\n", 0, num_blank), text[num_blank:]
    head, _, rest = text.partition("\n")
    separator = next((each for each in _SEPARATORS if head.strip(" ") == f"sep={each}"), None)
    if separator is not None:
        text, offset = rest, offset + 1
    else:
        separator = max(_SEPARATORS, key=lambda each: len(_split(head, each)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    try:
        columns = tuple("_".join(name.strip().lower().replace("-", " ").split()) for name in next(reader, ()))
        _check_columns(columns)
        rows: list[TableRow] = []
        for values in reader:
            cells = [value.strip() for value in values]
            if not any(cells):
                continue
            if len(rows) == MAX_ROWS:
                raise csv.Error(f"more than {MAX_ROWS} rows")
            surplus = separator.join(filter(None, cells[len(columns) :]))
            cells += [""] * (len(columns) - len(cells))
            rows.append(TableRow(dict(zip(columns, cells, strict=False)), reader.line_num + offset, surplus))
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num + offset}: {error}") from None
    return Table(columns, tuple(rows), separator)


def _split(line: str, separator: str) -> Sequence[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _check_columns(columns: Sequence[str]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise csv.Error(f"more than {MAX_COLUMNS} columns")
    named = [name for name in columns if name]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise csv.Error(f"two columns are called {twice!r}")


def read_npz(path: Path, kind: InputKind) -> dict[str, np.ndarray]:
    """Arrays by name of a file that `numpy.savez` wrote, without pickles.

    Args:
        path: the file.
        kind: kind of file it should be, for messages and limits.

    Raises:
        DiscodockError: it is missing or damaged, or larger than the limit, unpacked.
    """
    import numpy as np

    with open_regular(path, kind) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                claimed = sum(member.file_size for member in archive.infolist())
                if claimed > kind.max_bytes:
                    raise ValueError(f"{claimed / 2**20:.0f} MB unpacked, at most {kind.max_bytes / 2**20:g} are read")
                return {
                    member.filename.removesuffix(".npy"): np.lib.format.read_array(
                        io.BytesIO(archive.read(member)), allow_pickle=False
                    )
                    for member in archive.infolist()
                }
        except _DAMAGE as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise kind.error(f"{path}: damaged {kind.noun} ({reason}); {kind.remedy}") from None
