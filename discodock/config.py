"""Reading and writing of configurations: a YAML file plus `key=value` overrides into nested, checked settings.

The blocks themselves (subclasses of `Settings`) are declared beside what they configure; this module only nests, reads,
checks and writes them. Later wins: defaults, then the file, then the overrides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

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
    write_atomically(path, (head + text).encode("utf-8"))


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
