"""Reading and writing of configurations: a YAML file plus `key=value` overrides into nested, checked settings.

The blocks themselves (subclasses of `Settings`) are declared beside what they configure; this module only nests, reads,
checks and writes them. Later wins: defaults, then the file, then the overrides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from discodock.errors import ConfigError
from discodock.files import write_text
from discodock.input_files import MAX_DEPTH, InputKind, read_text
from discodock.settings import Settings

YAML_FILE: Final = InputKind("file", "give a YAML file such as those in configs/", ConfigError, max_bytes=2**20)

MAX_VALUES: Final = 10_000
"""Most values in a file of settings, which have hundreds."""

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
    return cls.checked(values, str(path) if path is not None else "configuration")


def dump_config(config: Settings, path: Path, comment: str = "") -> None:
    """Write every value of `config`, defaults included, as YAML that `load_config` reads back to an equal object.

    Args:
        config: settings to write.
        path: the YAML file.
        comment: first line of the file, without the #; empty leaves it out.
    """
    head = f"# {comment}\n" if comment else ""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_text(path, head + text)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty if there is nothing in it.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        values = _parse_yaml(read_text(path, YAML_FILE))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{path}: not valid YAML{where}; mend it or start from one in configs/") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; start from one in configs/") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected `key: value` lines at top level, found {type(values).__name__}")
    return values


def _parse_yaml(text: str) -> Any:
    """The value of a YAML text, without Python objects.

    Raises:
        yaml.YAMLError: it is not YAML.
        ValueError: it is too large or too deep, or a value is none, such as a 13th month.
    """
    _check_size(text)
    try:
        return yaml.safe_load(text)
    except ValueError as error:  # of dates and of very long numbers
        raise ValueError(f"a value that YAML cannot read ({error})") from None


def _check_size(text: str) -> None:
    """Refuse nesting and aliases that would take all memory, by the parser's events, which expand nothing.

    Raises:
        yaml.YAMLError: it is not YAML.
        ValueError: it has more than `MAX_VALUES` values, aliases counted as what they stand for, or `MAX_DEPTH` levels.
    """
    sizes: dict[str, int] = {}
    open_blocks: list[tuple[str | None, int]] = []  # anchor, and the count where the block began
    count = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_blocks.pop()
            sizes |= {} if anchor is None else {anchor: count - before}
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == anchor for anchor, _ in open_blocks):
                raise ValueError(f"the alias *{event.anchor} stands for a block that holds it")
            count += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.NodeEvent):
            count += 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_blocks.append((event.anchor, count - 1))
        if count > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES} values, aliases counted; too many for settings")
        if len(open_blocks) > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")


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
        values[last] = _parse_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"override {override!r}: the value is not valid YAML; quote it") from error
