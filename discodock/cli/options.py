"""Options of the docking commands beside the settings of docking: what, where to and by which network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from discodock.chem.ligand_formats import known_formats
from discodock.errors import ConfigError
from discodock.files import home_expanded

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
    "--cpu": "--threads",
}
"""What users of other docking tools type, and its name here."""

NO_BOX: Final = "poses are not searched in a box; leave it out, or give --pocket-radius, in Å around the centre"
NOT_HERE: Final = {
    "--size-x": NO_BOX,
    "--size-y": NO_BOX,
    "--size-z": NO_BOX,
    "--autobox-add": NO_BOX,
    "--scoring": "for Vina's score take --rescore vina",
    "--flex": "for moving side chains take --relax openmm --flexible-side-chains N",
    "--energy-range": "poses are limited by their number alone, --samples",
}
"""Options of other docking tools that have no counterpart, and what to do here."""

LIGAND_OPTIONS: Final = ("--ligand", "-l")

# what to dock
Protein = Annotated[
    Path | None, typer.Option("--protein", "-p", metavar="FILE", help="Protein: PDB or mmCIF, also gzipped.")
]
Ligands = Annotated[
    list[str] | None,
    typer.Option(
        "--ligand",
        "-l",
        metavar="FILE...",
        help=f"Ligand(s): {known_formats()} files, folders of them, or SMILES strings.",
    ),
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
TemplateSmiles = Annotated[
    str | None,
    typer.Option("--template-smiles", metavar="SMILES", help="Chemistry of a ligand that comes as a PDB file."),
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
    typer.Option("--pocket-residues", metavar="LIST", help="Residues around the pocket, such as A:12,A:18-20."),
]
CenterX = Annotated[float | None, typer.Option("--center-x", hidden=True)]
CenterY = Annotated[float | None, typer.Option("--center-y", hidden=True)]
CenterZ = Annotated[float | None, typer.Option("--center-z", hidden=True)]

# by what
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", metavar="FILE", help="Weights (.safetensors) [default: those in the package]."),
]

# to where
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output folder.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Do again what is finished already.")]
Report = Annotated[
    bool,
    typer.Option("--report/--no-report", help="Write report.html and view.pml for every ligand, and an index of many."),
]


def modern_spelling(arguments: Sequence[str]) -> list[str]:
    """A command line with option names as they are here, dashes for underscores, and `~/` as the home folder.

    A shell expands `~/file` by itself, but not `--out=~/folder` or a quoted one.

    Raises:
        ConfigError: an option of another docking tool has no counterpart, or a value is empty, as an unset variable of
            the shell is: as a path that would be the working folder. The message says what to do.
    """
    modern: list[str] = []
    for argument in arguments:
        name, separator, value = argument.partition("=")
        if not argument.strip() or (name.startswith("--") and separator and not value.strip()):
            place = name.strip() or (modern[-1] if modern else "discodock")
            raise ConfigError(f"{place}: an empty value; give one, or leave the option out (an unset variable?)")
        if name.startswith("--"):
            name = name.replace("_", "-")
        if name in NOT_HERE:
            raise ConfigError(f"{argument.partition('=')[0]}: {NOT_HERE[name]}")
        name, value = home_expanded(name), home_expanded(value)
        modern.append(CLASSICAL_SPELLINGS.get(name, name) + separator + value)
    return _repeated_ligands(modern)


def _repeated_ligands(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--ligand` before every further word after one, as a shell makes them of `-l *.sdf`."""
    if arguments[:1] != ["predict"]:
        return list(arguments)
    repeated: list[str] = []
    is_ligand = False  # whether the last option was --ligand and has its first value
    for number, argument in enumerate(arguments):
        follows = number > 0 and arguments[number - 1] in LIGAND_OPTIONS
        if is_ligand and not follows and not argument.startswith("-"):
            repeated.append("--ligand")
        elif argument.startswith("-"):
            is_ligand = False
        is_ligand = is_ligand or follows or argument.startswith("--ligand=")
        repeated.append(argument)
    return repeated


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
