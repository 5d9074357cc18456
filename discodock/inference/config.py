"""How to dock: one tree of settings for `dock`, many jobs, evaluation and the command line; light to import.

Every plain field of `DockingConfig` is an option of the command line and a keyword of `dock` under its own name;
`NESTED_OPTIONS` names those that are fields of a block. Texts, ranges and defaults of options are those of the fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, model_validator

from discodock.diffusion.solvers import LowTemperature, SolverConfig
from discodock.errors import ConfigError
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.latents.code_sampling import CodeSampling
from discodock.settings import Seed, Settings, one_of

DEFAULT_STEPS: Final = 20

DEFAULT_RADIUS: Final = 10.0
"""Å from the pocket's centre within which a pose's centroid counts as in the pocket."""

RESCORERS: Final = ("none", "vina")

NESTED_OPTIONS: Final = {
    "keep": "receptor.keep",
    "drop": "receptor.drop",
    "cofactors": "receptor.cofactors",
    "steps": "solver.steps",
    "solver": "solver.solver",
    "guidance": "codes.guidance_weight",
    "relax": "relaxation.method",
    "flexible_side_chains": "relaxation.openmm.flexible",
}
"""Options that are fields of a block, by name."""


class ReceptorConfig(Settings):
    """What of the structure files makes the receptor."""

    keep: tuple[str, ...] = Field(
        (), description="receptor residue to keep although a rule drops it: HOH, A:301; repeat"
    )
    drop: tuple[str, ...] = Field((), description="receptor residue to drop: SO4, A:301; repeat")
    cofactors: Path | None = Field(None, description="further PDB or mmCIF file that belongs to the receptor")


class SiteSearchConfig(Settings):
    """How sites are drawn when no pocket is given."""

    max_sites: int = Field(5, ge=1, description="most distinct sites that share the samples, by probability")
    name_pocket: bool = Field(
        True,
        description="name a residue of a given pocket in latent_code, by the site model; changes no pose",
    )
    code: CodeSampling = Field(CodeSampling(top_p=0.95), description="temperature, top-k and top-p of the site code")


class PoseCodeConfig(Settings):
    """How the codes of poses are drawn and followed."""

    renamed = {"share": "fraction"}

    draw: CodeSampling | None = Field(
        None, description="temperature, top-k and top-p of the prior; none: as the checkpoint says"
    )
    fraction: float | None = Field(
        None, ge=0, le=1, description="fraction of poses with codes; none: half, or all in networks of whole receptors"
    )
    guidance_weight: float = Field(
        0.0,
        ge=-1,
        description="weight w of the discrete codes beyond what was trained, s_c + w (s_c - s_null); -1 ignores them",
    )


class DockingConfig(Settings):
    """How to dock a ligand."""

    samples: int = Field(40, ge=1, le=10_000, description="poses per ligand that are kept")
    exhaustiveness: int = Field(
        2, ge=1, le=100, description="candidates sampled and relaxed for each pose that is kept; time grows with it"
    )
    seed: Seed = Field(0, description="seed of all random numbers; equal seeds give equal poses on equal hardware")
    conformers: int = Field(10, ge=1, le=1000, description="RDKit conformers that poses start from, in turn")
    batch_size: int | None = Field(
        None,
        ge=1,
        description="poses in memory at a time, in whole blocks (of at most 20 on a CPU, 512 on a GPU), which changes"
        " none; none: as the free memory allows",
    )
    threads: int | None = Field(
        None,
        ge=1,
        description="CPU cores to dock a ligand with, which change no pose; none: all or OMP_NUM_THREADS, at most 4",
    )
    pocket_radius: float = Field(
        DEFAULT_RADIUS,
        gt=0,
        allow_inf_nan=False,
        description="distance from its centre within which a pose is in the pocket, Å",
    )
    rescore: Annotated[str, one_of(lambda: RESCORERS)] = Field(
        "none", description="none, or vina: AutoDock Vina optimises, scores and ranks the poses"
    )
    validity: bool = Field(True, description="check of the poses with PoseBusters; those that pass come first")
    receptor: ReceptorConfig = Field(default_factory=ReceptorConfig, description="atoms that make the receptor")
    sites: SiteSearchConfig = Field(default_factory=SiteSearchConfig, description="sites to dock into without a pocket")
    codes: PoseCodeConfig = Field(default_factory=PoseCodeConfig, description="codes of poses, if the network has them")
    solver: SolverConfig = Field(
        default_factory=lambda: SolverConfig(solver="low_temperature", steps=DEFAULT_STEPS),
        description="solver, steps and time grid; low_temperature without temperatures takes those for its steps",
    )
    relaxation: RelaxationConfig = Field(default_factory=RelaxationConfig, description="relaxation of the poses")

    @model_validator(mode="before")
    @classmethod
    def _default_solver(cls, values: Any) -> Any:
        """Any setting of the solver leaves the others as they are by default here, not as in training."""
        given = values.get("solver") if isinstance(values, Mapping) else None
        return {**values, "solver": {"solver": "low_temperature", **given}} if isinstance(given, Mapping) else values

    @model_validator(mode="after")
    def _check_rescoring(self) -> DockingConfig:
        if self.rescore == "vina" and self.relaxation.is_flexible:
            raise ValueError("--rescore vina knows rigid receptors only; leave out --flexible-side-chains")
        return self

    @property
    def num_candidates(self) -> int:
        """Poses that are sampled for a ligand."""
        return self.samples * self.exhaustiveness

    def with_options(self, options: Mapping[str, Any]) -> DockingConfig:
        """These settings with some options changed.

        Args:
            options: values by the name of the option, such as `{"samples": 10, "steps": 15}`.

        Raises:
            ConfigError: there is no such option, or a value is out of range or contradicts another.
        """
        paths = option_paths()
        values = self.model_dump(exclude_unset=True)
        for name, value in options.items():
            if name not in paths:
                close = difflib.get_close_matches(name, paths, n=1, cutoff=0.5) or [", ".join(paths)]
                raise ConfigError(f"unknown option {name!r}; did you mean {close[0]}?")
            *blocks, last = paths[name].split(".")
            block = values
            for each in blocks:
                block = block.setdefault(each, {})
            block[last] = value
        return DockingConfig.checked(values, "docking")

    def result_settings(self) -> dict[str, Any]:
        """The settings that poses depend on, as plain data."""
        return self.model_dump(mode="json", exclude={"batch_size", "threads"})


def option_paths() -> dict[str, str]:
    """The dotted path of the field of every option, by the option's name with underscores."""
    return dict(_plain_fields()) | NESTED_OPTIONS


def _plain_fields() -> Iterator[tuple[str, str]]:
    for name, field in DockingConfig.model_fields.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            yield name, name


def pose_solver(config: SolverConfig) -> SolverConfig:
    """The solver as it walks: where `low_temperature` names no temperature, the one for its number of steps.

    It is warmer the fewer the steps, because explicit steps overshoot when they are long.

    Chosen on 64 val complexes with 8 poses each in 20 steps, without codes: of the poses of the packaged score model
    30.9 % are below 2 Å and 15.0 % below 1 Å, against 27.1 and 11.9 % at an inverse temperature of 2.5; 5 is no better,
    and neither are more steps, another psi or sigma_data, or a colder rotation or torsions alone.
    """
    if config.solver != "low_temperature" or config.temperatures is not None:
        return config
    strength = min(1.0, config.steps / DEFAULT_STEPS)
    temperature = LowTemperature(sampling=1 + 3 * strength**1.5, psi=1.5 * strength, sigma_data=0.6)
    return config.model_copy(update={"temperatures": (temperature,)})
