"""The columns of `scores.csv`, one table of them; SD tags, `summary.csv`, reports and `docs/scores.md` read it as well.

`python -m discodock.inference.columns` prints `docs/scores.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from discodock.inference.docked_pose import DockedPose

TAG_PREFIX: Final = "discodock_"
"""Of the SD tags that have the values of columns."""


@dataclass(frozen=True)
class RunFacts:
    """What all poses of a result have in common.

    Attributes:
        name: name of the job.
        seed: seed of all random streams.
        seconds: wall-clock time of docking, s.
    """

    name: str
    seed: int
    seconds: float


Value = str | int | float | bool | None
"""What is in a cell; None leaves it empty."""


@dataclass(frozen=True)
class ScoreColumn:
    """A column of `scores.csv`.

    Attributes:
        name: name in the file.
        title: title for people.
        meaning: one or two sentences; unit and direction are apart.
        value: the value of a pose of a run.
        unit: unit of its numbers; empty if they have none.
        decimals: decimals that numbers are rounded to; None for what is no such number.
        direction: whether higher or lower numbers are better, or true of a check; empty if neither is.
        tag: whether poses have it as an SD tag, where it is not empty.
        summary: whether `summary.csv` has it of the best pose.
        leads: whether it comes before those that do not, among SD tags and in `summary.csv`.
        former: name in files of earlier versions; for a release `scores.csv` has the values under it once more, after
            all other columns, and SD tags under it alone; empty if it has always been called this.
        report: place in a report: the table of poses, what is said of the selected pose alone, or none if empty.
    """

    name: str
    title: str
    meaning: str
    value: Callable[[DockedPose, RunFacts], Value]
    unit: str = ""
    decimals: int | None = None
    direction: Literal["higher", "lower", "true", ""] = ""
    tag: bool = True
    summary: bool = False
    leads: bool = False
    former: str = ""
    report: Literal["table", "selected pose", ""] = "table"

    def cell(self, pose: DockedPose, run: RunFacts) -> object:
        """The value of a pose as the file has it: rounded, or empty."""
        value = self.value(pose, run)
        if value is None:
            return ""
        return value if self.decimals is None else round(float(value), self.decimals)

    @property
    def description(self) -> str:
        """Meaning, unit and direction in sentences."""
        unit, better = f"in {self.unit}" if self.unit else "", f"{self.direction} is better" if self.direction else ""
        facts = "; ".join(filter(None, (unit, better)))
        return f"{self.meaning} {facts[0].upper()}{facts[1:]}." if facts else self.meaning

    @property
    def places(self) -> list[str]:
        """Where it is found besides `scores.csv`."""
        report = "report" if self.report == "table" else f"report ({self.report})" if self.report else ""
        found = ("SD tag" if self.tag else "", "`summary.csv`" if self.summary else "", report)
        return [place for place in found if place]


COLUMNS: Final[tuple[ScoreColumn, ...]] = (
    ScoreColumn("id", "Ligand", "Name of the ligand's job.", lambda pose, run: run.name, tag=False, report=""),
    ScoreColumn(
        "rank",
        "Rank",
        "1 is the best by the score of this run's ranking of the poses that pass PoseBusters' checks; the rest follow.",
        lambda pose, run: pose.rank,
        direction="lower",
        leads=True,
    ),
    ScoreColumn(
        "sample",
        "Sample",
        "Number of the random stream that the pose came from.",
        lambda pose, run: pose.sample,
        leads=True,
        report="selected pose",
    ),
    ScoreColumn(
        "rank_score",
        "Rank score",
        "Orders the poses: the log-odds of P(RMSD < 2 Å), or without a confidence model a mixture of the samples'"
        " agreement and Vina's score; where poses are rescored, Vina's score with its sign changed. Not an affinity.",
        lambda pose, run: pose.rank_score,
        decimals=4,
        direction="higher",
        summary=True,
        leads=True,
    ),
    ScoreColumn(
        "agreement",
        "Agreement",
        "How densely the other samples lie around the pose, from 0 to 1.",
        lambda pose, run: pose.consensus,
        decimals=4,
        direction="higher",
    ),
    ScoreColumn(
        "vina_score",
        "Vina score",
        "AutoDock Vina's score of the pose, on Vina's own scale. It compares poses of a ligand; as a measure of"
        " affinity it is poor.",
        lambda pose, run: pose.vina_score,
        unit="kcal/mol",
        decimals=3,
        direction="lower",
        summary=True,
    ),
    ScoreColumn(
        "strain",
        "Strain",
        "Intramolecular energy above that of the ligand's best unbound conformer.",
        lambda pose, run: pose.strain,
        unit="kcal/mol",
        decimals=3,
        direction="lower",
    ),
    ScoreColumn(
        "relax_rmsd",
        "Shift",
        "RMSD that relaxation moved the pose by; zero without relaxation.",
        lambda pose, run: pose.relax_rmsd,
        unit="Å",
        decimals=3,
        former="relax_shift",
    ),
    ScoreColumn(
        "side_chain_shift",
        "Side chains",
        "How far relaxation moved an atom of a side chain at most; empty if none moved.",
        lambda pose, run: pose.checks.side_chain_shift,
        unit="Å",
        decimals=3,
    ),
    ScoreColumn(
        "vina_rescore",
        "Vina, rescored",
        "AutoDock Vina's score after its own optimisation of the pose; empty without rescoring. Not an affinity.",
        lambda pose, run: pose.vina_rescore,
        unit="kcal/mol",
        decimals=3,
        direction="lower",
    ),
    ScoreColumn(
        "confidence",
        "Confidence",
        "Log-odds of P(RMSD < 2 Å) by the confidence model alone; empty without one. Not an affinity.",
        lambda pose, run: None if pose.confidence is None else pose.confidence.confidence,
        decimals=3,
        direction="higher",
        leads=True,
    ),
    ScoreColumn(
        "p_rmsd_lt_2",
        "P(RMSD < 2 Å)",
        "Probability that the pose lies within 2 Å of the native one, by the confidence model, Vina's score and strain;"
        " where no pocket was given, times the probability of its site. Empty without a confidence model. Not an"
        " affinity.",
        lambda pose, run: None if pose.confidence is None else pose.confidence.prob,
        decimals=4,
        direction="higher",
        summary=True,
        leads=True,
    ),
    ScoreColumn(
        "expected_rmsd",
        "Expected RMSD",
        "RMSD from the native pose that the confidence model expects; empty without one.",
        lambda pose, run: None if pose.confidence is None else pose.confidence.expected_rmsd,
        unit="Å",
        decimals=2,
        direction="lower",
        summary=True,
        leads=True,
    ),
    ScoreColumn(
        "latent_code",
        "Code",
        "Site and discrete codes that the pose was drawn from.",
        lambda pose, run: ";".join(filter(None, (pose.site.code, *pose.codes))),
        summary=True,
    ),
    ScoreColumn(
        "mode",
        "Mode",
        "Binding mode: samples whose poses agree, A the most frequent.",
        lambda pose, run: pose.mode.name,
    ),
    ScoreColumn(
        "pocket_ok",
        "In pocket",
        "The pose's centre lies within the radius of its pocket or site.",
        lambda pose, run: pose.checks.pocket_ok,
        direction="true",
        summary=True,
    ),
    ScoreColumn(
        "stereo_ok",
        "Chemistry",
        "Atoms, bonds, charges and stereo are those of the input ligand.",
        lambda pose, run: pose.checks.stereo_problem is None,
        direction="true",
        summary=True,
    ),
    ScoreColumn(
        "pb_valid",
        "PB-valid",
        "Fails no check of PoseBusters: geometry, clashes and chemistry are plausible. Empty if that was not checked.",
        lambda pose, run: None if pose.validity is None else pose.validity.is_valid,
        direction="true",
        summary=True,
    ),
    ScoreColumn(
        "pb_failed",
        "PB failed",
        "Number of PoseBusters checks that the pose fails.",
        lambda pose, run: None if pose.validity is None else len(pose.validity.failed),
        direction="lower",
    ),
    ScoreColumn(
        "pb_failed_checks",
        "Failed checks",
        "Which PoseBusters checks the pose fails, separated by semicolons.",
        lambda pose, run: None if pose.validity is None else ";".join(pose.validity.failed),
        report="selected pose",
    ),
    ScoreColumn(
        "min_dist_protein",
        "Closest",
        "Smallest distance between heavy atoms of ligand and protein; below 2 Å is a clash.",
        lambda pose, run: pose.checks.min_dist_protein,
        unit="Å",
        decimals=3,
        summary=True,
    ),
    ScoreColumn("seed", "Seed", "Seed of all random streams.", lambda pose, run: run.seed, summary=True, report=""),
    ScoreColumn(
        "seconds",
        "Seconds",
        "Wall-clock time of docking the ligand, all poses together.",
        lambda pose, run: run.seconds,
        unit="s",
        decimals=3,
        tag=False,
        summary=True,
        report="",
    ),
    ScoreColumn(
        "status", "Status", "Always ok: what failed has no poses.", lambda pose, run: "ok", tag=False, report=""
    ),
    ScoreColumn(
        "message",
        "Message",
        "What is wrong with the pose's chemistry; empty if nothing is.",
        lambda pose, run: pose.checks.stereo_problem,
        tag=False,
        report="selected pose",
    ),
)
"""In the order of `scores.csv`."""


def score_row(pose: DockedPose, run: RunFacts) -> dict[str, object]:
    """The row of a pose in `scores.csv`."""
    cells = {column.name: column.cell(pose, run) for column in COLUMNS}
    return cells | {former: cells[name] for former, name in _former_names().items()}


def score_names() -> list[str]:
    """Names of all columns, in the order of `scores.csv`."""
    return [*(column.name for column in COLUMNS), *_former_names()]


def summary_names() -> list[str]:
    """Names of the columns that `summary.csv` has of the best pose, in its order."""
    return [column.name for column in _leading_first() if column.summary]


def sd_tags(row: Mapping[str, object]) -> dict[str, object]:
    """SD tags of a pose, in their order, from its row of `scores.csv`."""
    columns = [column for column in _leading_first() if column.tag and row[column.name] != ""]
    return {f"{TAG_PREFIX}{column.former or column.name}": row[column.name] for column in columns}


def find_column(name: str) -> ScoreColumn | None:
    """The column of a name, present or former; None for one that is not of `scores.csv`, or of another version's."""
    return next((column for column in COLUMNS if name in (column.name, column.former)), None)


def _former_names() -> dict[str, str]:
    """Names of columns in earlier versions, and what they are called now."""
    return {column.former: column.name for column in COLUMNS if column.former}


def _leading_first() -> list[ScoreColumn]:
    return sorted(COLUMNS, key=lambda column: not column.leads)


def _former_sentence() -> str:
    pairs = ", ".join(f"`{former}` (now `{name}`)" for former, name in _former_names().items())
    return f"Until the next release former names come once more after all others, and are those of SD tags: {pairs}."


_PAGE_HEAD: Final = f"""\
# Scores
<!-- Written by `make docs` from the table in discodock/inference/columns.py: change it there. -->

What docking says of each pose, in the order of `scores.csv`. **None of these numbers is a binding affinity, and none of
them compares ligands:** they order and judge the poses of one ligand. `p_rmsd_lt_2` is the probability that a pose is
near-native, not that the ligand binds. The native pose is the one that a crystal structure would show.

SD tags of `poses.sdf` have the same names after `{TAG_PREFIX}`, and are left out where the value is empty;
`summary.csv` has the best pose of each ligand.
{_former_sentence()}

| column | title in reports | meaning | unit | better | also in |
| --- | --- | --- | --- | --- | --- |
"""


def scores_page() -> str:
    """Text of `docs/scores.md`."""
    rows = (
        (f"`{c.name}`", c.title if c.report else "", c.meaning, c.unit, c.direction, ", ".join(c.places))
        for c in COLUMNS
    )
    return _PAGE_HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    sys.stdout.write(scores_page())
