"""Docking many jobs: resumes, one failure never stops the rest, one summary row a job."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from discodock.errors import DiscodockError, InputError
from discodock.failures import concerns_all, reason_of
from discodock.files import remove_drafts
from discodock.inference.columns import summary_names
from discodock.inference.config import DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.inputs import read_docking_receptor
from discodock.inference.many.jobs import Job
from discodock.inference.many.result_folder import (
    SUMMARY_FILE,
    check_output,
    finished_run,
    job_record,
    obstacle,
    refuse_obstacle,
    set_aside,
    summary_columns,
)
from discodock.inference.outputs import (
    fingerprint,
    read_table,
    run_record,
    write_docking,
    write_result,
    write_table,
)
from discodock.inference.pocket import resolve_pocket
from discodock.inference.result import DockingResult
from discodock.locks import locked
from discodock.text import one_line

OK: Final = "ok"
FAILED: Final = "failed"
SUMMARY_INTERVAL: Final = 5.0
"""Seconds between two writings of the summary during a run; a row is never lost, as each job's folder has its own."""

DRAFT_AGE: Final = 3600.0
"""Seconds after which a draft of a result is taken for that of a killed run."""


@dataclass(frozen=True)
class RunOptions:
    """What all jobs of a run share.

    Attributes:
        docking: settings of docking.
        command: command line, for the record.
        overwrite: dock again even where a finished result of the same inputs and settings is there.
        strict: raise the first failure instead of noting it.
    """

    docking: DockingConfig = DockingConfig()
    command: tuple[str, ...] = ()
    overwrite: bool = False
    strict: bool = False


@dataclass(frozen=True)
class JobOutcome:
    """What became of a job: its row of `summary.csv`, and whether it was taken over from an earlier run."""

    row: Mapping[str, object]
    is_kept: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether there are poses."""
        return self.row["status"] == OK

    def describe(self) -> str:
        """One line for a person."""
        row = self.row
        if not self.is_ok:
            return f"{row['name']}: failed: {row['message']}"
        warning = f" ({row['message']})" if row["message"] else ""
        return f"{row['name']}: {row['num_poses']} poses in {row['seconds']} s{self._confidence()}{warning}"

    def _confidence(self) -> str:
        """What the confidence model says of the best pose, for a person."""
        prob, expected = self.row.get("p_rmsd_lt_2"), self.row.get("expected_rmsd")
        try:
            prob = float(str(prob))
        except ValueError:  # empty without a confidence model
            return ""
        return f"; best pose: P(RMSD < 2 Å) {prob:.0%}, expected RMSD {expected} Å (not an affinity)"


class JobListener:
    """Told how a run goes; the base class ignores it."""

    def started(self, job: Job) -> None:
        """A job begins."""

    def stepped(self, num_pose_steps: int) -> None:
        """Some pose steps of the current job are done, of candidates times solver steps in all."""

    def finished(self, job: Job, outcome: JobOutcome) -> None:
        """A job is done, failed, or was done before."""


def run_jobs(
    pipeline: DockingPipeline, jobs: Sequence[Job], out: Path, options: RunOptions, listener: JobListener | None = None
) -> list[JobOutcome]:
    """Dock all jobs into folders of `out`, and write `docking.yaml` and, also when interrupted, `summary.csv`.

    Args:
        pipeline: loaded network.
        jobs: jobs with distinct names.
        out: output folder, made when there is something to put into it.
        options: shared by all jobs.
        listener: receiver of progress.

    Raises:
        DiscodockError: a job failed and `options.strict` is set, or something of the user's, or the result of another
            job, is in the way.
        OSError: no result can be written, as the disk is full or the summary's place is taken.
    """
    listener = listener or JobListener()
    check_output(out, jobs, overwrite=options.overwrite)
    remove_drafts(out, older_than=DRAFT_AGE)
    outcomes: list[JobOutcome] = []
    last_written = time.monotonic()
    try:
        for job in jobs:
            listener.started(job)
            outcome = _run_job(pipeline, job, out, options, listener)
            outcomes.append(outcome if outcome.is_ok else _without_stale_result(outcome, job, out, options))
            listener.finished(job, outcomes[-1])
            if time.monotonic() - last_written > SUMMARY_INTERVAL:
                _write_summary(out, outcomes)
                last_written = time.monotonic()
    finally:
        if outcomes:
            write_docking(options.docking, out)
            _write_summary(out, outcomes)
    return outcomes


def _run_job(pipeline: DockingPipeline, job: Job, out: Path, options: RunOptions, listener: JobListener) -> JobOutcome:
    """Dock a job, or keep its result; whatever goes wrong with it is its own failure."""
    try:
        return _dock_or_keep(pipeline, job, out, options, listener)
    except Exception as error:
        if isinstance(error, OSError) and concerns_all(error):
            raise
        if isinstance(error, DiscodockError | OSError) and options.strict:
            raise
        message = reason_of(error, job.name, out)
        if options.strict:
            raise DiscodockError(f"{job.name}: {message}") from error
        return JobOutcome(_failure_row(job, options, message))


def _dock_or_keep(
    pipeline: DockingPipeline, job: Job, out: Path, options: RunOptions, listener: JobListener
) -> JobOutcome:
    if job.ligand is None:
        raise InputError(job.problem or "the ligand could not be read")
    with _reading():
        key = _job_key(pipeline, job, options)
    earlier = None if options.overwrite else finished_run(out / job.name, key)
    if earlier is not None:
        return JobOutcome(earlier["summary"], is_kept=True)
    with _reading():
        result = _dock(pipeline, job, options, listener)
    row, settings = _summary_row(job, result), options.docking.model_dump(mode="json")
    record = run_record(pipeline.network, settings, options.command) | {"key": key, "summary": row}
    with locked(out):
        refuse_obstacle(out / job.name, job, overwrite=options.overwrite)
        write_result(result, out / job.name, record | {"job": job_record(job)})
    return JobOutcome(row)


def _without_stale_result(outcome: JobOutcome, job: Job, out: Path, options: RunOptions) -> JobOutcome:
    """A failed job's outcome after its result of an earlier run was set aside, which the message then says."""
    folder = out / job.name
    try:
        with locked(out):
            aside = None if obstacle(folder, job, overwrite=options.overwrite) else set_aside(folder)
    except (OSError, InputError) as error:
        note = f"the result of an earlier run could not be set aside ({reason_of(error, job.name, out)})"
    else:
        if aside is None:
            return outcome
        note = f"the result of an earlier run is in {aside.name}"
    return JobOutcome({**outcome.row, "message": f"{outcome.row['message']}; {note}"})


@contextmanager
def _reading() -> Iterator[None]:
    """Turns inputs that cannot be read into a failure of their job alone.

    Raises:
        InputError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{error.filename or 'an input'}: cannot be read ({error.strerror or error}); check the path and its"
            " permissions"
        ) from error


def _dock(pipeline: DockingPipeline, job: Job, options: RunOptions, listener: JobListener) -> DockingResult:
    assert job.ligand is not None
    pipeline.check_pocket(job.pocket)
    config = options.docking
    receptor = read_docking_receptor(job.protein, job.ligand, job.pocket, config.receptor)
    pocket = None if job.pocket is None else resolve_pocket(job.pocket, receptor)
    return pipeline.dock(receptor, job.ligand, pocket, config, name=job.name, on_step=listener.stepped)


def _job_key(pipeline: DockingPipeline, job: Job, options: RunOptions) -> str:
    """Hash of everything the job's poses depend on; a missing file counts as empty, reading it later says so."""
    assert job.ligand is not None
    spec = job.pocket
    reference = None if spec is None else spec.ligand
    cofactors = options.docking.receptor.cofactors
    files = [path for path in (job.protein, reference, cofactors) if path is not None and path.is_file()]
    chemistry, tags = job.ligand.mol.ToBinary(_ALL_PROPERTIES), job.ligand.tags
    pocket = None if spec is None else [spec.center, spec.residues, spec.radius]
    settings = options.docking.result_settings()
    return fingerprint(
        version("discodock"), job.name, chemistry, tags, pocket, settings, pipeline.network.sha256, *files
    )


_ALL_PROPERTIES: Final = 0xFFFF
"""RDKit's `PropertyPickleOptions.AllProps`: names and properties of atoms count as part of a ligand."""


def _summary_row(job: Job, result: DockingResult) -> dict[str, object]:
    best = result.to_dicts()[0]
    return {
        "status": OK,
        **{name: best[name] for name in summary_names()},
        "name": job.name,
        "message": "; ".join([*result.warnings, *([] if job.note is None else [job.note])]),
        "num_poses": len(result.poses),
        "protein": str(job.protein),
        "ligand": result.ligand.source,
        "pocket": result.pocket.source,
    }


def _failure_row(job: Job, options: RunOptions, message: str) -> dict[str, object]:
    return {
        "name": job.name,
        "status": FAILED,
        "message": one_line(message if job.note is None else f"{message}; {job.note}"),
        "num_poses": 0,
        "seed": options.docking.seed,
        "protein": "" if job.protein == Path() else str(job.protein),
        "ligand": job.ligand.source if job.ligand is not None else "",
    }


def _write_summary(out: Path, outcomes: Sequence[JobOutcome]) -> None:
    """Write the rows of this run, after those of earlier runs into the same folder that it has not replaced."""
    path = out / SUMMARY_FILE
    names = {outcome.row["name"] for outcome in outcomes}
    with locked(out):  # rows of another process are read and kept, never undone
        earlier = [row for row in read_table(path) if row.get("name") not in names]
        write_table(path, summary_columns(), [*earlier, *(outcome.row for outcome in outcomes)])
