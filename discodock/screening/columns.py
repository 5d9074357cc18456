"""The columns of a screen's results: one row a ligand, of its best pose in the last stage that it came to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final, Literal

from discodock.chem.descriptors import Descriptors
from discodock.inference.columns import find_column
from discodock.inference.result import DockingResult
from discodock.screening.config import ScreeningConfig
from discodock.screening.ranking import per_atom, size_corrected
from discodock.screening.records import StoredResult

Kind = Literal["text", "integer", "number", "check"]

Value = str | int | float | bool | None
"""What is in a cell; None leaves it empty."""


@dataclass(frozen=True)
class ResultColumn:
    """A column of the results.

    Attributes:
        name: name in files and filters.
        kind: kind of its values.
        meaning: one sentence.
    """

    name: str
    kind: Kind
    meaning: str


LEADING: Final = (
    ResultColumn("rank", "integer", "1 is the best ligand: later stages before earlier ones, each by score."),
    ResultColumn("id", "text", "Name of the ligand, unique in the screen."),
    ResultColumn("score", "number", "What ligands are ranked by, higher is better. Not an affinity."),
    ResultColumn("stage", "text", "Last stage that the ligand came to; all else in its row is of that stage."),
)

OF_POSE: Final[tuple[tuple[str, Kind], ...]] = (
    ("vina_score", "number"),
    ("rank_score", "number"),
    ("confidence", "number"),
    ("p_rmsd_lt_2", "number"),
    ("expected_rmsd", "number"),
    ("strain", "number"),
    ("min_dist_protein", "number"),
    ("pocket_ok", "check"),
    ("stereo_ok", "check"),
    ("pb_valid", "check"),
    ("pb_failed_checks", "text"),
    ("latent_code", "text"),
)
"""Columns of `scores.csv` that are taken over of the best pose, and their kinds."""

OF_LIGAND: Final = (
    ResultColumn("vina_per_atom", "number", "Vina score for each heavy atom, kcal/mol: ligand efficiency."),
    ResultColumn("vina_size_corrected", "number", "Vina score over the 0.3rd power of the number of heavy atoms."),
    ResultColumn("vina_lowest", "number", "Lowest Vina score of all poses of the ligand, kcal/mol."),
    ResultColumn("num_poses", "integer", "Number of poses that the best one was chosen from."),
    ResultColumn("smiles", "text", "Canonical SMILES of what was docked."),
    ResultColumn("formula", "text", "Molecular formula."),
    ResultColumn("heavy_atoms", "integer", "Number of heavy atoms."),
    ResultColumn("weight", "number", "Molar mass, g/mol."),
    ResultColumn("logp", "number", "Octanol-water partition coefficient by Crippen's atoms, as a logarithm."),
    ResultColumn("donors", "integer", "Number of hydrogen-bond donors."),
    ResultColumn("acceptors", "integer", "Number of hydrogen-bond acceptors."),
    ResultColumn("rotatable_bonds", "integer", "Number of rotatable bonds."),
    ResultColumn("tpsa", "number", "Topological polar surface area, Å²."),
    ResultColumn("scaffold", "text", "SMILES of the Murcko scaffold; empty without rings."),
    ResultColumn("message", "text", "What a user should know of the ligand or its poses."),
)

TRAILING: Final = (
    ResultColumn("seconds", "number", "Time that docking the ligand took in all stages, s."),
    ResultColumn("record", "integer", "Number of the ligand in its library, from 1."),
    ResultColumn("source", "text", "Where it was read from."),
)


def result_columns(config: ScreeningConfig) -> tuple[ResultColumn, ...]:
    """The columns of a screen in their order, with the score in each of its stages."""
    of_stages = tuple(
        ResultColumn(f"{stage.name}_score", "number", f"Score in stage {stage.name}; empty if it did not come to it.")
        for stage in config.stages
    )
    of_pose = tuple(ResultColumn(name, kind, _meaning(name)) for name, kind in OF_POSE)
    return (*LEADING, *of_stages, *of_pose, *OF_LIGAND, *TRAILING)


def result_row(result: DockingResult, described: Descriptors, common: Collection[str]) -> dict[str, Value]:
    """What is kept of a docking: columns of the best pose and of the ligand.

    Args:
        result: poses of the ligand.
        described: properties of the ligand.
        common: warnings about receptor and pocket, which are no row's own.
    """
    best = result.to_dicts()[0]
    row: dict[str, Value] = {name: _value(best[name]) for name, _ in OF_POSE}
    vina = result.best.vina_score
    problem = result.best.checks.stereo_problem
    warnings = [warning for warning in (*result.warnings, problem) if warning and warning not in common]
    row |= {
        "vina_per_atom": round(per_atom(vina, described.heavy_atoms), 4),
        "vina_size_corrected": round(size_corrected(vina, described.heavy_atoms), 4),
        "vina_lowest": round(min(pose.vina_score for pose in result.poses), 3),
        "num_poses": len(result.poses),
        "message": "; ".join(warnings),
    }
    return row | asdict(described)


def table_row(result: StoredResult, rank: int, config: ScreeningConfig) -> dict[str, Value]:
    """The row of a ligand in the results.

    Args:
        result: entry of the ledger.
        rank: place of the ligand among all, 1 is the best.
        config: settings of the screen.
    """
    names = [stage.name for stage in config.stages]
    scores = {f"{name}_score": result.scores.get(index) for index, name in enumerate(names)}
    message = "; ".join(filter(None, (result.note, str(result.row.get("message", "")))))
    leading = {"rank": rank, "id": result.id, "score": result.score, "stage": names[result.stage]}
    trailing = {"seconds": round(result.seconds, 3), "record": result.number + 1, "source": result.source}
    return {**leading, **scores, **result.row, "message": message, **trailing}


def _value(value: object) -> Value:
    if value == "" or value is None:
        return None
    return value if isinstance(value, bool | int | float | str) else str(value)


def _meaning(name: str) -> str:
    column = find_column(name)
    assert column is not None
    return column.description
