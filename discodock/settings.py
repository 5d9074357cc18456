"""The base class of every configuration block."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen, typed settings that refuse unknown keys; subclasses sit beside what they configure."""

    model_config = ConfigDict(frozen=True, extra="forbid")
