"""Redocking of crystal complexes: success rates of a checkpoint, resumable, failures counted as failures."""

from __future__ import annotations

import hashlib
import heapq
import json
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import Field

from discodock.chem.ligand import heavy_indices
from discodock.errors import DiscodockError, InputError
from discodock.evaluation.metrics import SUCCESS_RMSD, Redocking, compute_metrics
from discodock.evaluation.rmsd import symmetric_rmsd
from discodock.inference.complexes import CrystalComplex, SourceComplex, Unusable, list_complexes, read_complex
from discodock.inference.dock import Docker
from discodock.inference.outputs import read_table, run_record, write_json, write_table
from discodock.inference.pocket import DEFAULT_RADIUS, Pocket
from discodock.inference.result import DockingResult
from discodock.inference.sample import SamplingConfig
from discodock.settings import Settings

METRICS_FILE: Final = "metrics.json"
TABLE_FILE: Final = "per_complex.csv"
RUN_FILE: Final = "run.json"
COLUMNS: Final = (
    "id", "split", "cluster", "status", "message", "num_ligand_atoms", "num_residues", "top1_rmsd",
    "top5_rmsd", "oracle_rmsd", "centroid_top1", "sample_lt2", "is_exact_rmsd", "seconds", "rmsds",
    "site_distances", "latent_code",
)  # fmt: skip
"""Columns of `per_complex.csv`; `rmsds` has every pose's, best-ranked first, so that any metric can be had later, and
`site_distances` those of the sites' centres from the crystal centroid, most probable first (blind mode)."""

WRITE_INTERVAL: Final = 5.0  # s between two writings of the table, the work that a kill can lose


class EvaluationConfig(Settings):
    """What is redocked, and how."""

    mode: Literal["pocket", "blind"] = Field(
        "pocket", description="pocket: a centre near the crystal ligand's is given; blind: the protein is searched"
    )
    split: str | None = Field(None, description="only complexes of this split; none: all")
    limit: int | None = Field(None, ge=1, description="a random subset of this many complexes, fixed by the seed")
    offset: float = Field(2.0, ge=0, description="displacement of the pocket's centre in a random direction, Å")
    sampling: SamplingConfig = Field(SamplingConfig(), description="how poses are drawn")


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found: `metrics` by name, and one row of `per_complex.csv` for each complex."""

    metrics: dict[str, float]
    rows: list[dict[str, str]]


class EvaluationListener:
    """Told how an evaluation goes; the base class ignores it."""

    def planned(self, num_complexes: int) -> None:
        """The number of complexes is known."""

    def finished(self, row: dict[str, str], *, is_kept: bool) -> None:
        """A complex is done, now or (`is_kept`) in an earlier run."""


def evaluate(
    docker: Docker, source: Path, out: Path, config: EvaluationConfig, *, listener: EvaluationListener | None = None
) -> Evaluation:
    """Redock the complexes of a source and write `metrics.json` and `per_complex.csv`.

    In pocket mode the centre is the crystal ligand's centroid moved by `config.offset` in a direction that depends on
    the seed and the complex's id alone; in blind mode the site model searches the whole protein. Starting conformers
    are always built afresh. Complexes that an earlier run with the same settings and checkpoint has finished are not
    done again.

    Args:
        docker: loaded network.
        source: folder of complexes, folder of shards, or one shard.
        out: output folder.
        config: what and how.
        listener: told of progress.

    Raises:
        InputError: there is nothing to evaluate, or `out` holds an evaluation with other settings.
    """
    listener = listener or EvaluationListener()
    record = run_record(docker.network, config.model_dump(mode="json"), ()) | {"source": str(source)}
    rows = _earlier_rows(out, record)
    chosen = choose_complexes(list_complexes(source, config.split), config.limit, config.sampling.seed)
    listener.planned(len(chosen))
    if not chosen:
        raise InputError(f"{source}: no complexes{f' of split {config.split}' if config.split else ''}; check the path")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / RUN_FILE, record)
    last_written = time.monotonic()
    try:
        for entry in chosen:
            is_kept = entry.id in rows
            if not is_kept:
                rows[entry.id] = {key: str(value) for key, value in redock(docker, entry, config).items()}
            listener.finished(rows[entry.id], is_kept=is_kept)
            if time.monotonic() - last_written > WRITE_INTERVAL:
                write_table(out / TABLE_FILE, COLUMNS, rows.values())
                last_written = time.monotonic()
    finally:
        write_table(out / TABLE_FILE, COLUMNS, rows.values())
    found = [rows[entry.id] for entry in chosen]
    metrics = compute_metrics([_redocking(row) for row in found])
    write_json(out / METRICS_FILE, {name: None if math.isinf(value) else value for name, value in metrics.items()})
    return Evaluation(metrics, found)


def choose_complexes(
    entries: Iterable[SourceComplex | Unusable], limit: int | None, seed: int
) -> list[SourceComplex | Unusable]:
    """A random subset in random order that depends on the seed and the ids alone, so that any start of it is fair.

    Args:
        entries: all there are; memory is taken only for those chosen.
        limit: how many; None takes all.
        seed: of the order.
    """

    def place(entry: SourceComplex | Unusable) -> tuple[int, str]:
        return _seed_of(seed, entry.id, "order"), entry.id

    return sorted(entries, key=place) if limit is None else heapq.nsmallest(limit, entries, key=place)


def redock(docker: Docker, entry: SourceComplex | Unusable, config: EvaluationConfig) -> dict[str, Any]:
    """Redock one complex; a failure becomes a row with its reason. Returns a row of `per_complex.csv`."""
    started = time.monotonic()
    if isinstance(entry, Unusable):
        return _failure_row(entry.id, "", "", entry.reason, 0.0)
    try:
        crystal = read_complex(entry)
        center = displaced_center(crystal.crystal_pos, config.offset, config.sampling.seed, entry.id)
        given = Pocket(center, DEFAULT_RADIUS, f"crystal centroid, moved by {config.offset:g} Å")
        pocket = given if config.mode == "pocket" else None
        result = docker.dock(crystal.receptor, crystal.ligand, pocket, config.sampling, name=entry.id)
        values = _pose_values(crystal, np.stack([pose.pos for pose in result.poses]))
        if config.mode == "blind":
            values |= _site_values(crystal, result)
    except DiscodockError as error:
        return _failure_row(entry.id, entry.split, entry.cluster, str(error), time.monotonic() - started)
    except (ValueError, RuntimeError, IndexError, KeyError, ArithmeticError) as error:
        reason = f"unexpected {type(error).__name__}: {error}"
        return _failure_row(entry.id, entry.split, entry.cluster, reason, time.monotonic() - started)
    seconds = round(time.monotonic() - started, 3)
    return {"id": entry.id, "split": entry.split, "cluster": entry.cluster, "status": "ok", "seconds": seconds} | values


def displaced_center(crystal_pos: np.ndarray, offset: float, seed: int, complex_id: str) -> np.ndarray:
    """The centroid of the crystal pose (L, 3) moved by `offset` Å in a random direction; Å, shape (3,)."""
    direction = np.random.default_rng(_seed_of(seed, complex_id, "offset")).normal(size=3)
    return crystal_pos.mean(axis=0) + offset * direction / np.linalg.norm(direction)


def _pose_values(crystal: CrystalComplex, poses: np.ndarray) -> dict[str, Any]:
    """Everything about the poses (N, L, 3), best-ranked first, that goes into a row."""
    mol = crystal.ligand.mol
    heavy = heavy_indices(mol)
    numbers = np.array([mol.GetAtomWithIdx(int(index)).GetAtomicNum() for index in heavy])
    place = {int(index): number for number, index in enumerate(heavy)}
    adjacency = np.zeros((len(heavy), len(heavy)), dtype=int)
    for bond in mol.GetBonds():
        i, j = place.get(bond.GetBeginAtomIdx()), place.get(bond.GetEndAtomIdx())
        if i is not None and j is not None:
            adjacency[i, j] = adjacency[j, i] = 1
    rmsd = symmetric_rmsd(crystal.crystal_pos, poses, numbers, adjacency)
    values = rmsd.values
    return {
        "num_ligand_atoms": len(heavy),
        "num_residues": len(crystal.receptor.residues),
        "top1_rmsd": f"{values[0]:.3f}",
        "top5_rmsd": f"{values[:5].min():.3f}",
        "oracle_rmsd": f"{values.min():.3f}",
        "centroid_top1": f"{np.linalg.norm((poses[0] - crystal.crystal_pos).mean(axis=0)):.3f}",
        "sample_lt2": f"{(values < SUCCESS_RMSD).mean():.4f}",
        "is_exact_rmsd": rmsd.is_exact,
        "rmsds": " ".join(f"{value:.3f}" for value in values),
    }


def _site_values(crystal: CrystalComplex, result: DockingResult) -> dict[str, Any]:
    """How far the sites that were found are from the crystal ligand's centroid."""
    center = crystal.crystal_pos.mean(axis=0)
    distances = [np.linalg.norm(site.pocket.center - center) for site in result.sites]
    return {
        "site_distances": " ".join(f"{distance:.3f}" for distance in distances),
        "latent_code": result.best.site.code,
    }


def _failure_row(complex_id: str, split: str, cluster: str, message: str, seconds: float) -> dict[str, Any]:
    return {
        "id": complex_id,
        "split": split,
        "cluster": cluster,
        "status": "failed",
        "message": " ".join(message.split()),
        "seconds": round(seconds, 3),
    }


def _redocking(row: dict[str, str]) -> Redocking:
    rmsds = tuple(float(value) for value in row.get("rmsds", "").split())
    distance = float(row["centroid_top1"]) if rmsds else math.inf
    sites = tuple(float(value) for value in row.get("site_distances", "").split())
    return Redocking(row["id"], rmsds, distance, float(row["seconds"]), row.get("cluster", ""), sites)


def _earlier_rows(out: Path, record: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Finished rows of an earlier run with the same settings and checkpoint; failures are tried again.

    Raises:
        InputError: the folder holds an evaluation that is another one.
    """
    try:
        earlier = json.loads((out / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if _identity(earlier) != _identity(record):
        raise InputError(f"{out}: holds an evaluation with other settings or another checkpoint; choose another --out")
    return {row["id"]: row for row in read_table(out / TABLE_FILE) if row["status"] == "ok"}


def _identity(record: dict[str, Any]) -> dict[str, Any]:
    """What must be equal for rows to be taken over; the subset may grow."""
    settings = {key: value for key, value in record.get("settings", {}).items() if key not in ("limit", "split")}
    sampling = {key: value for key, value in settings.get("sampling", {}).items() if key != "batch_size"}
    return {"settings": settings | {"sampling": sampling}, "sha256": record.get("checkpoint", {}).get("sha256")}


def _seed_of(seed: int, complex_id: str, purpose: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{purpose}/{complex_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
