"""The folder of one job: whose it is, whether it is whole, and when it may be replaced. Nothing of a user's ever is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from discodock.chem.ligand import to_smiles
from discodock.errors import InputError
from discodock.failures import LOG_FILE, is_log
from discodock.files import draft_target, is_replaceable_table
from discodock.inference.columns import summary_names
from discodock.inference.many.jobs import Job
from discodock.inference.outputs import (
    REMEDY,
    REPORT_FILES,
    RESULT_FILES,
    RUN_FILE,
    SCORES_FILE,
    SIDE_CHAINS_FILE,
    file_digest,
    foreign_docking,
    read_run,
)

OWN_FILES: Final = frozenset({*RESULT_FILES, SIDE_CHAINS_FILE, *REPORT_FILES, ".DS_Store"})
"""Names that a folder of results may hold; anything else in it is a user's."""

SUMMARY_FILE: Final = "summary.csv"


def summary_columns() -> list[str]:
    """Columns of `summary.csv`: what became of the job, scores of its best pose, and what it was."""
    return ["name", "status", "message", "num_poses", *summary_names(), "protein", "ligand", "pocket"]


def check_output(out: Path, jobs: Sequence[Job], *, overwrite: bool) -> None:
    """Refuse to dock where a result, the summary or the settings would replace something that is not their predecessor.

    Args:
        out: output folder.
        jobs: jobs of the run.
        overwrite: whether results of other jobs of the same name may be replaced.

    Raises:
        InputError: something of the user's, or the result of another job, is in the way; it is named.
    """
    problems = [problem for job in jobs if (problem := obstacle(out / job.name, job, overwrite=overwrite))]
    problems += [problem for problem in (_foreign_summary(out), foreign_docking(out), _foreign_log(out)) if problem]
    if problems:
        more = f" (and {len(problems) - 1} more of the kind)" if len(problems) > 1 else ""
        raise InputError(problems[0] + more)


def obstacle(folder: Path, job: Job, *, overwrite: bool) -> str | None:
    """What is in the way of a job's result, in one line; None if nothing is, or an earlier result of the same job."""
    if not (folder.exists() or folder.is_symlink()):
        return None
    if folder.is_symlink() or not folder.is_dir():
        return f"{folder}: is in the way of the result of that name, and is no folder of discodock's; {REMEDY}"
    entries = [entry for entry in folder.iterdir() if draft_target(entry.name) not in OWN_FILES]
    strange = sorted(entry.name for entry in entries if entry.name not in OWN_FILES or not entry.is_file())
    record = read_run(folder)
    scores = folder / SCORES_FILE  # tells whose the folder is where the record got lost
    is_own = "versions" in record or (scores.is_file() and is_replaceable_table(scores, ("id", "rank")))
    is_empty = not any(folder.iterdir())
    if strange or not (is_own or is_empty):
        held = f"holds {strange[0]}" if strange else f"has no {RUN_FILE} of discodock's"
        return f"{folder}: {held}, so it is not (only) a result of discodock and is not replaced; {REMEDY}"
    if overwrite or not record or is_same_job(record, job):
        return None
    return (
        f"{folder}: holds the result of another protein or ligand, {_described(record)};"
        " choose another --out or name, or give --overwrite"
    )


def _foreign_summary(out: Path) -> str | None:
    """What is in the way of the summary; None if nothing is, or that of an earlier run of whatever version."""
    path = out / SUMMARY_FILE
    if is_replaceable_table(path, summary_columns()[:3]):  # further ones differ between versions
        return None
    return f"{path}: is in the way of the summary of a run, and is not one of discodock's; {REMEDY}"


def _foreign_log(out: Path) -> str | None:
    """What is in the way of the log of tracebacks; None if nothing is, or a log."""
    path = out / LOG_FILE
    return (
        None if is_log(path) else f"{path}: is in the way of the log of a run, and is not one of discodock's; {REMEDY}"
    )


def refuse_obstacle(folder: Path, job: Job, *, overwrite: bool) -> None:
    """Raise what `obstacle` finds.

    Raises:
        InputError: something is in the way.
    """
    problem = obstacle(folder, job, overwrite=overwrite)
    if problem is not None:
        raise InputError(problem)


def job_record(job: Job) -> dict[str, str]:
    """What tells a job from another one of the same name, for `run.json`: where protein and ligand came from."""
    record = {"protein": str(job.protein.absolute())}
    with suppress(InputError):  # a protein that cannot be read is told by its path alone
        record["protein_digest"] = file_digest(job.protein)
    return record if job.ligand is None else record | {"ligand": job.ligand.source, "smiles": to_smiles(job.ligand)}


def is_same_job(record: dict[str, Any], job: Job) -> bool:
    """Whether a result is an earlier one of this job: of the same protein and ligand, by place or by content.

    An edited file is still the same protein, and so is a file that was moved. Results of versions that did not record
    their job count as the same if the protein's file name is.
    """
    own, earlier = job_record(job), _block(record, "job")
    if not earlier:
        return Path(str(_block(record, "summary").get("protein", ""))).name == job.protein.name

    def agree(*names: str) -> bool:
        known = [name for name in names if name in own]
        return not known or any(earlier.get(name) == own[name] for name in known)

    return agree("protein", "protein_digest") and agree("ligand", "smiles")


def finished_run(folder: Path, key: str) -> dict[str, Any] | None:
    """The record of a whole, undamaged result of this key, with its `summary`; None otherwise."""
    record = read_run(folder)
    files, summary = _block(record, "files"), _block(record, "summary")
    if record.get("key") != key or not set(summary_columns()) <= summary.keys():
        return None
    if not set(RESULT_FILES) - {RUN_FILE} <= files.keys():
        return None
    is_whole = all((folder / name).is_file() and file_digest(folder / name) == value for name, value in files.items())
    return record if is_whole else None


def set_aside(folder: Path) -> Path | None:
    """Rename the stale result of a job that now fails, so that nobody takes it for a new one; None if there is none."""
    if not read_run(folder):
        return None
    number = 1
    while (target := folder.with_name(f"{folder.name}.earlier{'' if number == 1 else number}")).exists():
        number += 1
    folder.rename(target)
    return target


def _described(record: dict[str, Any]) -> str:
    job, summary = _block(record, "job"), _block(record, "summary")
    return f"{job.get('ligand') or summary.get('ligand')} in {job.get('protein') or summary.get('protein')}"


def _block(record: dict[str, Any], name: str) -> dict[str, Any]:
    """A mapping in a record that a person may have edited; empty if there is none."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}
