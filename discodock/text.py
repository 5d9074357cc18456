"""Text from files, names and messages, made fit to be shown: on a terminal, and in cells of tables."""

from __future__ import annotations

import re
from typing import Final

_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move a terminal's cursor, colour it or turn its direction, and bytes of file names that are none."""

_FORMULA: Final = re.compile(r"^[=+\-@\t\r]")
"""How cells begin that a spreadsheet takes for a formula."""


def printable(text: str) -> str:
    """A text without what a terminal would obey: each such character is told by its code."""
    return _CONTROLS.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """A printable text in one line, its white space single blanks."""
    return printable(" ".join(text.split()))


def table_cell(value: object) -> object:
    """A value as a table has it: booleans as true and false, texts in one line and never a formula of a spreadsheet.

    An apostrophe in front, which spreadsheets know, makes a text of what would be a formula; see `plain_cell`.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = printable(value.replace("\r", " ").replace("\n", " "))
    return f"'{text}" if _FORMULA.match(text) and not _is_number(text) else text


def plain_cell(text: str) -> str:
    """A cell that `table_cell` made, without the apostrophe."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def _is_number(text: str) -> bool:
    """Whether a text is a number, or several with blanks between them."""
    try:
        return bool([float(word) for word in text.split()])
    except ValueError:
        return False
