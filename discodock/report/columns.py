"""What the columns of `scores.csv` are called and mean; a column that is not listed here is shown by its own name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["check", "number", "text"]

CHECK_VALUES: Final = frozenset({"true", "false"})
_PLAIN_NUMBER: Final = frozenset("-0123456789.")

RUN_COLUMNS: Final = frozenset({"id", "seed", "seconds", "status"})
"""Equal for all poses of a run: not in the table of poses."""

DETAIL_COLUMNS: Final = frozenset({"sample", "pb_failed_checks", "message"})
"""Shown for the selected pose only."""

COLUMN_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "rank": ("Rank", "1 is the best pose by the score that this run ranks by."),
    "sample": ("Sample", "Number of the random stream that the pose came from."),
    "rank_score": (
        "Rank score",
        "Orders poses, higher is better: the log-odds of P(RMSD < 2 Å), or without a confidence model a mixture of the"
        " samples' agreement and Vina's score. Not an affinity.",
    ),
    "agreement": ("Agreement", "How densely the other samples lie around the pose, from 0 to 1; higher is better."),
    "confidence": ("Confidence", "What the confidence model says of the pose, higher is better. Not an affinity."),
    "p_rmsd_lt_2": (
        "P(RMSD < 2 Å)",
        "Probability that the pose lies within 2 Å of the native one, by the confidence model, Vina's score and strain;"
        " where no pocket was given, if its site is the right one. Not an affinity.",
    ),
    "expected_rmsd": ("Expected RMSD", "RMSD from the native pose that the confidence model expects, Å."),
    "vina_score": (
        "Vina score",
        "AutoDock Vina's score of the pose, kcal/mol on its own scale; lower is better. It compares poses of a ligand;"
        " as a measure of affinity it is poor.",
    ),
    "vina_rescore": (
        "Vina, rescored",
        "AutoDock Vina's score after its own optimisation of the pose, kcal/mol; lower is better. Not an affinity.",
    ),
    "strain": (
        "Strain",
        "Energy within the ligand above that of its best free conformer, kcal/mol; lower is better.",
    ),
    "relax_shift": ("Shift", "How far relaxation moved the pose, Å RMSD; zero without relaxation."),
    "side_chain_shift": ("Side chains", "How far relaxation moved an atom of a side chain at most, Å."),
    "min_dist_protein": (
        "Closest",
        "Smallest distance between heavy atoms of ligand and protein, Å; below 2 is a clash.",
    ),
    "pocket_ok": ("In pocket", "The pose's centre lies within the radius of its pocket or site."),
    "stereo_ok": ("Chemistry", "Atoms, bonds, charges and stereo are those of the input ligand."),
    "pb_valid": ("PB-valid", "Fails no check of PoseBusters: geometry, clashes and chemistry are plausible."),
    "pb_failed": ("PB failed", "Number of PoseBusters checks that the pose fails."),
    "pb_failed_checks": ("Failed checks", "Which PoseBusters checks the pose fails."),
    "latent_code": ("Code", "Site and discrete codes that the pose was drawn from."),
    "mode": ("Mode", "Binding mode: samples whose poses agree, A the most frequent."),
    "message": ("Message", "What is wrong with the pose."),
}
"""Title and meaning by column, in no particular order."""


@dataclass(frozen=True)
class Column:
    """A column of the table of poses.

    Attributes:
        name: name of the column in `scores.csv`.
        title: title of the column for people.
        meaning: one or two sentences; empty for a column that is not in `COLUMN_TEXTS`.
        kind: kind of its values, by which they are shown and sorted.
        decimals: decimals of its numbers, the most that any of them has.
    """

    name: str
    title: str
    meaning: str
    kind: Kind
    decimals: int = 0

    def shown(self, value: str) -> str:
        """A value as the page has it: numbers of a column have the same decimals."""
        is_plain = self.kind == "number" and set(value) <= _PLAIN_NUMBER
        return f"{float(value):.{self.decimals}f}" if value and is_plain else value


def describe_columns(rows: Sequence[Mapping[str, str]]) -> list[Column]:
    """The columns that have a value in some row, in the order of the file, without those of the run."""
    names = [name for name in rows[0] if name not in RUN_COLUMNS and any(row.get(name) for row in rows)]
    return [_describe(name, [row[name] for row in rows if row.get(name)]) for name in names]


def table_columns(columns: Sequence[Column], rows: Sequence[Mapping[str, str]]) -> list[Column]:
    """Those that the table of poses shows: no details, and no text that is the same for all of several poses."""

    def tells_poses_apart(column: Column) -> bool:
        return column.kind != "text" or len(rows) == 1 or len({row.get(column.name) for row in rows}) > 1

    return [c for c in columns if c.name not in DETAIL_COLUMNS and (c.name == "mode" or tells_poses_apart(c))]


def _describe(name: str, values: Sequence[str]) -> Column:
    """A column with some values, none of them empty."""
    title, meaning = COLUMN_TEXTS.get(name, (name.replace("_", " "), ""))
    if set(values) <= CHECK_VALUES:
        return Column(name, title, meaning, "check")
    if not all(_is_number(value) for value in values):
        return Column(name, title, meaning, "text")
    decimals = max((len(value.partition(".")[2]) for value in values if set(value) <= _PLAIN_NUMBER), default=0)
    return Column(name, title, meaning, "number", decimals)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
