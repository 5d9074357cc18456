"""What a ledger hands out and takes back: work, results, failures, and how far a stage is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """One ligand to dock in one stage.

    Attributes:
        stage: number of the stage, from 0.
        number: number of the ligand in its library, from 0.
        id: name of the ligand, unique in the screen.
        text: text of its record.
        file_format: name of the record's format.
        source: origin of the record.
        note: remark on its name that a user should see; empty if there is none.
    """

    stage: int
    number: int
    id: str
    text: str
    file_format: str
    source: str
    note: str = ""


@dataclass(frozen=True)
class TaskResult:
    """What docking a ligand in one stage gave.

    Attributes:
        score: score that ligands are ranked by, higher is better.
        seconds: wall-clock time, s.
        row: values of the columns of the results, by name.
        poses: SDF text of the best poses, best first.
    """

    score: float
    seconds: float
    row: Mapping[str, Any]
    poses: str


@dataclass(frozen=True)
class StoredResult:
    """The result of a ligand in the last stage that it came to.

    Attributes:
        number: number of the ligand in its library.
        id: name of the ligand.
        source: origin of the record.
        note: remark on its name.
        stage: number of the stage.
        score: score in that stage, higher is better.
        scores: score in every stage that it came to.
        seconds: time that all its stages took, s.
        row: values of the columns, by name.
    """

    number: int
    id: str
    source: str
    note: str
    stage: int
    score: float
    scores: Mapping[int, float]
    seconds: float
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """A ligand that could not be docked in a stage, and why."""

    number: int
    id: str
    source: str
    stage: int
    reason: str


@dataclass(frozen=True)
class StageCount:
    """How far a stage is: ligands docked, failed and waiting, and the seconds spent on those docked."""

    done: int
    failed: int
    waiting: int
    seconds: float

    @property
    def total(self) -> int:
        """Ligands of the stage in all."""
        return self.done + self.failed + self.waiting
