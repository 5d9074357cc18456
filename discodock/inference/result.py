"""What docking returns: ranked poses of one ligand, as molecules with their scores."""

from __future__ import annotations

from dataclasses import dataclass

from discodock.chem.ligand import LigandRecord
from discodock.chem.receptor import Receptor
from discodock.inference.columns import RunFacts, score_row
from discodock.inference.docked_pose import DockedPose
from discodock.inference.modes import Mode
from discodock.inference.pocket import Pocket
from discodock.inference.sites import DockingSite


@dataclass(frozen=True)
class DockingResult:
    """Ranked poses of one ligand in a pocket, or in the sites that were found for it.

    Attributes:
        name: name of the job.
        poses: best first.
        ligand: the ligand, as read from its file.
        receptor: the receptor, metals and cofactors included.
        sites: sites that the ligand was docked into, most probable first; one if a pocket was given.
        seed: seed of all random streams.
        seconds: wall-clock time.
        warnings: warnings for the user, one sentence each.
    """

    name: str
    poses: tuple[DockedPose, ...]
    ligand: LigandRecord
    receptor: Receptor
    sites: tuple[DockingSite, ...]
    seed: int
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> DockedPose:
        """The pose ranked first."""
        return self.poses[0]

    @property
    def pocket(self) -> Pocket:
        """The pocket of the best pose."""
        return self.best.site.pocket

    @property
    def modes(self) -> list[Mode]:
        """The binding modes of the samples, largest first, poses of no mode last."""
        return sorted({pose.mode for pose in self.poses}, key=lambda mode: (len(mode.name), mode.name))

    def receptor_of(self, pose: DockedPose) -> Receptor:
        """The receptor with its side chains as they lie around a pose."""
        return self.receptor.with_moved(pose.side_chains)

    def best_of(self, mode: Mode) -> DockedPose:
        """The best-ranked pose of one of `modes`."""
        return next(pose for pose in self.poses if pose.mode == mode)

    def to_dicts(self) -> list[dict[str, object]]:
        """One dict per pose with the columns of `scores.csv`, best first; `pandas.DataFrame` takes it as it is."""
        run = RunFacts(self.name, self.seed, self.seconds)
        return [score_row(pose, run) for pose in self.poses]
