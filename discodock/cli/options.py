"""Options of the docking commands, with their units and aliases, and how their values are combined."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from discodock.errors import ConfigError

if TYPE_CHECKING:
    from discodock.inference.sample import SamplingConfig

DEFAULT_SAMPLES: Final = 40
DEFAULT_STEPS: Final = 20
POCKET_RADIUS: Final = 10.0
RELAX_NONE: Final = "none"

# what to dock
Protein = Annotated[
    Path | None, typer.Option("--protein", "-p", "--receptor", "-r", help="Protein: PDB or mmCIF, also gzipped.")
]
Ligand = Annotated[
    str | None,
    typer.Option("--ligand", "-l", help="Ligand(s): SDF, MOL, MOL2, PDB, SMILES file or string."),
]
JobTable = Annotated[
    Path | None,
    typer.Option("--input", "-i", help="CSV table of jobs: name,protein,ligand[,pocket_ligand,pocket_center,...]."),
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the result's folder [default: the ligand's].")]
TemplateSmiles = Annotated[
    str | None, typer.Option("--template-smiles", help="Chemistry of a ligand that comes as a PDB file.")
]
Cofactors = Annotated[
    Path | None, typer.Option("--cofactors", help="Further PDB/mmCIF file that belongs to the receptor.")
]
Keep = Annotated[list[str] | None, typer.Option("--keep", help="Receptor residues to keep: HOH, A:301; repeat.")]
Drop = Annotated[list[str] | None, typer.Option("--drop", help="Receptor residues to drop: SO4, A:301; repeat.")]

# where
PocketLigand = Annotated[
    Path | None,
    typer.Option("--pocket-ligand", "--autobox_ligand", "--autobox-ligand", help="Ligand in it; gives its centroid."),
]
PocketCenter = Annotated[
    tuple[float, float, float] | None, typer.Option("--pocket-center", help="A point in it: X Y Z, Å.")
]
PocketResidues = Annotated[str | None, typer.Option("--pocket-residues", help="Residues around it, such as A:12,A:15.")]
PocketRadius = Annotated[
    float, typer.Option("--pocket-radius", help="A pose with its centroid this near the centre is in it, Å.")
]
CenterX = Annotated[float | None, typer.Option("--center_x", "--center-x", hidden=True)]
CenterY = Annotated[float | None, typer.Option("--center_y", "--center-y", hidden=True)]
CenterZ = Annotated[float | None, typer.Option("--center_z", "--center-z", hidden=True)]

# how
Samples = Annotated[
    int,
    typer.Option("--samples", "-n", "--num-samples", "--num_modes", help="Poses per ligand.", min=1, max=10_000),
]
Steps = Annotated[int, typer.Option("--steps", help="Solver steps from noise to pose.", min=1, max=1000)]
Solver = Annotated[str | None, typer.Option("--solver", help="euler_maruyama, low_temperature, heun or dpm_solver_pp.")]
Seed = Annotated[int, typer.Option("--seed", help="Of all random numbers; the batch size has no effect.", min=0)]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Checkpoint = Annotated[
    Path | None, typer.Option("--checkpoint", help="Weights (.safetensors) [default: those in the package].")
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", help="Poses at a time [default: from the free memory].", min=1)
]
Relax = Annotated[str, typer.Option("--relax", help="Relaxation of poses; this version has only none.")]

# to where
Out = Annotated[Path, typer.Option("--out", "-o", "--out-dir", "--out_dir", help="Output folder.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Do again what is finished already.")]


def sampling_config(samples: int, steps: int, solver: str | None, seed: int, batch_size: int | None) -> SamplingConfig:
    """Sampling settings from the values of the options above.

    Raises:
        ConfigError: a value is unusable.
    """
    from discodock.inference.sample import SamplingConfig

    walk = {"steps": steps} | ({"solver": solver} if solver is not None else {})
    return SamplingConfig.checked({"samples": samples, "seed": seed, "batch_size": batch_size, "solver": walk})


def merge_center(
    center: tuple[float, float, float] | None, xyz: tuple[float | None, float | None, float | None]
) -> tuple[float, float, float] | None:
    """The pocket's centre, from --pocket-center or from --center_x, --center_y and --center_z.

    Raises:
        ConfigError: only some of the three are given, or both spellings are.
    """
    x, y, z = xyz
    if x is None and y is None and z is None:
        return center
    if x is None or y is None or z is None:
        raise ConfigError("--center_x, --center_y and --center_z go together; give all three")
    if center is not None:
        raise ConfigError("the pocket's centre is given twice; keep --pocket-center or --center_x/y/z")
    return (x, y, z)


def check_relax(relax: str) -> None:
    """Refuse a relaxation that does not exist.

    Raises:
        ConfigError: it is not "none".
    """
    if relax != RELAX_NONE:
        raise ConfigError(f"--relax {relax} is not available in this version; leave it out or give --relax none")
