"""How to screen: stages that dock ever fewer ligands ever better, and what ligands are ranked by; light to import."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from discodock.errors import ConfigError
from discodock.inference.config import DockingConfig, SiteSearchConfig
from discodock.screening.ranking import DEFAULT_RANKING, RANKINGS, ranking_texts
from discodock.settings import Settings, one_of


class StageConfig(Settings):
    """One stage of a screen: which of the ligands of the stage before it docks, and how."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="name of the stage in tables and messages")
    fraction: float = Field(
        1.0, gt=0, le=1, description="fraction of the ligands of the stage before, the best ones, that are docked"
    )
    at_least: int = Field(0, ge=0, description="fewest ligands to dock, if the stage before has as many")
    docking: DockingConfig = Field(default_factory=DockingConfig, description="settings of docking")

    def num_ligands(self, num_before: int) -> int:
        """How many of `num_before` ligands this stage docks."""
        return min(num_before, max(self.at_least, math.ceil(self.fraction * num_before - 1e-9)))


class ScreeningConfig(Settings):
    """How to screen a library."""

    stages: tuple[StageConfig, ...] = Field(
        min_length=1, description="stages in their order; the first docks every ligand"
    )
    rank_by: Annotated[str, one_of(lambda: RANKINGS, ranking_texts)] = Field(
        DEFAULT_RANKING, description="score by which ligands are ranked and chosen for the next stage"
    )
    poses: int = Field(1, ge=1, le=1000, description="best poses of a ligand that are kept")

    @model_validator(mode="after")
    def _check_stages(self) -> ScreeningConfig:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"two stages have the same name: {', '.join(names)}")
        if self.stages[0].fraction < 1:
            raise ValueError(f"the first stage, {names[0]}, docks every ligand: its fraction is 1")
        first = self.stages[0].docking
        for stage in self.stages:
            if (stage.docking.receptor, stage.docking.pocket_radius) != (first.receptor, first.pocket_radius):
                raise ValueError(f"stages {names[0]} and {stage.name} dock into different receptors or pockets")
        return self

    @property
    def docking(self) -> DockingConfig:
        """Settings of docking of the first stage; those of receptor and pocket are the same in all."""
        return self.stages[0].docking

    def with_options(self, options: Mapping[str, Any]) -> ScreeningConfig:
        """These settings with some options of docking changed in all stages, such as `{"seed": 1}`.

        Raises:
            ConfigError: there is no such option, or a value is out of range or contradicts another.
        """
        stages = [stage.model_copy(update={"docking": stage.docking.with_options(options)}) for stage in self.stages]
        return self.model_copy(update={"stages": tuple(stages)})

    def result_settings(self) -> dict[str, Any]:
        """The settings that results depend on, as plain data; stages by name."""
        stages = {
            stage.name: {
                "fraction": stage.fraction,
                "at_least": stage.at_least,
                "docking": stage.docking.result_settings(),
            }
            for stage in self.stages
        }
        return {"stages": stages, "rank_by": self.rank_by, "poses": self.poses}


def _docking(**options: Any) -> DockingConfig:
    """Docking by one of several processes, in a pocket that needs no name."""
    return DockingConfig(threads=1, sites=SiteSearchConfig(name_pocket=False)).with_options(options)


QUICK: Final = StageConfig(
    name="quick", docking=_docking(samples=4, exhaustiveness=2, conformers=4, validity=False, relax="fast")
)
"""Eight candidates, the best four of them kept, unchecked."""

GLANCE: Final = StageConfig(
    name="glance", docking=_docking(samples=2, exhaustiveness=2, conformers=4, validity=False, relax="fast")
)
"""Half as many candidates: two thirds of the time of `QUICK`."""

FULL: Final = _docking()
"""Docking as `discodock predict` does it."""

REFINED: Final = _docking(samples=10, exhaustiveness=8, relax="openmm")
"""The same candidates, fewer of them relaxed by a force field."""

PRESETS: Final[dict[str, ScreeningConfig]] = {
    "fast": ScreeningConfig(stages=(GLANCE, StageConfig(name="full", fraction=0.01, at_least=10, docking=FULL))),
    "default": ScreeningConfig(
        stages=(
            QUICK,
            StageConfig(name="full", fraction=0.1, at_least=50, docking=FULL),
            StageConfig(name="refined", fraction=0.1, at_least=10, docking=REFINED),
        )
    ),
    "thorough": ScreeningConfig(
        stages=(
            StageConfig(name="full", docking=FULL),
            StageConfig(name="refined", fraction=0.1, at_least=50, docking=REFINED),
        )
    ),
}
"""Cascades by the name that `--preset` takes."""

DEFAULT_PRESET: Final = "default"


def preset_config(name: str) -> ScreeningConfig:
    """The cascade of a name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"--preset {name}: choose {', '.join(PRESETS)}")
    return PRESETS[name]


def differences(known: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two nested mappings, such as "stages.quick.docking.samples is 8, was 4"."""
    found = []
    for key in [*known, *(key for key in given if key not in known)]:
        one, other = known.get(key), given.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append(f"{prefix}{key} is {_brief(other)}, was {_brief(one)}")
    return found


def _brief(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
