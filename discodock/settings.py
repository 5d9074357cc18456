"""The base class of every configuration block, and the check of names that a registry knows."""

from collections.abc import Callable, Collection

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError


class Settings(BaseModel):
    """Frozen, typed settings that refuse unknown keys; subclasses sit beside what they configure."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
