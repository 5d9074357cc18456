"""SMILES: single strings, and lists of them with or without a header, in columns of any separator.

A line is a SMILES string, for CXSMILES with an extension between bars, then a name. Behind blanks all that follows is
the name, which may have blanks of its own; behind a tab, comma or semicolon further columns may follow, which are left.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from discodock.chem.raw_ligand import RawLigand, rdkit_reason

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


def parse_smiles(line: str) -> RawLigand:
    """A SMILES string or CXSMILES; a name may follow after white space, or as the next of several columns."""
    from rdkit import Chem, rdBase

    smiles, extension, rest = _split(line.strip())
    params: Any = Chem.SmilesParserParams()
    params.sanitize = False
    params.removeHs = False
    with rdBase.BlockLogs(), rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromSmiles(f"{smiles} {extension}".strip(), params)
    what = "CXSMILES" if extension else "SMILES"
    return RawLigand(_title(rest), mol, "" if mol else f"not a valid {what}{rdkit_reason(log.messages)}")


def is_smiles_file(text: str) -> bool:
    """Whether the first line of a text is a SMILES string or a header that names a column of them."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return _header_layout(first) is not None or parse_smiles(first).mol is not None


def parse_smiles_file(text: str) -> Iterator[RawLigand]:
    """The lines of a list of SMILES; empty lines and those that begin with # are left out."""
    lines = [line for line in text.splitlines() if line.strip()]
    layout = _header_layout(lines[0]) if lines else None
    lines = [line for line in lines[layout is not None :] if not line.startswith("#")]
    layout = layout or _layout_of_lines(lines)
    for line in lines:
        yield parse_smiles(line) if layout == _Layout() else _parse_columns(line, layout)


def _parse_columns(line: str, layout: _Layout) -> RawLigand:
    cells = _cells(line, layout.separator)
    if layout.smiles >= len(cells):
        return RawLigand("", None, f"no SMILES in column {layout.smiles + 1}")
    title = cells[layout.name] if layout.name is not None and layout.name < len(cells) else ""
    after = "".join(cells[layout.smiles + 1 : layout.smiles + 2])  # a CXSMILES' extension may be a column of its own
    extension = after if _EXTENSION.fullmatch(after) else ""
    raw = parse_smiles(f"{cells[layout.smiles]} {extension}")
    return replace(raw, title=raw.title if title == extension else title)


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
