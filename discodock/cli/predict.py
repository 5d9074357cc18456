"""`discodock predict`: dock one ligand, files or folders of ligands, or a table of jobs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from discodock.cli import options
from discodock.cli.docking_options import docking_command
from discodock.cli.report import write_reports
from discodock.cli.runtime import hide_reader_notes
from discodock.errors import ConfigError, InputError
from discodock.inference.config import DockingConfig
from discodock.text import one_line, printable

if TYPE_CHECKING:
    from discodock.cli.progress import WorkBar
    from discodock.inference.many.jobs import Job
    from discodock.inference.many.run_jobs import JobListener, JobOutcome, RunOptions
    from discodock.inference.pocket import PocketSpec

HELP = """Dock ligands into a protein and write ranked poses.

A pocket is named by one of --pocket-ligand, --pocket-center and --pocket-residues; without one the whole protein is
searched, and the samples are shared among the most probable sites. Each ligand gets a folder in --out with poses.sdf
(best first), best.sdf, complex_rank1.pdb, scores.csv and run.json, with --report also a page to look at, report.html;
summary.csv has a row for each ligand, docking.yaml the settings, which --config reads. Finished ligands are kept when
the command runs again.

Poses that agree are one binding mode; for a single ligand the modes are listed, with their share of all samples and
their best pose.

Poses are ranked by rank_score: the log-odds of p_rmsd_lt_2 where the checkpoint has a confidence model, as the packaged
one has; else the agreement between samples with Vina's score. With --rescore vina it is Vina's score, its sign changed.
It is never an affinity.

Exit code: 0 all docked, 1 some or all failed, 2 the command line or an input is unusable."""


@docking_command()
def predict(
    docking: DockingConfig,
    protein: options.Protein = None,
    ligand: options.Ligands = None,
    pocket_ligand: options.PocketLigand = None,
    pocket_center: options.PocketCenter = None,
    pocket_residues: options.PocketResidues = None,
    jobs_table: options.JobTable = None,
    out: options.Out = Path("docked"),
    name: options.Name = None,
    device: options.Device = "auto",
    checkpoint: options.Checkpoint = None,
    template_smiles: options.TemplateSmiles = None,
    overwrite: options.Overwrite = False,
    report: options.Report = False,
    center_x: options.CenterX = None,
    center_y: options.CenterY = None,
    center_z: options.CenterZ = None,
) -> int:
    """Dock what the command line says; returns the exit code."""
    hide_reader_notes()
    center = options.merge_center(pocket_center, (center_x, center_y, center_z))
    _check_inputs(jobs_table, protein, ligand or [], name)
    radius = docking.pocket_radius
    pocket = _pocket(pocket_ligand, center, pocket_residues, radius, needs_place=jobs_table is None)
    if jobs_table is not None:
        jobs = _table_jobs(jobs_table, pocket, radius, template_smiles)
    else:
        assert protein is not None and ligand
        jobs = _ligand_jobs(protein, ligand, pocket, name, template_smiles)
    from discodock.inference.many.run_jobs import RunOptions
    from discodock.report.write import foreign_index

    is_single = jobs_table is None and len(jobs) == 1
    run_options = RunOptions(docking, command=tuple(sys.argv), overwrite=overwrite, strict=is_single)
    if report and (problem := foreign_index(out)) is not None:
        raise InputError(problem)
    outcomes = _run(jobs, out, run_options, checkpoint, device)
    are_reported = not report or write_reports([out / str(o.row["name"]) for o in outcomes if o.is_ok], out)
    return 0 if are_reported and all(outcome.is_ok for outcome in outcomes) else 1


def _check_inputs(jobs_table: Path | None, protein: Path | None, ligands: list[str], name: str | None) -> None:
    """Exactly one of a table of jobs and a protein with its ligands."""
    if jobs_table is not None and name is not None:
        raise ConfigError("--name is for --ligand; rows of --input have names of their own, in the column name")
    if jobs_table is not None and (protein is not None or ligands):
        raise ConfigError("--input names proteins and ligands itself; leave out --protein and --ligand")
    if jobs_table is None and (protein is None or not ligands):
        missing = "--protein" if protein is None else "--ligand"
        raise ConfigError(f"{missing} is missing; give --protein and --ligand, or --input with a table of jobs")


def _pocket(
    ligand: Path | None,
    center: tuple[float, float, float] | None,
    residues: str | None,
    radius: float,
    *,
    needs_place: bool,
) -> PocketSpec | None:
    """The pocket of the command line; None if it names none. A radius alone will do where rows may name places."""
    from discodock.inference.pocket import pocket_spec

    selectors = [selector for selector in re.split(r"[\s,;]+", residues or "") if selector]
    if not needs_place and ligand is None and center is None and not selectors:
        return None
    return pocket_spec(ligand, center, selectors, radius)


def _table_jobs(table: Path, pocket: PocketSpec | None, radius: float, template_smiles: str | None) -> list[Job]:
    from discodock.inference.many.jobs import read_jobs, with_distinct_names

    return with_distinct_names(read_jobs(table, pocket, default_radius=radius, template_smiles=template_smiles))


def _ligand_jobs(
    protein: Path, ligands: list[str], pocket: PocketSpec | None, name: str | None, template_smiles: str | None
) -> list[Job]:
    from discodock.inference.many.jobs import jobs_of_ligands, with_distinct_names

    return with_distinct_names(jobs_of_ligands(protein, ligands, pocket, name=name, template_smiles=template_smiles))


def _run(jobs: list[Job], out: Path, run_options: RunOptions, checkpoint: Path | None, device: str) -> list[JobOutcome]:
    """Load the network, dock everything with a progress bar, and print what became of it."""
    from discodock.cli.progress import WorkBar
    from discodock.inference.dock import DockingPipeline
    from discodock.inference.many.result_folder import SUMMARY_FILE
    from discodock.inference.many.run_jobs import run_jobs
    from discodock.inference.outputs import check_writable, mode_lines, read_run
    from discodock.inference.relaxation.relax import check_relaxation

    check_relaxation(run_options.docking.relaxation)
    pipeline = DockingPipeline(checkpoint, device)
    check_writable(out)
    num_steps = run_options.docking.num_candidates * run_options.docking.solver.steps
    with WorkBar("docking", len(jobs)) as bar:
        outcomes = run_jobs(pipeline, jobs, out, run_options, _listener(bar, num_steps))
    if len(outcomes) == 1 and outcomes[0].is_ok:
        print(printable("\n".join(mode_lines(read_run(out / jobs[0].name)))))
    num_ok, num_kept = sum(o.is_ok for o in outcomes), sum(o.is_kept for o in outcomes)
    kept = f" ({num_kept} of them kept from an earlier run)" if num_kept else ""
    print(one_line(f"{num_ok} of {len(outcomes)} ligands docked{kept}; summary in {out / SUMMARY_FILE}"))
    return outcomes


def _listener(bar: WorkBar, num_steps: int) -> JobListener:
    """Shows a run on a bar; `num_steps` pose steps make a job."""
    from discodock.inference.many.run_jobs import JobListener

    class BarListener(JobListener):
        done = 0

        def started(self, job: Job) -> None:
            self.done = 0
            bar.show(0.0, job.name)

        def stepped(self, num_pose_steps: int) -> None:
            self.done += num_pose_steps
            bar.show(min(1.0, self.done / num_steps))

        def finished(self, job: Job, outcome: JobOutcome) -> None:
            bar.item_done(outcome.describe(), is_notable=not outcome.is_ok)

    return BarListener()
