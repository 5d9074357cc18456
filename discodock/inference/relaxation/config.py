"""How poses are relaxed."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from discodock.physics.config import EnergyConfig, MinimiserConfig, OpenMMConfig
from discodock.settings import Settings, one_of

METHODS: Final = ("none", "fast", "openmm")


class RelaxationConfig(Settings):
    """Whether and how poses are relaxed."""

    method: Annotated[str, one_of(lambda: METHODS)] = Field(
        "fast",
        description="relaxation of poses: none; fast: Vina's terms and torsions in the rigid receptor; openmm: a force"
        " field after that",
    )
    energy: EnergyConfig = Field(default_factory=EnergyConfig, description="energy that fast relaxation lowers")
    minimiser: MinimiserConfig = Field(default_factory=MinimiserConfig, description="minimiser of fast relaxation")
    openmm: OpenMMConfig = Field(default_factory=OpenMMConfig, description="relaxation by OpenMM")

    @model_validator(mode="after")
    def _check_flexible(self) -> RelaxationConfig:
        if self.openmm.flexible > 0 and self.method != "openmm":
            raise ValueError(f"flexible side chains need --relax openmm, not --relax {self.method}")
        return self

    @property
    def first(self) -> RelaxationConfig:
        """What is done to all candidates before the best are chosen, and the rest to those alone."""
        return RelaxationConfig(energy=self.energy, minimiser=self.minimiser) if self.method == "openmm" else self

    @property
    def is_flexible(self) -> bool:
        """Whether side chains of the receptor move."""
        return self.openmm.flexible > 0
