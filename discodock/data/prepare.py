"""Preparation: structures in, prepared complexes out; parallel, resumable, with a reason for every complex left out."""

import hashlib
import json
import logging
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np
from pydantic import Field, model_validator
from rdkit import rdBase

from discodock.chem.conformers import matched_conformers
from discodock.chem.ligand import LigandRecord, heavy_positions, read_ligand
from discodock.chem.ligand_features import TorsionTopology, ligand_arrays
from discodock.chem.protein import Receptor, read_receptor
from discodock.chem.receptor_features import receptor_arrays
from discodock.data.datasets.registry import DATASETS, Dataset
from discodock.data.datasets.source import EXCLUDED, SourceComplex, Unusable
from discodock.data.ledger import Ledger
from discodock.data.store import COMPLEX_DIR, FailureRow, IndexRow, crossing_clusters, write_arrays
from discodock.data.workers import run_all
from discodock.errors import DiscodockError, InputError, PreparedDataError
from discodock.schema import SCHEMA_VERSION
from discodock.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

PREPARE_VERSION: Final = 1
"""Raised whenever a change of code changes prepared arrays, so that nothing stale is kept."""

CONTACT_DISTANCE: Final = 6.0  # Å: a ligand without receptor atoms so near is not bound to it


class PrepareConfig(Settings):
    """What a prepared complex is made of; every field is part of the content key."""

    num_conformers: int = Field(3, ge=1, le=100, description="RDKit conformers matched to the crystal pose, count")
    max_match_rmsd: float = Field(2.0, gt=0, description="leave out ligands no conformer matches within this RMSD, Å")
    min_ligand_atoms: int = Field(4, ge=1, description="smallest ligand, heavy atoms")
    max_ligand_atoms: int = Field(60, ge=1, description="largest ligand, heavy atoms")
    receptor_radius: float | None = Field(
        None, gt=0, description="keep only residues with an atom this near the ligand, Å; null keeps the whole receptor"
    )
    keep: tuple[str, ...] = Field((), description="residues kept although a rule drops them: name or chain:number")
    drop: tuple[str, ...] = Field((), description="residues dropped: name or chain:number")
    seed: int = Field(0, ge=0, description="seed of the conformers, mixed with each complex's id")

    @model_validator(mode="after")
    def _sizes_in_order(self) -> "PrepareConfig":
        if self.min_ligand_atoms > self.max_ligand_atoms:
            raise ValueError("min_ligand_atoms is larger than max_ligand_atoms")
        return self

    @property
    def key(self) -> str:
        """Hash of the settings, the schema and the code version."""
        text = json.dumps([self.model_dump(), SCHEMA_VERSION, PREPARE_VERSION], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Progress:
    """State of a preparation after one more complex; `total` is 0 when not known."""

    done: int
    total: int
    num_failed: int
    last_id: str


@dataclass(frozen=True)
class PrepareReport:
    """What a preparation did.

    Attributes:
        out: the prepared folder.
        num_prepared: complexes in the store.
        num_reused: of these, complexes that were there already under the same content key.
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


class StageError(DiscodockError):
    """A complex that is left out, with the stage that refused it."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage


@dataclass(frozen=True)
class _Task:
    """One complex to prepare, as sent to a worker process."""

    source: SourceComplex
    out: Path
    config: PrepareConfig
    key: str


def featurize(
    receptor: Receptor, record: LigandRecord, config: PrepareConfig, *, seed: int = 0
) -> dict[str, np.ndarray]:
    """All fields of a prepared complex from a receptor and its bound ligand.

    Args:
        receptor: as read, in the frame of the ligand.
        record: ligand in its crystal pose.
        config: sizes, conformers, radius.
        seed: seed of the conformers.

    Raises:
        StageError: the complex cannot be used; `stage` says where it failed.
    """
    if not record.has_3d:
        raise StageError("ligand", "no 3-D coordinates: the crystal pose is needed")
    crystal_pos = heavy_positions(record.mol)
    if not np.isfinite(crystal_pos).all():
        raise StageError("ligand", "coordinates that are not numbers")
    if not config.min_ligand_atoms <= len(crystal_pos) <= config.max_ligand_atoms:
        limits = f"{config.min_ligand_atoms} to {config.max_ligand_atoms}"
        raise StageError(EXCLUDED, f"{len(crystal_pos)} heavy atoms, outside {limits}")
    arrays = receptor_arrays(receptor)
    distance = _distance_to(arrays["receptor_pos"], crystal_pos)
    if distance.min() > CONTACT_DISTANCE:
        raise StageError("pocket", f"the ligand is {distance.min():.1f} Å away from the receptor")
    if config.receptor_radius is not None:
        arrays = _within_radius(arrays, distance, config.receptor_radius)
    arrays |= ligand_arrays(record.mol)
    conformers = _conformers(record, crystal_pos, arrays, config, seed)
    return arrays | {"ligand_pos": crystal_pos.astype(np.float32), "ligand_conformer_pos": conformers}


def _conformers(
    record: LigandRecord, crystal_pos: np.ndarray, arrays: dict[str, np.ndarray], config: PrepareConfig, seed: int
) -> np.ndarray:
    topology = TorsionTopology(arrays["ligand_tor_bond"], arrays["ligand_mask_rotate"])
    try:
        pos = matched_conformers(record.mol, crystal_pos, topology, num=config.num_conformers, seed=seed)
    except InputError as error:
        raise StageError("conformers", str(error)) from None
    rmsd = np.sqrt(((pos - crystal_pos) ** 2).sum(-1).mean(-1))
    if rmsd.min() > config.max_match_rmsd:
        raise StageError("conformers", f"no conformer matches the pose: {rmsd.min():.2f} Å at best")
    return pos.astype(np.float32)


def _distance_to(receptor_pos: np.ndarray, ligand_pos: np.ndarray) -> np.ndarray:
    """Distance of every receptor atom to its nearest ligand atom, Å, shape (R,)."""
    square = np.full(len(receptor_pos), np.inf)
    for pos in ligand_pos:
        square = np.minimum(square, ((receptor_pos - pos) ** 2).sum(-1))
    return np.sqrt(square)


def _within_radius(arrays: dict[str, np.ndarray], distance: np.ndarray, radius: float) -> dict[str, np.ndarray]:
    """Whole residues that have an atom within the radius of the ligand."""
    residue_idx = arrays["receptor_residue_idx"]
    near = np.zeros(residue_idx.max() + 1, dtype=bool)
    near[residue_idx[distance <= radius]] = True
    kept = {name: array[near[residue_idx]] for name, array in arrays.items()}
    _, renumbered = np.unique(kept["receptor_residue_idx"], return_inverse=True)
    return kept | {"receptor_residue_idx": renumbered.astype(np.int32)}


def prepare_complex(source: SourceComplex, config: PrepareConfig) -> dict[str, np.ndarray]:
    """Read and featurise one complex.

    Raises:
        StageError: the complex cannot be used.
    """

    def use(receptor: Receptor, record: LigandRecord) -> dict[str, np.ndarray]:
        with rdBase.BlockLogs():
            return featurize(receptor, record, config, seed=complex_seed(config.seed, source.id))

    return read_complex(source, config, use)


def read_complex(source: SourceComplex, config: PrepareConfig, use: Callable[[Receptor, LigandRecord], T]) -> T:
    """Read the receptor and the ligand of a complex as its settings say, and make something of them.

    Raises:
        StageError: the complex cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="discodock-") as name:
        folder = Path(name)
        for file, content in source.files.items():
            (folder / file).write_bytes(content)
        try:
            record = _read_first_ligand(folder, source.ligands)
            return use(_read_receptor(folder, source, record, config), record)
        except StageError as error:
            raise StageError(error.stage, str(error).replace(f"{folder}/", "")) from None


def complex_seed(seed: int, complex_id: str) -> int:
    """Seed of one complex: it does not depend on the order or number of the others."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{complex_id}".encode(), digest_size=4).digest(), "big") >> 1


def _read_first_ligand(folder: Path, names: tuple[str, ...]) -> LigandRecord:
    """Ligand of the first file that can be read; PDBBind's sdf and mol2 each fail for some."""
    reasons = []
    for name in names:
        try:
            with rdBase.BlockLogs():
                return read_ligand(folder / name)
        except InputError as error:
            reasons.append(str(error))
    raise StageError("ligand", "; ".join(reasons))


def _read_receptor(folder: Path, source: SourceComplex, record: LigandRecord, config: PrepareConfig) -> Receptor:
    extra = None if source.cofactors is None else folder / source.cofactors
    try:
        return read_receptor(
            folder / source.protein, extra=extra, keep=config.keep, drop=config.drop, reference_ligands=[record.mol]
        )
    except InputError as error:
        raise StageError("receptor", str(error)) from None


def prepare(
    source: str | Path,
    out: str | Path,
    config: PrepareConfig | None = None,
    *,
    layout: Literal["complexes", "pdbbind"] = "complexes",
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
        layout: how the source is laid out.
        splits: folder of split files; otherwise `index.csv`'s column or the archive's name, otherwise all is train.
        workers: processes.
        on_progress: called after each complex.

    Raises:
        InputError: the source or the output folder cannot be used, or a cluster is in two splits.
    """
    started = time.monotonic()
    config = config or PrepareConfig()
    dataset = DATASETS[layout](Path(source), None if splits is None else Path(splits))
    crossing = crossing_clusters(dataset.split_clusters())
    if crossing:
        name, found = next(iter(crossing.items()))
        raise InputError(
            f"{source}: {len(crossing)} clusters are in several splits, such as {name} in {' and '.join(found)}; "
            "move each cluster into one split"
        )
    with Ledger(Path(out)) as ledger:

        def note(row: IndexRow | FailureRow) -> None:
            ledger.add(row)
            if on_progress is not None:
                done = len(ledger.rows) + len(ledger.failures)
                on_progress(Progress(done, len(dataset), len(ledger.failures), row.id))

        try:
            for row in run_all(
                prepare_task, _open_tasks(dataset, ledger, config, note), workers=workers, on_crash=_crashed
            ):
                note(row)
        except OSError as error:
            raise InputError(
                f"{out}: cannot be written ({error.strerror}); free some space or choose another"
            ) from None
    seconds = time.monotonic() - started
    ledger.finish(_manifest(config, str(source), layout, seconds))
    failures = ledger.sorted_failures()
    return PrepareReport(Path(out), len(ledger.rows), ledger.num_reused, ledger.num_by_split(), failures, seconds)


def _open_tasks(
    dataset: Dataset, ledger: Ledger, config: PrepareConfig, note: Callable[[IndexRow | FailureRow], None]
) -> Iterator[_Task]:
    """Complexes that are not done yet; those that are, or that cannot be handed over, are noted on the way."""
    for entry in dataset:
        if ledger.has(entry.id):
            raise InputError(f"{entry.id}: two complexes of this name in the source; give each its own name")
        if isinstance(entry, Unusable):
            note(FailureRow(entry.id, entry.stage, entry.reason))
            continue
        key = content_key(entry, config)
        row = ledger.earlier(entry.id, key, split=entry.split, cluster=entry.cluster or entry.id)
        if row is None:
            yield _Task(entry, ledger.out, config, key)
        else:
            note(row)


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
        OSError: the store cannot be written.
    """
    source = task.source
    try:
        arrays = prepare_complex(source, task.config)
    except StageError as error:
        return FailureRow(source.id, error.stage, str(error))
    except Exception as error:  # one complex must not end the run: reported with its type, traceback at debug level
        logger.debug("%s: unexpected", source.id, exc_info=True)
        return FailureRow(source.id, "unexpected", f"{type(error).__name__}: {error}".splitlines()[0])
    file = f"{COMPLEX_DIR}/{source.id}.npz"
    try:
        write_arrays(task.out / file, arrays)
    except PreparedDataError as error:
        return FailureRow(source.id, "schema", str(error))
    return IndexRow(
        id=source.id,
        split=source.split,
        cluster=source.cluster or source.id,
        num_ligand_atoms=len(arrays["ligand_pos"]),
        num_torsions=len(arrays["ligand_tor_bond"]),
        num_residues=int(arrays["receptor_residue_idx"][-1]) + 1,
        file=file,
        key=task.key,
    )


def _crashed(task: _Task) -> FailureRow:
    return FailureRow(task.source.id, "crash", "the worker process died (out of memory, or a crash in native code)")


def content_key(source: SourceComplex, config: PrepareConfig) -> str:
    """Hash of everything a prepared file depends on: id, input files, settings, schema and code version."""
    digest = hashlib.blake2b(f"{config.key}/{source.id}".encode(), digest_size=12)
    for name, content in sorted(source.files.items()):
        digest.update(f"/{name}/{len(content)}/".encode())
        digest.update(content)
    return digest.hexdigest()
