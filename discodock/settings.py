"""The base class of every configuration block, and the check of names that a registry knows."""

import difflib
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from discodock.errors import ConfigError
from discodock.files import home_expanded

MAX_SEED: Final = 2**32 - 1

Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
"""The type of every setting that is a seed: what NumPy and Lightning take, so that none fails halfway through a run."""

MAX_SHOWN: Final = 80
"""Characters of a wrong value in a message."""


class Settings(BaseModel):
    """Frozen, typed settings that refuse unknown keys; subclasses sit beside what they configure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    renamed: ClassVar[Mapping[str, str]] = {}
    """Keys of earlier versions by which configuration files may still call a setting, and what they are called now."""

    @field_validator("*")
    @classmethod
    def _expand_home(cls, value: Any) -> Any:
        """Paths may begin with `~/`, in files too, where no shell expands it."""
        return Path(home_expanded(str(value))) if isinstance(value, Path) else value

    @model_validator(mode="before")
    @classmethod
    def _read_earlier_names(cls, values: Any) -> Any:
        if not cls.renamed or not isinstance(values, Mapping):
            return values
        return {
            key if cls.renamed.get(key, key) in values else cls.renamed.get(key, key): value
            for key, value in values.items()
        }

    @classmethod
    def checked(cls, values: Mapping[str, Any], source: str = "") -> Self:
        """Settings from plain values.

        Args:
            values: values by key, nested as the settings are.
            source: origin of the values for the message, such as the name of a file; empty leaves it out.

        Raises:
            ConfigError: a key is unknown (the nearest known one is named), or a value is out of range or contradicts
                another; one line.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problem = _first_problem(error, cls)
            raise ConfigError(f"{source}: {problem}" if source else problem) from error


@dataclass(frozen=True)
class OneOf:
    """The check that `one_of` makes, which a command line can ask for the names.

    Attributes:
        known: function that returns the registry, or its names.
        texts: function that returns a line on each name, for help texts; None where the names say enough.
    """

    known: Callable[[], Collection[str]]
    texts: Callable[[], Mapping[str, str]] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, name: str) -> str:
        names = list(self.known())
        if name in names:
            return name
        raise PydanticCustomError("unknown_name", "choose {names}", {"names": ", ".join(names)})


def one_of(known: Callable[[], Collection[str]], texts: Callable[[], Mapping[str, str]] | None = None) -> OneOf:
    """Check of a setting that is the name of an entry of a registry.

    >>> solver: Annotated[str, one_of(lambda: SOLVERS)] = "heun"

    Args:
        known: function that returns the registry, or its names; called when a name is checked, as registries end their
            modules.
        texts: function that returns a line on each name, for help texts; None where the names say enough.
    """
    return OneOf(known, texts)


def shortened(text: str) -> str:
    """A text for a message, its end left out if it is long."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _first_problem(error: ValidationError, cls: type[BaseModel]) -> str:
    """One line on the first problem of a failed validation, and how many more there are."""
    problems = error.errors()
    problem = problems[0]
    path, block = _walk(problem["loc"], cls)
    key = ".".join(path)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if problem["type"] == "extra_forbidden":
        return f"unknown key {shortened(repr(key))}; {_nearest(path, block)}{more}"
    message = problem["msg"].removeprefix("Value error, ")
    given = "" if problem["type"] in ("missing", "value_error") else f", not {shortened(repr(problem['input']))}"
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
