"""Preparation: structures in, prepared complexes out; parallel, resumable, with a reason for every complex left out."""

import hashlib
import logging
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rdkit import rdBase

from discodock.data.crystal import StageError, read_crystal
from discodock.data.datasets.registry import DEFAULT_LAYOUT, open_dataset
from discodock.data.datasets.source import DEFAULT_SPLIT, Dataset, SourceComplex
from discodock.data.featurize import PREPARE_VERSION, PrepareConfig, complex_seed, featurize
from discodock.data.ledger import Ledger
from discodock.data.store import COMPLEX_DIR, FailureRow, IndexRow, crossing_clusters, write_arrays
from discodock.data.workers import run_all
from discodock.errors import InputError, PreparedDataError
from discodock.failures import concerns_all, os_reason, reason_of
from discodock.schema import SCHEMA_VERSION

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """State of a preparation after one more complex; `total` is 0 when not known."""

    done: int
    total: int
    num_failed: int


@dataclass(frozen=True)
class PrepareReport:
    """What a preparation did.

    Attributes:
        out: the prepared folder.
        num_prepared: complexes in the store.
        num_reused: number of prepared complexes that were there already under the same content key.
        num_by_split: complexes in each split.
        failures: complexes left out.
        seconds: wall-clock time.
    """

    out: Path
    num_prepared: int
    num_reused: int
    num_by_split: dict[str, int]
    failures: tuple[FailureRow, ...]
    seconds: float


@dataclass(frozen=True)
class _Task:
    """One complex to prepare, as sent to a worker process."""

    source: SourceComplex
    out: Path
    config: PrepareConfig
    key: str


def prepare(
    source: str | Path,
    out: str | Path,
    config: PrepareConfig | None = None,
    *,
    layout: str = DEFAULT_LAYOUT,
    splits: str | Path | None = None,
    workers: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
) -> PrepareReport:
    """Prepare every complex of a source into a store that `discodock.data.store.PreparedStore` reads.

    A complex whose content key (input files, settings, schema and code version) is in the store already is not made
    again, so an interrupted run goes on where it stopped and a changed setting never leaves stale files in the index.

    Args:
        source: folder, or shard, of complexes.
        out: folder of the store, made when missing.
        config: settings of the arrays.
        layout: name of the data set, a key of `DATASETS`.
        splits: folder of split files; otherwise `index.csv`'s column or the archive's name, otherwise all is train.
        workers: number of processes.
        on_progress: callback after each complex.

    Raises:
        InputError: the source or the output folder cannot be used, or a cluster is in two splits.
    """
    started = time.monotonic()
    config = config or PrepareConfig()
    dataset = open_dataset(Path(source), None if splits is None else Path(splits), layout=layout)
    _refuse_crossing(source, dataset)
    with Ledger(Path(out), config.key) as ledger:
        _fill(ledger, dataset, config, workers, on_progress)
        seconds = time.monotonic() - started
        ledger.finish(_manifest(config, str(source), layout, seconds))
    failures = ledger.sorted_failures()
    if ledger.num_by_split().keys() == {DEFAULT_SPLIT}:
        logger.warning("%s: nothing names splits, all complexes are in split %s", source, DEFAULT_SPLIT)
    return PrepareReport(Path(out), len(ledger.rows), ledger.num_reused, ledger.num_by_split(), failures, seconds)


def _refuse_crossing(source: str | Path, dataset: Dataset) -> None:
    """Refuse a source that has protein families in several splits.

    Raises:
        InputError: a cluster is in two splits.
    """
    crossing = crossing_clusters(dataset.split_clusters())
    if crossing:
        name, found = next(iter(crossing.items()))
        raise InputError(
            f"{source}: {len(crossing)} clusters are in several splits, such as {name} in {' and '.join(found)}; "
            "move each cluster into one split"
        )


def _fill(
    ledger: Ledger,
    dataset: Dataset,
    config: PrepareConfig,
    workers: int,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """Prepare what is not in the store yet.

    Raises:
        InputError: the store cannot be written.
    """

    def note(row: IndexRow | FailureRow) -> None:
        ledger.add(row)
        if on_progress is not None:
            done = len(ledger.rows) + len(ledger.failures)
            on_progress(Progress(done, len(dataset), len(ledger.failures)))

    unfinished = ledger.unfinished(dataset, lambda entry: content_key(entry, config), note)
    tasks = (_Task(entry, ledger.out, config, key) for entry, key in unfinished)
    try:
        for row in run_all(prepare_task, tasks, workers=workers, on_crash=_crashed):
            note(row)
    except OSError as error:
        raise InputError(
            f"{ledger.out}: cannot be written ({error.strerror}); free some space or choose another"
        ) from None


def _manifest(config: PrepareConfig, source: str, layout: str, seconds: float) -> dict[str, object]:
    return {
        "schema_version": SCHEMA_VERSION,
        "prepare_version": PREPARE_VERSION,
        "settings": config.model_dump(),
        "content_key": config.key,
        "source": source,
        "layout": layout,
        "seconds": round(seconds, 1),
        "versions": {name: version(name) for name in ("discodock", "rdkit", "gemmi", "numpy")}
        | {"python": platform.python_version()},
    }


def prepare_task(task: _Task) -> IndexRow | FailureRow:
    """Prepare and write one complex; what is wrong with the complex becomes a failure row, never an exception.

    Raises:
        OSError: the disk is full, or cannot be written at all.
    """
    source = task.source
    try:
        arrays = prepare_complex(source, task.config)
    except StageError as error:
        return FailureRow(source.id, error.stage, str(error))
    except Exception as error:
        return FailureRow(source.id, "unexpected", reason_of(error, source.id, task.out))
    file = f"{COMPLEX_DIR}/{source.id}.npz"
    try:
        digest = write_arrays(task.out / file, arrays)
    except PreparedDataError as error:
        return FailureRow(source.id, "schema", str(error))
    except OSError as error:
        if concerns_all(error):
            raise
        return FailureRow(source.id, "write", os_reason(error))
    return IndexRow(
        id=source.id,
        split=source.split,
        cluster=source.cluster or source.id,
        num_ligand_atoms=len(arrays["ligand_pos"]),
        num_torsions=len(arrays["ligand_tor_bond"]),
        num_residues=int(arrays["receptor_residue_idx"][-1]) + 1,
        file=file,
        key=task.key,
        digest=digest,
    )


def prepare_complex(source: SourceComplex, config: PrepareConfig) -> dict[str, np.ndarray]:
    """Read and featurise one complex.

    Raises:
        StageError: the complex cannot be used.
    """
    with rdBase.BlockLogs():
        crystal = read_crystal(source, keep=config.keep, drop=config.drop)
        return featurize(crystal.receptor, crystal.ligand, config, seed=complex_seed(config.seed, source.id))


def _crashed(task: _Task) -> FailureRow:
    return FailureRow(task.source.id, "crash", "the worker process died (out of memory, or a crash in native code)")


def content_key(source: SourceComplex, config: PrepareConfig) -> str:
    """Hash of everything a prepared file depends on: id, input files, settings, schema and code version."""
    digest = hashlib.blake2b(f"{config.key}/{source.id}".encode(), digest_size=12)
    for name, content in sorted(source.files.items()):
        digest.update(f"/{name}/{len(content)}/".encode())
        digest.update(content)
    return digest.hexdigest()
