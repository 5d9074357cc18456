"""The base class of every configuration block, and the check of names that a registry knows."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import PydanticCustomError, core_schema


class Settings(BaseModel):
    """Frozen, typed settings that refuse unknown keys; subclasses sit beside what they configure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    renamed: ClassVar[Mapping[str, str]] = {}
    """Keys of earlier versions by which configuration files may still call a setting, and what they are called now."""

    @model_validator(mode="before")
    @classmethod
    def _read_earlier_names(cls, values: Any) -> Any:
        if not cls.renamed or not isinstance(values, Mapping):
            return values
        return {
            key if cls.renamed.get(key, key) in values else cls.renamed.get(key, key): value
            for key, value in values.items()
        }


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
