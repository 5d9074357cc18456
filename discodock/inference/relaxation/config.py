"""How poses are relaxed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from discodock.physics.config import EnergyConfig, MinimiserConfig, OpenMMConfig
from discodock.settings import Settings, one_of


@dataclass(frozen=True)
class Method:
    """What is known of a relaxation method before any of it is imported.

    Attributes:
        relaxer: place of its `scorer.Relaxer`, as "module:class".
        applies_to: all candidates, or only the chosen, after fast relaxation of all.
        help: line of text for `--relax`; empty if the name says it.
        packages: optional packages that it needs.
        extra: extra of discodock that installs these.
    """

    relaxer: str
    applies_to: Literal["all", "chosen"] = "all"
    help: str = ""
    packages: tuple[str, ...] = ()
    extra: str = ""


METHODS: Final = {
    "none": Method("discodock.inference.relaxation.fast:NoRelaxer"),
    "fast": Method(
        "discodock.inference.relaxation.fast:FastRelaxer", help="Vina's terms and torsions in the rigid receptor"
    ),
    "openmm": Method(
        "discodock.inference.relaxation.openmm:OpenMMPoseRelaxer",
        applies_to="chosen",
        help="a force field after that",
        packages=("openmm", "pdbfixer"),
        extra="relax",
    ),
}
"""All relaxation methods, by the name that `--relax` takes."""


def method_texts() -> dict[str, str]:
    """What each relaxation method does, by its name."""
    return {name: method.help for name, method in METHODS.items()}


class RelaxationConfig(Settings):
    """Whether and how poses are relaxed."""

    method: Annotated[str, one_of(lambda: METHODS, method_texts)] = Field("fast", description="relaxation of poses")
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
        if METHODS[self.method].applies_to == "all":
            return self
        return RelaxationConfig(energy=self.energy, minimiser=self.minimiser)

    @property
    def is_flexible(self) -> bool:
        """Whether side chains of the receptor move."""
        return self.openmm.flexible > 0
