"""What a worker does: protein, pocket and network read once, then one ligand after the other."""

from __future__ import annotations

import math
import time
from pathlib import Path

from discodock.chem.descriptors import describe
from discodock.chem.ligand import read_record
from discodock.chem.write import poses_text
from discodock.errors import InputError
from discodock.failures import concerns_all, reason_of
from discodock.inference.columns import TAG_PREFIX, sd_tags
from discodock.inference.dock import DockingPipeline
from discodock.inference.result import DockingResult
from discodock.screening.columns import result_row
from discodock.screening.inputs import ScreenInputs
from discodock.screening.ranking import RANKINGS, LigandFacts
from discodock.screening.records import Task, TaskResult


class Screener:
    """A loaded network with the protein and the pocket of a screen.

    Args:
        inputs: protein, pocket and network of the screen.
        log_folder: folder whose log gets the traceback of what nobody expected; None leaves it out.

    Raises:
        DiscodockError: it cannot be used.
    """

    def __init__(self, inputs: ScreenInputs, log_folder: Path | None = None) -> None:
        self.log_folder = log_folder
        self.config = inputs.config
        self.pipeline = DockingPipeline(inputs.checkpoint, inputs.device)
        self.prepared = inputs.read()
        self.pipeline.check_pocket(self.prepared.pocket)

    def dock(self, task: Task) -> TaskResult | str:
        """As `pool.Docker`; poses depend on ligand, stage and seed alone."""
        try:
            return self._result(task)
        except Exception as error:  # one ligand must not end a screen
            if isinstance(error, OSError) and concerns_all(error):
                raise
            return reason_of(error, task.id, self.log_folder)

    def _result(self, task: Task) -> TaskResult:
        started = time.monotonic()
        result = self._dock(task)
        described, best = describe(result.ligand.mol), result.best
        facts = LigandFacts(described.heavy_atoms, best.vina_score, best.rank_score)
        score = round(RANKINGS[self.config.rank_by].score(facts), 4)
        if math.isnan(score):
            raise InputError(f"{task.source}: its score is not a number")
        row = result_row(result, described, self.prepared.warnings)
        poses = self._poses(result, {"stage": self.config.stages[task.stage].name, "score": score})
        return TaskResult(score, time.monotonic() - started, row, poses)

    def _dock(self, task: Task) -> DockingResult:
        record = read_record(task.text, task.file_format, name=task.id, where=task.source)
        docking = self.config.stages[task.stage].docking
        receptor, pocket = self.prepared.receptor, self.prepared.pocket
        return self.pipeline.dock(receptor, record, pocket, docking, name=task.id)

    def _poses(self, result: DockingResult, tags: dict[str, object]) -> str:
        """SDF text of the best poses, each with its scores and those of the ligand."""
        kept = result.poses[: self.config.poses]
        of_ligand = {f"{TAG_PREFIX}{name}": value for name, value in tags.items()}
        of_poses = [of_ligand | sd_tags(row) for row in result.to_dicts()[: len(kept)]]
        return poses_text(result.ligand, [pose.mol for pose in kept], of_poses)
