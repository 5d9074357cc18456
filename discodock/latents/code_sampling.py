"""How codes are drawn from a prior: settings apart from the drawing, so that they are read without loading torch."""

from __future__ import annotations

from pydantic import Field

from discodock.settings import Settings


class CodeSampling(Settings):
    """How to draw from a categorical distribution; the defaults draw from the distribution as it is."""

    temperature: float = Field(
        default=1.0,
        ge=0,
        description="divisor of the logits, 0 picks the most probable entry; exp(-1.5) in DisCo-DiffDock",
    )
    top_k: int | None = Field(default=None, ge=1, description="draw among this many most probable entries; none: all")
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="draw among the fewest most probable entries with this total probability, at the given temperature",
    )
