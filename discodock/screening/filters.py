"""Filters of results, such as "pb_valid and heavy_atoms < 35": a small grammar of its own, no code is ever run.

A filter compares columns, numbers and texts by < <= > >= == != and `in`, computes with + - * / and abs(), and joins
comparisons by `and`, `or` and `not`. An empty cell makes a comparison false; `x is None` asks for it.
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from discodock.errors import ConfigError

Row = Mapping[str, Any]
Filter = Callable[[Row], bool]

MAX_CHARACTERS: Final = 2_000
MAX_DEPTH: Final = 100
"""Parts of a filter within each other, far fewer than the calls within each other that Python allows."""

CONSTANTS: Final = {"true": True, "false": False, "none": None}
"""Words that stand for a value; Python's own spelling is known too."""

_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda one, other: one in other,
    ast.NotIn: lambda one, other: one not in other,
}
_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SIGNS: Final[dict[type[ast.unaryop], Callable[[Any], Any]]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}


def parse_filter(text: str, columns: Collection[str]) -> Filter:
    """What a filter says of a row.

    Args:
        text: the filter.
        columns: names that it may use.

    Raises:
        ConfigError: it is no filter, or names no column.
    """
    problem = f"--where {text if len(text) < 100 else text[:100] + '…'!r}"
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{problem}: longer than {MAX_CHARACTERS} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ConfigError(f"{problem}: not a filter; write one such as pb_valid and heavy_atoms < 35") from None
    if _depth(tree) > MAX_DEPTH:
        raise ConfigError(f"{problem}: more than {MAX_DEPTH} parts within each other; write a simpler one")
    try:
        value = _compile(tree.body, frozenset(columns))
    except ConfigError as error:
        raise ConfigError(f"{problem}: {error}") from None

    def keeps(row: Row) -> bool:
        try:
            return bool(value(row))
        except (TypeError, ZeroDivisionError, OverflowError):
            raise ConfigError(f"{problem}: compares or computes with what is no number") from None

    return keeps


def _depth(tree: ast.AST) -> int:
    """How many parts are within each other at most."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _compile(node: ast.expr, columns: frozenset[str]) -> Callable[[Row], Any]:
    """The value of a part of a filter, as a function of a row."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return lambda row: value
        case ast.Name(id=name):
            return _named(name, columns)
        case ast.BoolOp(op=op, values=values):
            parts = [_compile(each, columns) for each in values]
            join = all if isinstance(op, ast.And) else any
            return lambda row: join(bool(part(row)) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _compile(operand, columns)
            return lambda row: not inner(row)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return _number_function(_SIGNS[type(op)], [operand], columns)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _number_function(_ARITHMETIC[type(op)], [left, right], columns)
        case ast.Call(func=ast.Name(id="abs"), args=[argument], keywords=[]):
            return _number_function(abs, [argument], columns)
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            members = [_compile(each, columns) for each in elements]
            return lambda row: [member(row) for member in members]
        case ast.Compare():
            return _comparison(node, columns)
    raise ConfigError(
        f"{ast.unparse(node)!r} is not allowed; compare columns, numbers and texts, joined by and, or, not"
    )


def _named(name: str, columns: frozenset[str]) -> Callable[[Row], Any]:
    if name in columns:
        return lambda row: row.get(name)
    if name.lower() in CONSTANTS:
        value = CONSTANTS[name.lower()]
        return lambda row: value
    close = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
    known = f"did you mean {close[0]}?" if close else f"columns are {', '.join(sorted(columns))}"
    raise ConfigError(f"no column {name!r}; {known}")


def _number_function(
    function: Callable[..., Any], arguments: list[ast.expr], columns: frozenset[str]
) -> Callable[[Row], Any]:
    """A function of numbers; of an empty cell it is empty. Texts are refused, whose product would fill the memory."""
    parts = [_compile(each, columns) for each in arguments]

    def value(row: Row) -> Any:
        values = [part(row) for part in parts]
        if any(each is None for each in values):
            return None
        if not all(isinstance(each, int | float) for each in values):
            raise TypeError
        return function(*values)

    return value


def _comparison(node: ast.Compare, columns: frozenset[str]) -> Callable[[Row], bool]:
    sides = [_compile(each, columns) for each in (node.left, *node.comparators)]
    last = node.comparators[-1]
    is_plain = (isinstance(last, ast.Name) and last.id.lower() in CONSTANTS) or (
        isinstance(last, ast.Constant) and isinstance(last.value, bool | None)
    )
    if isinstance(node.ops[0], ast.Is | ast.IsNot) and len(node.ops) == 1 and is_plain:
        is_same = isinstance(node.ops[0], ast.Is)
        return lambda row: (sides[0](row) is sides[1](row)) == is_same
    unknown = next((op for op in node.ops if type(op) not in _COMPARISONS), None)
    if unknown is not None:
        raise ConfigError(
            f"{ast.unparse(node)!r}: `is` asks for None, true or false alone, such as pb_valid is None; use == else"
        )
    compare = [_COMPARISONS[type(op)] for op in node.ops]

    def holds(row: Row) -> bool:
        values = [side(row) for side in sides]
        if any(value is None for value in values):
            return False
        return all(test(one, other) for test, one, other in zip(compare, values, values[1:], strict=False))

    return holds
