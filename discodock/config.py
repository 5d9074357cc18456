"""Reading and writing of configurations: a YAML file plus `key=value` overrides into nested, checked settings.

The blocks themselves (subclasses of `Settings`) are declared beside what they configure; this module only nests, reads,
checks and writes them. Later wins: defaults, then the file, then the overrides.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from discodock.errors import ConfigError
from discodock.files import write_atomically
from discodock.settings import Settings

SettingsT = TypeVar("SettingsT", bound=Settings)


def load_config(path: Path | str | None, overrides: Sequence[str], cls: type[SettingsT]) -> SettingsT:
    """Settings of class `cls` from a YAML file and `key=value` overrides.

    Args:
        path: the YAML file, a mapping at top level; None takes the defaults alone.
        overrides: strings such as "optimiser.learning_rate=3e-4"; dots descend into blocks, values are YAML.
        cls: the class of the top block.

    Raises:
        ConfigError: the file cannot be read, a key is unknown (the nearest known one is named), or a value is out of
            range or contradicts another.
    """
    values = read_yaml(Path(path)) if path is not None else {}
    for override in overrides:
        _apply_override(values, override)
    return checked(cls, values, str(path) if path is not None else "configuration")


def checked(cls: type[SettingsT], values: Mapping[str, Any], source: str) -> SettingsT:
    """Settings of class `cls` from plain values.

    Args:
        cls: the class of the top block.
        values: nested values of its fields.
        source: origin of the values, for the message.

    Raises:
        ConfigError: a key is unknown (the nearest known one is named), or a value is out of range or contradicts
            another.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_first_problem(error, cls)}") from error


def dump_config(config: Settings, path: Path) -> None:
    """Write every value of `config`, defaults included, as YAML that `load_config` reads back to an equal object."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_atomically(path, text.encode("utf-8"))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty if there is nothing in it.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give a YAML file such as those in configs/") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text ({type(error).__name__}); give a YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{path}: not valid YAML{where}; mend it or start from one in configs/") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected `key: value` lines at top level, found {type(values).__name__}")
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    """Set the value named by one "a.b=value" string in nested `values`, in place."""
    key, separator, text = override.partition("=")
    key = key.strip()
    if not separator or not key:
        raise ConfigError(f"override {override!r} is not of the form key=value, such as optimiser.learning_rate=3e-4")
    *blocks, last = key.split(".")
    for depth, block in enumerate(blocks):
        values = values.setdefault(block, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override {override!r}: {'.'.join(blocks[: depth + 1])} is a value, not a block")
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: the value is not valid YAML; quote it") from error


def _first_problem(error: ValidationError, cls: type[BaseModel]) -> str:
    """One line on the first problem of a failed validation, and how many more there are."""
    problems = error.errors()
    problem = problems[0]
    path, block = _walk(problem["loc"], cls)
    key = ".".join(path)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {_nearest(path, block)}{more}"
    message = problem["msg"].removeprefix("Value error, ")
    given = "" if problem["type"] in ("missing", "value_error") else f", not {problem['input']!r}"
    return f"{key}: {message}{given}{more}" if key else f"{message}{more}"


def _nearest(path: list[str], block: type[BaseModel] | None) -> str:
    """The key of `block` nearest to the unknown last part of `path`, as a suggestion."""
    known = list(block.model_fields) if block is not None else []
    close = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {'.'.join([*path[:-1], close[0]])!r}?"
    return f"known here: {', '.join(known)}" if known else "it takes no keys"


def _walk(location: tuple[int | str, ...], cls: type[BaseModel]) -> tuple[list[str], type[BaseModel] | None]:
    """A location as the user wrote it, without the tags of unions, and the block that its last part is in."""
    path: list[str] = []
    block: type[BaseModel] | None = cls
    choices: list[type[BaseModel]] = []
    for depth, part in enumerate(location):
        tagged = [each for each in choices if "kind" in each.model_fields and each.model_fields["kind"].default == part]
        if tagged and len(choices) > 1:
            block, choices = tagged[0], []
            continue
        path.append(str(part))
        if depth == len(location) - 1 or isinstance(part, int):
            continue
        choices = _nested_blocks(block, part)
        block = choices[0] if choices else None
    return path, block


def _nested_blocks(block: type[BaseModel] | None, part: str) -> list[type[BaseModel]]:
    """The settings classes of field `part` of `block`, also inside Optional, lists and unions."""
    field = block.model_fields.get(part) if block is not None else None
    found: list[type[BaseModel]] = []
    pending = [] if field is None else [field.annotation]
    while pending:
        annotation = pending.pop(0)
        if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
            if issubclass(annotation, BaseModel):
                found.append(annotation)
        else:
            pending = [*typing.get_args(annotation), *pending]
    return found
