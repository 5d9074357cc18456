"""How a page shows the columns of a table; one that `inference.columns` does not know is shown by its own name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from discodock.inference.columns import find_column

Kind = Literal["check", "number", "text"]

CHECK_VALUES: Final = frozenset({"true", "false"})
_PLAIN_NUMBER: Final = frozenset("-0123456789.")


@dataclass(frozen=True)
class Column:
    """A column of the table of poses.

    Attributes:
        name: name of the column in its file.
        title: title of the column for people.
        meaning: one or two sentences; empty for a column that `inference.columns` does not know.
        kind: kind of its values, by which they are shown and sorted.
        decimals: decimals of its numbers, the most that any of them has.
        is_detail: whether it is shown for the selected pose only.
    """

    name: str
    title: str
    meaning: str
    kind: Kind
    decimals: int = 0
    is_detail: bool = False

    def shown(self, value: str) -> str:
        """A value as the page has it: numbers of a column have the same decimals."""
        is_plain = self.kind == "number" and set(value) <= _PLAIN_NUMBER
        return f"{float(value):.{self.decimals}f}" if value and is_plain else value


def describe_columns(rows: Sequence[Mapping[str, str]]) -> list[Column]:
    """The columns that have a value in some row, in the order of the file, without those that no report shows."""
    names = [name for name in rows[0] if _is_shown(name, rows[0]) and any(row.get(name) for row in rows)]
    return [_describe(name, [row[name] for row in rows if row.get(name)]) for name in names]


def table_columns(columns: Sequence[Column], rows: Sequence[Mapping[str, str]]) -> list[Column]:
    """Those that the table of poses shows: no details, and no text that is the same for all of several poses."""

    def tells_poses_apart(column: Column) -> bool:
        return column.kind != "text" or len(rows) == 1 or len({row.get(column.name) for row in rows}) > 1

    return [c for c in columns if not c.is_detail and (c.name == "mode" or tells_poses_apart(c))]


def _is_shown(name: str, row: Mapping[str, str]) -> bool:
    known = find_column(name)
    if known is None:
        return True
    is_said_already = name == known.former and known.name in row
    return known.report != "" and not is_said_already


def _describe(name: str, values: Sequence[str]) -> Column:
    """A column with some values, none of them empty."""
    known = find_column(name)
    title, meaning = (known.title, known.description) if known else (name.replace("_", " "), "")
    kind, decimals = _kind(values)
    return Column(name, title, meaning, kind, decimals, known is not None and known.report == "selected pose")


def _kind(values: Sequence[str]) -> tuple[Kind, int]:
    """Kind of some values, and the most decimals of any number among them."""
    if set(values) <= CHECK_VALUES:
        return "check", 0
    if not all(_is_number(value) for value in values):
        return "text", 0
    return "number", max((len(value.partition(".")[2]) for value in values if set(value) <= _PLAIN_NUMBER), default=0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
