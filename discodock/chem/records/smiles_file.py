"""SMILES: single strings, and lists of them with or without a header, in columns of any separator.

A line is a SMILES string, for CXSMILES with an extension between bars, then a name. Behind blanks all that follows is
the name, which may have blanks of its own; behind a tab, comma or semicolon further columns may follow, which are left.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Final

from discodock.chem.records.bounds import smiles_problem
from discodock.chem.records.raw_ligand import RawLigand, parse_each, rdkit_reason
from discodock.errors import InputError

_LINE: Final = re.compile(r"(?P<smiles>[^\s,;]+)(?P<extension>\s+\|[^|]*\|)?(?P<rest>.*)", re.DOTALL)
_EXTENSION: Final = re.compile(r"\|[^|]*\|")
_SEPARATORS: Final = ("\t", ",", ";")
_SMILES_TITLES: Final = re.compile(r"(?i)(.*smiles.*|smi|structure)")
_NAME_TITLES: Final = re.compile(r"(?i)(.*(name|title|code|number|catalog).*|(.*[^a-z])?(id|no)|.*_?id)")
_PROBED_LINES: Final = 50
"""Lines by which the column of the SMILES is told in a file without a header."""


@dataclass(frozen=True)
class _Layout:
    """Where in a file's lines things are.

    Attributes:
        separator: tab, comma or semicolon between columns; a blank for columns with white space between, in a file
            whose header names them; None if every line is a SMILES string and its name.
        smiles: column of the SMILES.
        name: column of the name; None if there is none.
    """

    separator: str | None = None
    smiles: int = 0
    name: int | None = 1


@dataclass(frozen=True)
class SmilesColumns:
    """Titles of the columns of a table, in any case; None for a column that is found by its usual titles.

    Attributes:
        smiles: title of the column with the SMILES.
        name: title of the column with the names.
    """

    smiles: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class SmilesLine:
    """One line of a list of SMILES.

    Attributes:
        title: name of the ligand, may be empty.
        smiles: SMILES or CXSMILES, not parsed.
        problem: reason why there is none; empty otherwise.
    """

    title: str
    smiles: str
    problem: str = ""


def parse_smiles(line: str) -> RawLigand:
    """A SMILES string or CXSMILES; a name may follow after white space, or as the next of several columns."""
    from rdkit import Chem, rdBase

    smiles, extension, rest = _split(line.strip())
    if (problem := smiles_problem(smiles + extension)) is not None:
        return RawLigand(_title(rest), None, problem)
    params: Any = Chem.SmilesParserParams()
    params.sanitize = False
    params.removeHs = False
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromSmiles(f"{smiles} {extension}".strip(), params)
    what = "CXSMILES" if extension else "SMILES"
    return RawLigand(_title(rest), mol, "" if mol else f"not a valid {what}{rdkit_reason(log)}")


def is_smiles_file(text: str) -> bool:
    """Whether the first line of a text is a SMILES string or a header that names a column of them."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return _header_layout(first) is not None or parse_smiles(first).mol is not None


def parse_smiles_file(text: str) -> Iterator[RawLigand]:
    """The lines of a list of SMILES; empty lines and those that begin with # are left out."""
    return parse_each(_parse_line, split_smiles_lines(text.splitlines()))


def _parse_line(line: SmilesLine) -> RawLigand:
    raw = RawLigand("", None, line.problem) if line.problem else parse_smiles(line.smiles)
    return replace(raw, title=line.title)


def split_smiles_lines(lines: Iterable[str], columns: SmilesColumns | None = None) -> Iterator[SmilesLine]:
    """The lines of a list of SMILES, of any length, told apart but not parsed.

    Args:
        lines: lines of the list, its header first if it has one.
        columns: titles of the columns; None finds them by their usual titles, or by what is in them.

    Raises:
        InputError: there is no column of a title that is given.
    """
    filled = (line.rstrip("\r\n") for line in lines if line.strip())
    head = list(islice(filled, _PROBED_LINES + 1))
    if not head:
        return
    layout = _header_layout(head[0]) if columns is None else _told_layout(head[0], columns)
    first = [line for line in head[layout is not None :] if not line.startswith("#")]
    layout = layout or _layout_of_lines(first)
    for line in chain(first, (line for line in filled if not line.startswith("#"))):
        yield _plain_line(line) if layout == _Layout() else _line_of_columns(line, layout)


def find_columns(titles: Sequence[str], columns: SmilesColumns | None = None) -> tuple[int, int | None]:
    """Numbers, from 0, of the columns with SMILES and with names; None if none has names.

    Args:
        titles: titles of all columns.
        columns: titles of the two; None finds them by their usual titles.

    Raises:
        InputError: there is no column with SMILES, or none of a title that is given.
    """
    columns = columns or SmilesColumns()
    smiles = _column(titles, columns.smiles, _SMILES_TITLES)
    if smiles is None:
        raise InputError(f"no column is called smiles; name it by --smiles-column (there are {', '.join(titles)})")
    return smiles, _column(titles, columns.name, _NAME_TITLES, but=smiles)


def _column(titles: Sequence[str], told: str | None, usual: re.Pattern[str], but: int | None = None) -> int | None:
    if told is None:
        return _first_column(titles, usual, but)
    plain = [title.strip().lower() for title in titles]
    if told.strip().lower() not in plain:
        raise InputError(f"there is no column {told!r}; there are {', '.join(titles)}")
    return plain.index(told.strip().lower())


def _told_layout(line: str, columns: SmilesColumns) -> _Layout:
    separator = next((each for each in _SEPARATORS if each in line), " ")
    return _Layout(separator, *find_columns(_cells(line.lstrip("#"), separator), columns))


def _plain_line(line: str) -> SmilesLine:
    smiles, extension, rest = _split(line.strip())
    return SmilesLine(_title(rest), f"{smiles} {extension}".strip())


def _line_of_columns(line: str, layout: _Layout) -> SmilesLine:
    cells = _cells(line, layout.separator)
    title = cells[layout.name] if layout.name is not None and layout.name < len(cells) else ""
    if layout.smiles >= len(cells) or not cells[layout.smiles]:
        return SmilesLine(title, "", f"no SMILES in column {layout.smiles + 1}")
    after = "".join(cells[layout.smiles + 1 : layout.smiles + 2])  # a CXSMILES' extension may be a column of its own
    extension = after if _EXTENSION.fullmatch(after) else ""
    return SmilesLine("" if title == extension else title, f"{cells[layout.smiles]} {extension}".strip())


def _split(line: str) -> tuple[str, str, str]:
    """SMILES, extension between bars, and the rest of a line with the separator it begins with."""
    quoted = next((separator for separator in ",;" if re.match(rf'"[^"]*"(\s*{separator}|$)', line)), None)
    if quoted is not None:
        first, *others = _cells(line, quoted)
        line = quoted.join([first, *others])
    found = _LINE.match(line)
    if found is None:
        return line, "", ""
    extension, rest = (found["extension"] or "").strip(), found["rest"]
    if not extension and (next_column := re.match(r"\s*[\t,;]\s*(\|[^|]*\|)", rest)):
        extension, rest = next_column[1], rest[next_column.end() :]
    return found["smiles"], extension, rest


def _title(rest: str) -> str:
    """The name in what follows a SMILES: all of it behind blanks, else the next column."""
    text = rest.strip(" ")
    separator = text[:1] if text[:1] in _SEPARATORS else None
    if separator is None:
        return text.partition("\t")[0].strip()
    return next(iter(_cells(text[1:], separator)), "")


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None or separator == " ":
        return line.split()
    cells = next(csv.reader([line], delimiter=separator), []) if '"' in line else line.split(separator)
    return [cell.strip() for cell in cells]


def _header_layout(line: str) -> _Layout | None:
    """The layout that a line names as a header; None if it is none."""
    separator = next((each for each in _SEPARATORS if each in line), " ")
    titles = _cells(line.lstrip("#"), separator)
    smiles = _first_column(titles, _SMILES_TITLES)
    is_remark = separator == " " and line.startswith("#")
    if smiles is None or is_remark or parse_smiles(line).mol is not None:
        return None
    named = _first_column(titles, _NAME_TITLES, but=smiles)
    others = [column for column in range(len(titles)) if column != smiles]
    if separator == " " and len(titles) <= 2 and smiles == 0:
        return _Layout()  # names may have blanks
    return _Layout(separator, smiles, named if named is not None else next(iter(others), None))


def _first_column(titles: Sequence[str], pattern: re.Pattern[str], but: int | None = None) -> int | None:
    return next((i for i, title in enumerate(titles) if i != but and pattern.fullmatch(title)), None)


def _layout_of_lines(lines: Sequence[str]) -> _Layout:
    """The layout of lines without a header: SMILES first, unless names come first and SMILES second on every line."""
    probed = lines[:_PROBED_LINES]
    separator = next((each for each in _SEPARATORS if probed and all(each in line for line in probed)), " ")
    cells = [_cells(line, separator) for line in probed]
    if all(len(row) > 1 and _is_smiles(row[1]) and not _is_smiles(row[0]) for row in cells) and cells:
        return _Layout(separator, smiles=1, name=0)
    return _Layout()


def _is_smiles(text: str) -> bool:
    return bool(text) and parse_smiles(text).mol is not None
