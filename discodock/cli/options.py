"""Options of the docking commands, with their units and aliases, and how their values are combined."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from discodock.chem.ligand_formats import known_formats
from discodock.diffusion.solvers import SOLVERS
from discodock.errors import ConfigError

if TYPE_CHECKING:
    from discodock.inference.sample import SamplingConfig

DEFAULT_SAMPLES: Final = 40
DEFAULT_STEPS: Final = 20
DEFAULT_EXHAUSTIVENESS: Final = 2
POCKET_RADIUS: Final = 10.0
DEFAULT_RELAX: Final = "fast"

CLASSICAL_SPELLINGS: Final = {
    "-r": "--protein",
    "--receptor": "--protein",
    "--protein-path": "--protein",
    "--autobox-ligand": "--pocket-ligand",
    "--num-modes": "--samples",
    "--num-samples": "--samples",
    "--samples-per-complex": "--samples",
    "--inference-steps": "--steps",
    "--out-dir": "--out",
}
"""What users of other docking tools type, and its name here."""

# what to dock
Protein = Annotated[
    Path | None, typer.Option("--protein", "-p", metavar="FILE", help="Protein: PDB or mmCIF, also gzipped.")
]
Ligand = Annotated[
    str | None,
    typer.Option("--ligand", "-l", metavar="FILE", help=f"Ligand(s): {known_formats()} file, or a SMILES string."),
]
JobTable = Annotated[
    Path | None,
    typer.Option(
        "--input",
        "-i",
        metavar="CSV",
        help="Table of jobs in place of both: columns name, protein, ligand and, if not given here, pocket_ligand,"
        " pocket_center or pocket_residues.",
    ),
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Name of the result's folder [default: the ligand's].")
]
Rescore = Annotated[
    str,
    typer.Option(
        "--rescore", metavar="NAME", help="none, or vina: AutoDock Vina optimises, scores and ranks the poses."
    ),
]
Validity = Annotated[
    bool, typer.Option("--validity/--no-validity", help="Check poses with PoseBusters: pb_valid and the failed checks.")
]
TemplateSmiles = Annotated[
    str | None,
    typer.Option("--template-smiles", metavar="SMILES", help="Chemistry of a ligand that comes as a PDB file."),
]
Cofactors = Annotated[
    Path | None,
    typer.Option("--cofactors", metavar="FILE", help="Further PDB or mmCIF file that belongs to the receptor."),
]
Keep = Annotated[
    list[str] | None, typer.Option("--keep", metavar="RESIDUE", help="Receptor residue to keep: HOH, A:301; repeat.")
]
Drop = Annotated[
    list[str] | None, typer.Option("--drop", metavar="RESIDUE", help="Receptor residue to drop: SO4, A:301; repeat.")
]

# where
PocketLigand = Annotated[
    Path | None,
    typer.Option("--pocket-ligand", metavar="FILE", help="A ligand in the pocket; only its centroid is used."),
]
PocketCenter = Annotated[
    tuple[float, float, float] | None,
    typer.Option("--pocket-center", metavar="X Y Z", help="A point in the pocket, Å."),
]
PocketResidues = Annotated[
    str | None,
    typer.Option("--pocket-residues", metavar="LIST", help="Residues around the pocket, such as A:12,A:15."),
]
PocketRadius = Annotated[
    float,
    typer.Option("--pocket-radius", metavar="R", help="A pose with its centroid this near the centre is in it, Å."),
]
CenterX = Annotated[float | None, typer.Option("--center-x", hidden=True)]
CenterY = Annotated[float | None, typer.Option("--center-y", hidden=True)]
CenterZ = Annotated[float | None, typer.Option("--center-z", hidden=True)]

# how
Samples = Annotated[int, typer.Option("--samples", "-n", metavar="N", help="Poses per ligand.", min=1, max=10_000)]
Exhaustiveness = Annotated[
    int,
    typer.Option(
        "--exhaustiveness",
        "-e",
        metavar="N",
        help="Candidates drawn and relaxed for each pose that is kept; time grows with it.",
        min=1,
        max=100,
    ),
]
Steps = Annotated[int, typer.Option("--steps", metavar="N", help="Solver steps from noise to pose.", min=1, max=1000)]
Solver = Annotated[
    str | None,
    typer.Option("--solver", metavar="NAME", help=f"{', '.join(SOLVERS)} [default: low_temperature]."),
]
Guidance = Annotated[
    float,
    typer.Option(
        "--guidance",
        metavar="W",
        help="Weight of the discrete codes beyond what was trained; -1 ignores them.",
        min=-1.0,
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", help="Of all random numbers; the batch size has no effect.", min=0)
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", metavar="FILE", help="Weights (.safetensors) [default: those in the package]."),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        help="CPU cores to dock a ligand with; they change no pose [default: all or OMP_NUM_THREADS, at most 4].",
        min=1,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size", metavar="N", help="Poses at a time on a core or GPU [default: from the free memory].", min=1
    ),
]
Relax = Annotated[
    str,
    typer.Option(
        "--relax",
        metavar="NAME",
        help="none; fast: Vina's terms and torsions in the rigid receptor; openmm: a force field after that.",
    ),
]
FlexibleSideChains = Annotated[
    float,
    typer.Option(
        "--flexible-side-chains",
        metavar="R",
        help="With --relax openmm: side chains with an atom within R Å of a pose move with it (4 is usual; 0: none).",
        min=0.0,
    ),
]

# to where
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output folder.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Do again what is finished already.")]
Report = Annotated[
    bool,
    typer.Option("--report/--no-report", help="Write report.html and view.pml for every ligand, and an index of many."),
]


def modern_spelling(arguments: Sequence[str]) -> list[str]:
    """A command line with option names as they are here: dashes for underscores, and no classical spellings."""
    modern = []
    for argument in arguments:
        name, separator, value = argument.partition("=")
        if name.startswith("--"):
            name = name.replace("_", "-")
        modern.append(CLASSICAL_SPELLINGS.get(name, name) + separator + value)
    return modern


def sampling_config(
    samples: int,
    exhaustiveness: int,
    steps: int,
    solver: str | None,
    *,
    seed: int,
    batch_size: int | None,
    guidance: float = 0.0,
) -> SamplingConfig:
    """Sampling settings from the values of the options above.

    Raises:
        ConfigError: a value is unusable.
    """
    from discodock.inference.sample import SamplingConfig

    walk = {"steps": steps} | ({"solver": solver} if solver is not None else {})
    codes = {"guidance_weight": guidance}
    many = {"samples": samples, "exhaustiveness": exhaustiveness}
    return SamplingConfig.checked({**many, "seed": seed, "batch_size": batch_size, "solver": walk, "codes": codes})


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
