"""What a worker does: protein, pocket and network read once, then one ligand after the other."""

from __future__ import annotations

import logging
import time

from discodock.chem.descriptors import describe
from discodock.chem.ligand import read_record
from discodock.chem.write import poses_text
from discodock.errors import DiscodockError
from discodock.inference.columns import TAG_PREFIX, sd_tags
from discodock.inference.dock import DockingPipeline
from discodock.inference.result import DockingResult
from discodock.screening.columns import result_row
from discodock.screening.inputs import ScreenInputs
from discodock.screening.ledger import Task, TaskResult
from discodock.screening.ranking import RANKINGS, LigandFacts

logger = logging.getLogger(__name__)


class Screener:
    """A loaded network with the protein and the pocket of a screen.

    Args:
        inputs: protein, pocket and network of the screen.

    Raises:
        DiscodockError: it cannot be used.
    """

    def __init__(self, inputs: ScreenInputs) -> None:
        self.config = inputs.config
        self.pipeline = DockingPipeline(inputs.checkpoint, inputs.device)
        self.prepared = inputs.read()
        self.pipeline.check_pocket(self.prepared.pocket)

    def dock(self, task: Task) -> TaskResult | str:
        """As `pool.Docker`; poses depend on ligand, stage and seed alone."""
        started = time.monotonic()
        try:
            result = self._dock(task)
            described = describe(result.ligand.mol)
        except DiscodockError as error:
            return str(error)
        except OSError:  # a disk that is full or gone concerns all ligands
            raise
        except Exception as error:  # one ligand must not end a screen: named with its type, the traceback is logged
            logger.warning("%s: unexpected failure", task.id, exc_info=True)
            return f"{task.source}: unexpected {type(error).__name__}: {error}"
        best = result.best
        facts = LigandFacts(described.heavy_atoms, best.vina_score, best.rank_score)
        score = RANKINGS[self.config.rank_by].score(facts)
        if score != score:
            return f"{task.source}: its score is not a number"
        row = result_row(result, described)
        poses = self._poses(result, {"stage": self.config.stages[task.stage].name, "score": round(score, 4)})
        return TaskResult(round(score, 4), time.monotonic() - started, row, poses)

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
