"""Where the poses of an evaluation come from: docking, or a folder that any other program wrote."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from pydantic import Field, model_validator

from discodock.chem.ligand import LigandRecord
from discodock.chem.match import matched_positions
from discodock.chem.pose_file import read_poses
from discodock.chem.validity import Validity, check_validity
from discodock.chem.write import check_chemistry, pose_mols
from discodock.data.crystal import CrystalComplex
from discodock.data.datasets.source import SourceComplex
from discodock.errors import InputError
from discodock.evaluation.displacement import displaced_center
from discodock.inference.columns import TAG_PREFIX
from discodock.inference.config import DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.outputs import fingerprint, package_versions, run_record
from discodock.inference.pocket import Pocket
from discodock.inference.validity import with_validity
from discodock.input_files import InputKind, read_csv
from discodock.settings import Settings

TIMINGS_FILE: Final = "timings.csv"
PROB_TAG: Final = f"{TAG_PREFIX}p_rmsd_lt_2"
POSE_FILES: Final = ("{}.sdf", "{}.sdf.gz", "{}/poses.sdf", "{}/poses.sdf.gz")


class PredictionConfig(Settings):
    """How complexes are redocked."""

    mode: Literal["pocket", "blind"] = Field(
        "pocket", description="pocket: a centre near the crystal ligand's is given; blind: the protein is searched"
    )
    offset: float = Field(2.0, ge=0, description="displacement of the pocket's centre in a random direction, Å")
    docking: DockingConfig = Field(default_factory=DockingConfig, description="settings of docking")

    @model_validator(mode="after")
    def _check_cofactors(self) -> PredictionConfig:
        if self.docking.receptor.cofactors is not None:
            raise ValueError("receptor.cofactors: complexes bring cofactors of their own; leave them out")
        return self


@dataclass(frozen=True)
class PredictedPoses:
    """Poses of one complex, best first.

    Attributes:
        pos: heavy atoms in the crystal ligand's order, Å, shape (N, L, 3).
        validity: validity of each pose; empty if not checked.
        stereo_ok: whether each pose shows the ligand's stereo.
        probs: predicted probability of each pose to be below 2 Å; empty without.
        confidences: log-odds of that by the confidence model alone; empty without.
        site_centers: centres of the sites that were found, most probable first, Å, shape (S, 3); None in a given pocket
            and without a site model.
        code: discrete codes of the best pose, in words.
        seconds: wall-clock time of docking alone, neither reading nor judging included; not a number if not known.
        cpu_seconds: CPU time of docking alone, all cores together; not a number if not known.
    """

    pos: np.ndarray
    validity: tuple[Validity, ...] = ()
    stereo_ok: tuple[bool, ...] = ()
    probs: tuple[float, ...] = ()
    confidences: tuple[float, ...] = ()
    site_centers: np.ndarray | None = None
    code: str = ""
    seconds: float = math.nan
    cpu_seconds: float = math.nan


class PoseSource(Protocol):
    """Anything that gives poses for a complex."""

    def record(self, config: PredictionConfig) -> dict[str, Any]:
        """What goes into `run.json`; rows are taken over only between equal `settings`, `checkpoint` and `poses`."""

    def fingerprint(self, entry: SourceComplex) -> str:
        """Changes when the poses of a complex or their judgement would, though the record does not."""

    def predict(self, complex_id: str, crystal: CrystalComplex, config: PredictionConfig) -> PredictedPoses:
        """Poses of a complex.

        Raises:
            DiscodockError: there are none.
        """


class DockedPoses:
    """Poses from docking: a pocket displaced from the crystal ligand's centroid, or none; fresh conformers.

    Attributes:
        pipeline: loaded network.
    """

    def __init__(self, pipeline: DockingPipeline) -> None:
        self.pipeline = pipeline

    def record(self, config: PredictionConfig) -> dict[str, Any]:
        """Settings and checkpoint."""
        return run_record(self.pipeline.network, config.model_dump(mode="json"), ())

    def fingerprint(self, entry: SourceComplex) -> str:
        """Hash of the complex's files."""
        return complex_fingerprint(entry)

    def predict(self, complex_id: str, crystal: CrystalComplex, config: PredictionConfig) -> PredictedPoses:
        """Dock the complex's ligand."""
        pocket = evaluation_pocket(complex_id, crystal, config)
        started, cpu_started = time.monotonic(), time.process_time()
        result = self.pipeline.dock(
            crystal.receptor,
            crystal.ligand,
            pocket,
            config.docking.model_copy(update={"validity": False}),
            name=complex_id,
        )
        seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_started
        poses = with_validity(result.poses, crystal.receptor) if config.docking.validity else result.poses
        confidences = [pose.confidence for pose in poses if pose.confidence is not None]
        found = [site.pocket.center for site in result.sites if site.residue] if pocket is None else []
        return PredictedPoses(
            pos=np.stack([pose.pos for pose in poses]),
            validity=tuple(pose.validity for pose in poses if pose.validity is not None),
            stereo_ok=tuple(pose.checks.stereo_problem is None for pose in poses),
            probs=tuple(each.prob for each in confidences),
            confidences=tuple(each.confidence for each in confidences),
            site_centers=np.stack(found) if found else None,
            code=poses[0].site.code,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
        )


class RescoredPoses:
    """Poses of another source, ranked by the confidence model; they stay where they are.

    Attributes:
        pipeline: network with a confidence model.
        source: source of the poses.
    """

    def __init__(self, pipeline: DockingPipeline, source: PoseSource) -> None:
        if pipeline.network.confidence_model is None:
            raise InputError(f"{pipeline.network.path}: has no confidence model to rank by; give another --checkpoint")
        self.pipeline, self.source = pipeline, source

    def record(self, config: PredictionConfig) -> dict[str, Any]:
        """The source's, and the checkpoint that ranks."""
        ranked_by = {"sha256": self.pipeline.network.sha256}
        return self.source.record(config) | {"checkpoint": ranked_by}

    def fingerprint(self, entry: SourceComplex) -> str:
        """The source's."""
        return self.source.fingerprint(entry)

    def predict(self, complex_id: str, crystal: CrystalComplex, config: PredictionConfig) -> PredictedPoses:
        """The source's poses in a new order; the time to judge them is added to theirs."""
        found = self.source.predict(complex_id, crystal, config)
        started, cpu_started = time.monotonic(), time.process_time()
        order, probs = self.pipeline.rank_poses(crystal.receptor, crystal.ligand, found.pos, config.docking.threads)
        seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_started
        return replace(
            found,
            pos=found.pos[order],
            validity=tuple(found.validity[i] for i in order) if found.validity else (),
            stereo_ok=tuple(found.stereo_ok[i] for i in order) if found.stereo_ok else (),
            probs=tuple(probs[order].tolist()),
            seconds=found.seconds + seconds,
            cpu_seconds=found.cpu_seconds + cpu_seconds,
        )


class PoseFolder:
    """Poses that lie in a folder: `<id>.sdf` or `<id>/poses.sdf`, best first; `timings.csv` may give the seconds.

    Attributes:
        folder: folder with the files.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of poses; it should hold <id>.sdf or <id>/poses.sdf")
        self.folder = folder
        self._timings = read_timings(folder / TIMINGS_FILE)

    def record(self, config: PredictionConfig) -> dict[str, Any]:
        """The folder and what its judgement depends on."""
        settings = {
            "validity": config.docking.validity,
            "mode": config.mode,
        }  # blind: also by copies of the site
        return {"versions": package_versions(), "command": [], "settings": settings, "poses": str(self.folder)}

    def fingerprint(self, entry: SourceComplex) -> str:
        """Hash of the complex's files, its poses and their timing."""
        return complex_fingerprint(entry, self._find(entry.id), self._timings.get(entry.id))

    def predict(self, complex_id: str, crystal: CrystalComplex, config: PredictionConfig) -> PredictedPoses:
        """Read the complex's poses."""
        path = self._find(complex_id)
        if path is None:
            raise InputError(f"{self.folder}: no poses of {complex_id}; expected {complex_id}.sdf")
        mols = read_poses(path)
        try:
            pos = matched_positions(crystal.ligand, mols)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        seconds, cpu_seconds = self._timings.get(complex_id, (math.nan, math.nan))
        tags = [mol.GetProp(PROB_TAG) if mol.HasProp(PROB_TAG) else "" for mol in mols]
        return PredictedPoses(
            pos=pos,
            **_checked(crystal, pos, config.docking.validity),
            probs=tuple(map(float, tags)) if "" not in tags else (),
            seconds=seconds,
            cpu_seconds=cpu_seconds,
        )

    def _find(self, complex_id: str) -> Path | None:
        paths = (self.folder / name.format(complex_id) for name in POSE_FILES)
        return next((path for path in paths if path.is_file()), None)


def complex_fingerprint(entry: SourceComplex, *parts: object) -> str:
    """Hash of the version, of a complex's id and files, and of anything else that what is made from it depends on.

    Args:
        entry: the complex.
        parts: further parts of the fingerprint, hashed before the complex; see `fingerprint`.
    """
    return fingerprint(version("discodock"), *parts, entry.id, *(entry.files[name] for name in sorted(entry.files)))


def evaluation_pocket(complex_id: str, crystal: CrystalComplex, config: PredictionConfig) -> Pocket | None:
    """The pocket that any method is given: the crystal centroid displaced by a seeded offset; None in blind mode."""
    if config.mode == "blind":
        return None
    center = displaced_center(crystal.crystal_pos, config.offset, config.docking.seed, complex_id)
    return Pocket(center, config.docking.pocket_radius, f"crystal centroid, moved by {config.offset:g} Å")


def _checked(crystal: CrystalComplex, pos: np.ndarray, validity: bool) -> dict[str, Any]:
    """Validity and stereo of poses (N, L, 3), with the crystal ligand's chemistry."""
    ligand: LigandRecord = crystal.ligand
    mols = pose_mols(ligand, pos)
    return {
        "validity": tuple(check_validity(mols, crystal.receptor)) if validity else (),
        "stereo_ok": tuple(check_chemistry(ligand.mol, mol) is None for mol in mols),
    }


def read_timings(path: Path) -> dict[str, tuple[float, float]]:
    """(wall-clock, CPU) seconds by complex id.

    Raises:
        InputError: the table cannot be used.
    """
    if not path.exists():
        return {}
    rows = [row.cells for row in read_csv(path, InputKind("table of times", "write it again")).rows]
    try:
        return {row["id"]: (float(row["seconds"]), float(row["cpu_seconds"])) for row in rows}
    except (KeyError, ValueError):
        raise InputError(f"{path}: needs columns id, seconds and cpu_seconds, with numbers") from None
