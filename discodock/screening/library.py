"""A library of ligands as a stream of records, which are told apart but not yet read: memory is that of one record."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from discodock.chem.ligand_formats import detect_format, known_formats, suffix_format
from discodock.chem.records.smiles_file import SmilesColumns, find_columns, parse_smiles, split_smiles_lines
from discodock.errors import ConfigError, InputError
from discodock.input_files import InputKind, open_regular

STDIN: Final = "-"
PARQUET_SUFFIXES: Final = (".parquet", ".pq")

HEAD_BYTES: Final = 64 << 10
"""Bytes at the beginning that show what a stream is."""

MAX_RECORD_CHARACTERS: Final = 2_000_000
"""Of one record; the text of a ligand with 150 heavy atoms has 30,000, so more has no end of a record in it."""

PARQUET_BATCH: Final = 1_000
PROBED_LINES: Final = 50
"""Lines of which one at least must hold a SMILES string."""

TOO_LONG: Final = "more than two million characters without the end of a record; write the library again"
DAMAGED_GZIP: Final = "truncated or damaged gzip file, what follows is missing; copy or download it again"

UNREADABLE: Final = ""
"""Format of what stands for records that could not be read; they may come in its place when the library is mended."""

_MOL2_START = "@<TRIPOS>MOLECULE"

LIBRARY: Final = InputKind("library", "give a file, a folder, or - for standard input")


@dataclass(frozen=True)
class LibraryRecord:
    """One ligand of a library, as its text.

    Attributes:
        title: name in the record; empty if it has none.
        text: text of the record.
        file_format: name of its format in `chem.ligand_formats.FORMATS`.
        source: origin of the record, for messages, such as "library.sdf, record 3".
        problem: reason why there is nothing to read; empty if there is.
    """

    title: str
    text: str
    file_format: str
    source: str
    problem: str = ""


def iter_library(
    source: str | Path, *, smiles_column: str | None = None, name_column: str | None = None
) -> Iterator[LibraryRecord]:
    """The records of a library, one by one.

    Args:
        source: SDF, SMILES, MOL2 or CSV/TSV file, gzipped or not, a Parquet file, a folder of such files, or "-" for
            standard input.
        smiles_column: title of the column of a table with the SMILES; None finds it by its usual titles.
        name_column: title of the column of a table with the names; None finds it by its usual titles.

    Yields:
        Every record in its order; one that is none comes with its `problem`, and the next ones follow.

    Raises:
        InputError: the library is missing, unreadable, empty, or in no known format.
        ConfigError: a package that it needs is missing.
    """
    columns = SmilesColumns(smiles_column, name_column) if smiles_column or name_column else None
    is_empty = True
    for record in _records(source, columns):
        is_empty = False
        yield record
    if is_empty:
        raise InputError(f"{_shown(source)}: the library holds no ligand; check that it is complete")


def _records(source: str | Path, columns: SmilesColumns | None) -> Iterator[LibraryRecord]:
    if str(source) == STDIN:
        yield from _read_stream(cast(BinaryIO, sys.stdin.buffer), Path("standard input"), columns)
        return
    if not str(source).strip():
        raise InputError("a library without a name; give a file, a folder, or - for standard input")
    path = Path(source)
    try:
        if path.is_dir():
            for file in _library_files(path):
                yield from _read_file_of_folder(file, columns)
        else:
            yield from _read_file(path, columns)
    except FileNotFoundError:
        raise InputError(f"{path}: no such library; give a file, a folder, or - for standard input") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error


def _shown(source: str | Path) -> str:
    return "standard input" if str(source) == STDIN else str(source)


def _library_files(folder: Path) -> list[Path]:
    """Files with the ending of a library or a ligand anywhere in a folder, by name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return [path for path in files if _is_parquet(path) or suffix_format(path)]


def _read_file_of_folder(path: Path, columns: SmilesColumns | None) -> Iterator[LibraryRecord]:
    """The records of one file of many; that it is no library is a problem of its own, and the next file follows."""
    try:
        yield from _read_file(path, columns)
    except InputError as error:
        yield LibraryRecord("", "", UNREADABLE, str(path), str(error).removeprefix(f"{path}: "))


def _read_file(path: Path, columns: SmilesColumns | None) -> Iterator[LibraryRecord]:
    if _is_parquet(path):
        yield from _read_parquet(path, columns)
        return
    with open_regular(path, LIBRARY) as stream:
        yield from _read_stream(stream, path, columns)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET_SUFFIXES


def _read_stream(stream: BinaryIO, path: Path, columns: SmilesColumns | None) -> Iterator[LibraryRecord]:
    raw = io.BufferedReader(cast(io.RawIOBase, _Unbuffered(stream)), HEAD_BYTES)
    is_gzip = raw.peek(2)[:2] == b"\x1f\x8b"
    binary = io.BufferedReader(gzip.GzipFile(fileobj=raw), HEAD_BYTES) if is_gzip else raw
    number = 0
    try:
        head = binary.peek(HEAD_BYTES)[:HEAD_BYTES]
        if b"\x00" in head:
            raise InputError(f"{path}: binary data, not a library; give {known_formats()}, CSV, TSV or Parquet")
        if not head.strip():
            return
        lines = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace")
        for record in _split(lines, head.decode("utf-8-sig", errors="replace"), path, columns):
            yield record
            number += 1
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield LibraryRecord("", "", UNREADABLE, f"{path}, after {number} ligands", DAMAGED_GZIP)


class _Unbuffered(io.RawIOBase):
    """A stream as the raw one below a buffer of our own, so that its beginning can be looked at."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _split(lines: IO[str], head: str, path: Path, columns: SmilesColumns | None) -> Iterator[LibraryRecord]:
    file_format = "smi" if columns is not None else detect_format(head, path)
    if file_format == "smi":
        return _split_smiles(lines, head, path, columns)
    return _numbered(_SPLITTERS.get(file_format, _whole)(lines), file_format, path)


def _split_smiles(lines: IO[str], head: str, path: Path, columns: SmilesColumns | None) -> Iterator[LibraryRecord]:
    """Lines of SMILES, with or without columns.

    Raises:
        InputError: there is no SMILES in any of the first lines.
    """
    first = list(split_smiles_lines(head.splitlines()[:PROBED_LINES], columns))
    if not any(parse_smiles(line.smiles).mol is not None for line in first if line.smiles):
        raise InputError(f"{path}: no SMILES in the first lines; name their column by --smiles-column")
    for number, line in enumerate(split_smiles_lines(_bounded(lines), columns), start=1):
        problem = line.problem or (TOO_LONG if len(line.smiles) > MAX_RECORD_CHARACTERS else "")
        name = line.title or f"{_stem(path)}_{number}"
        yield LibraryRecord(name, "" if problem else line.smiles, "smi", f"{path}, record {number}", problem)


def _numbered(texts: Iterable[tuple[str, str]], file_format: str, path: Path) -> Iterator[LibraryRecord]:
    for number, (title, text) in enumerate(texts, start=1):
        problem = TOO_LONG if len(text) > MAX_RECORD_CHARACTERS else ""
        name = title.strip() or f"{_stem(path)}_{number}"
        yield LibraryRecord(name, "" if problem else text, file_format, f"{path}, record {number}", problem)


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _split_sdf(lines: IO[str]) -> Iterator[tuple[str, str]]:
    for text in _blocks(lines, lambda line: line.startswith("$$$$"), is_end=True):
        yield text.partition("\n")[0], text


def _split_mol2(lines: IO[str]) -> Iterator[tuple[str, str]]:
    for text in _blocks(lines, lambda line: line.startswith(_MOL2_START), is_end=False):
        if text.startswith(_MOL2_START):
            yield (*text.splitlines(), "", "")[1], text


def _whole(lines: IO[str]) -> Iterator[tuple[str, str]]:
    yield "", lines.read(MAX_RECORD_CHARACTERS + 1)


_SPLITTERS: Final[dict[str, Callable[[IO[str]], Iterator[tuple[str, str]]]]] = {
    "sdf": _split_sdf,
    "mol2": _split_mol2,
}
"""How a text becomes the titles and texts of its records, by format; others hold one record."""


def _bounded(lines: IO[str]) -> Iterator[str]:
    """Lines, of very long ones the beginning, one character longer than a record may be."""
    while line := lines.readline(MAX_RECORD_CHARACTERS + 1):
        rest = line
        while not rest.endswith("\n") and len(rest) > MAX_RECORD_CHARACTERS:
            rest = lines.readline(MAX_RECORD_CHARACTERS + 1)
        yield line


def _blocks(lines: IO[str], is_border: Callable[[str], bool], *, is_end: bool) -> Iterator[str]:
    """Texts between border lines, which end or begin one; of very long ones the beginning."""
    block: list[str] = []
    length = 0
    for line in _bounded(lines):
        if is_border(line):
            if any(each.strip() for each in block):
                yield "".join(block)
            block, length = ([], 0) if is_end else ([line], len(line))
        elif length <= MAX_RECORD_CHARACTERS:
            block.append(line)
            length += len(line)
    if any(each.strip() for each in block):
        yield "".join(block)


def _read_parquet(path: Path, columns: SmilesColumns | None) -> Iterator[LibraryRecord]:
    with path.open("rb"):  # a missing file is told as such
        pass
    parquet = load_pyarrow(path)
    try:
        file = parquet.ParquetFile(path)
        header = list(file.schema_arrow.names)
        smiles, name = find_columns(header, columns)
        wanted = [header[index] for index in (smiles, name) if index is not None]
        number = 0
        for batch in file.iter_batches(batch_size=PARQUET_BATCH, columns=wanted):
            for row in batch.to_pylist():
                number += 1
                text, title = (str(row.get(header[i]) or "") if i is not None else "" for i in (smiles, name))
                problem = "" if text.strip() else "no SMILES in this row"
                name_of_row = title.strip() or f"{_stem(path)}_{number}"
                yield LibraryRecord(name_of_row, text.strip(), "smi", f"{path}, record {number}", problem)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise InputError(
            f"{path}: cannot be read as a Parquet file ({type(error).__name__}); write it again"
        ) from error


def load_pyarrow(path: Path):  # type: ignore[no-untyped-def]  # pyarrow has no types
    """The module `pyarrow.parquet`.

    Args:
        path: file that it is needed for.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise ConfigError(f"{path}: Parquet needs pyarrow; pip install 'discodock[screen]', or use CSV") from None
    return pyarrow.parquet
