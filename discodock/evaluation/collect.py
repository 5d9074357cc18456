"""Poses to learn confidence from: complexes are docked as in an evaluation, and every pose is kept with its RMSD."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import Field

from discodock.data.crop import crop_site
from discodock.data.crystal import list_complexes, read_complex
from discodock.data.datasets.source import SourceComplex
from discodock.data.ledger import Ledger
from discodock.data.store import COMPLEX_DIR, FailureRow, IndexRow, write_arrays
from discodock.data.workers import run_all
from discodock.errors import DiscodockError, InputError
from discodock.evaluation.evaluate import EvaluationConfig, choose_complexes
from discodock.evaluation.rmsd import ligand_rmsd
from discodock.evaluation.sources import complex_fingerprint, evaluation_pocket
from discodock.failures import concerns_all, reason_of
from discodock.inference.dock import DockingPipeline
from discodock.inference.network import DockingNetwork
from discodock.inference.outputs import fingerprint
from discodock.schema import SCHEMA_VERSION

STAGE = "dock"

NO_EFFECT: Final[dict[str, Any]] = {
    "split": True,
    "limit": True,
    "per_cluster": True,
    "docking": {"batch_size", "threads"},
}
"""Settings that change which complexes are docked, or how fast, but no pose."""


class CollectConfig(EvaluationConfig):
    """Which complexes are docked, and how; as in an evaluation in pocket mode."""

    per_cluster: int | None = Field(None, ge=1, description="most complexes of one protein family; none: all")
    max_ligand_atoms: int = Field(60, gt=0, description="larger ligands are left out")


@dataclass(frozen=True)
class Collection:
    """What was collected: the store, how many complexes it holds, how many of them from before, and what failed."""

    out: Path
    num_complexes: int
    num_reused: int
    failures: tuple[FailureRow, ...]


@dataclass(frozen=True)
class _Task:
    entry: SourceComplex
    out: Path
    config: CollectConfig
    checkpoint: Path | None
    device: str
    key: str


def collect_poses(
    source: Path,
    out: Path,
    config: CollectConfig,
    *,
    checkpoint: Path | None = None,
    device: str = "auto",
    workers: int = 1,
    on_progress: Callable[[int, int, IndexRow | FailureRow], None] | None = None,
) -> Collection:
    """Dock complexes into a displaced pocket, from fresh conformers, and write their poses to a prepared store.

    Complexes that are in the store under the same settings, checkpoint and files are not docked again.

    Args:
        source: folder of complexes, folder of shards, or one shard.
        out: folder of the store, with the fields of `schema.FIELDS`, `schema.POSE_FIELDS` and a `POSE_FACT` each.
        config: choice of complexes, and way of docking them.
        checkpoint: the network to dock with; None takes the packaged one.
        device: device to dock on.
        workers: processes, each with one thread.
        on_progress: callback after each complex for the number done, the number of all, and its row.

    Raises:
        InputError: there is nothing to dock, or `out` cannot be written.
        CheckpointError: the checkpoint cannot be used.
    """
    network = _pipeline(checkpoint, device).network
    chosen = choose_complexes(
        list_complexes(source, config.split), config.limit, config.docking.seed, config.per_cluster
    )
    if not chosen:
        raise InputError(f"{source}: no complexes{f' of split {config.split}' if config.split else ''}; check the path")
    settings = config.model_dump(mode="json", exclude=NO_EFFECT) | {"checkpoint": network.sha256}
    with Ledger(out, fingerprint(version("discodock"), settings)) as ledger:

        def note(row: IndexRow | FailureRow) -> None:
            ledger.add(row)
            if on_progress is not None:
                on_progress(len(ledger.rows) + len(ledger.failures), len(chosen), row)

        unfinished = ledger.unfinished(chosen, lambda entry: complex_fingerprint(entry, settings), note)
        tasks = (_Task(entry, out, config, checkpoint, device, key) for entry, key in unfinished)
        for row in run_all(_collect, tasks, workers=workers, on_crash=_crashed):
            note(row)
        ledger.finish(_manifest(source, config, network))
    return Collection(out, len(ledger.rows), ledger.num_reused, ledger.sorted_failures())


def _manifest(source: Path, config: CollectConfig, network: DockingNetwork) -> dict[str, Any]:
    """Origin of the poses of a store."""
    return {
        "schema_version": SCHEMA_VERSION,
        "settings": config.model_dump(mode="json"),
        "checkpoint": {"sha256": network.sha256, "info": network.info},
        "source": str(source),
        "versions": {"discodock": version("discodock")},
    }


def _collect(task: _Task) -> IndexRow | FailureRow:
    """Dock and write one complex; what is wrong with it becomes a failure row, never an exception."""
    entry = task.entry
    try:
        arrays, num_residues = _docked_arrays(task)
        file = f"{COMPLEX_DIR}/{entry.id}.npz"
        digest = write_arrays(task.out / file, arrays)
    except Exception as error:
        if isinstance(error, OSError) and concerns_all(error):
            raise
        is_known = isinstance(error, DiscodockError | OSError)
        return FailureRow(entry.id, STAGE if is_known else "unexpected", reason_of(error, entry.id, task.out))
    return IndexRow(
        id=entry.id,
        split=entry.split,
        cluster=entry.cluster or entry.id,
        num_ligand_atoms=len(arrays["ligand_pos"]),
        num_torsions=len(arrays["ligand_tor_bond"]),
        num_residues=num_residues,
        file=file,
        key=task.key,
        digest=digest,
    )


def _docked_arrays(task: _Task) -> tuple[dict[str, np.ndarray], int]:
    """Fields of the store, in the frame of the pocket, and the number of residues of the whole receptor.

    Raises:
        DiscodockError: the complex cannot be read or docked.
    """
    config = task.config.model_copy(update={"mode": "pocket"})
    crystal = read_complex(task.entry, keep=config.docking.receptor.keep, drop=config.docking.receptor.drop)
    if len(crystal.crystal_pos) > config.max_ligand_atoms:
        raise InputError(f"{len(crystal.crystal_pos)} heavy atoms, more than {config.max_ligand_atoms}")
    pocket = evaluation_pocket(task.entry.id, crystal, config)
    assert pocket is not None
    pipeline, docking = _pipeline(task.checkpoint, task.device), config.docking.model_copy(update={"threads": 1})
    candidates = pipeline.sample(crystal.receptor, crystal.ligand, pocket, docking)
    arrays = {name: value for name, value in candidates.arrays.items() if name != "residue_embedding"}
    cropped = crop_site(arrays | {"ligand_pos": crystal.crystal_pos}, pocket.center)
    _, cropped["receptor_residue_idx"] = np.unique(cropped["receptor_residue_idx"], return_inverse=True)
    relaxed = candidates.relaxed
    poses = {
        "pose_pos": relaxed.pos - pocket.center,
        "pose_rmsd": ligand_rmsd(crystal.ligand.mol, crystal.crystal_pos, relaxed.pos).values,
    } | {f"pose_{name}": values for name, values in candidates.facts.items()}
    cropped["receptor_residue_idx"] = cropped["receptor_residue_idx"].astype(np.int32)
    return cropped | {name: value.astype(np.float32) for name, value in poses.items()}, len(crystal.receptor.residues)


@functools.lru_cache(maxsize=1)
def _pipeline(checkpoint: Path | None, device: str) -> DockingPipeline:
    """The network, loaded once in each process; without the site model, as all pockets are given."""
    pipeline = DockingPipeline(checkpoint, device)
    pipeline.network = replace(pipeline.network, site_model=None)
    return pipeline


def _crashed(task: _Task) -> FailureRow:
    return FailureRow(task.entry.id, "crash", "the worker process died (out of memory, or a crash in native code)")
