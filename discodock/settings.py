"""The base class of every configuration block, and the check of names that a registry knows."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


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


def one_of(known: Callable[[], Collection[str]]) -> AfterValidator:
    """Check of a setting that is the name of an entry of a registry.

    >>> solver: Annotated[str, one_of(lambda: SOLVERS)] = "heun"

    Args:
        known: returns the registry, or its names; called when a name is checked, as registries end their modules.
    """

    def check(name: str) -> str:
        names = list(known())
        if name in names:
            return name
        raise PydanticCustomError("unknown_name", "choose {names}", {"names": ", ".join(names)})

    return AfterValidator(check)
