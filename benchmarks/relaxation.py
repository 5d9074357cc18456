"""What relaxation does to poses: `python -m benchmarks.relaxation COMPLEXES_DIR --split val --limit 60 --out DIR`.

Every complex is docked once, into a pocket whose centre is displaced by 2 Å, from fresh conformers; all methods get the
same sampled poses. `none` and `fast` judge all of them and rank them by agreement and Vina's score. `openmm` and
`flexible` (openmm with side chains that move) are slower: they get the pose that `fast` ranks first, which stays the
first, and a few more of the near-native ones, those sampled below 2 Å of the crystal pose. Validity is that of the
first pose. CPU-seconds a pose include the preparation of the pocket, shared by few poses here. Needs the extra `relax`.
Goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from discodock.chem.validity import check_validity
from discodock.chem.write import pose_mol
from discodock.data.crystal import CrystalComplex, list_complexes, read_complex
from discodock.data.datasets.source import SkippedComplex
from discodock.errors import DiscodockError
from discodock.evaluation.evaluate import choose_complexes
from discodock.evaluation.metrics import SUCCESS_RMSD, wilson_interval
from discodock.evaluation.rmsd import ligand_rmsd
from discodock.evaluation.sources import PredictionConfig, evaluation_pocket
from discodock.files import write_json
from discodock.geometry.rmsd import pairwise_rmsd
from discodock.inference.config import DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.inputs import docking_arrays
from discodock.inference.outputs import read_table, write_table
from discodock.inference.ranking import consensus, rank_scores
from discodock.inference.relaxation.config import RelaxationConfig
from discodock.inference.relaxation.relax import relax_poses
from discodock.inference.relaxation.relaxed import RelaxedPoses
from discodock.physics.config import OpenMMConfig

COLUMNS = (
    "id", "method", "status", "message", "sample", "is_first", "rmsd_before", "rmsd_after", "shift", "valid",
    "failed_checks", "cpu_seconds",
)  # fmt: skip
SETTINGS = ("samples", "seed", "radius", "near_native")
METHODS = ("none", "fast", "openmm", "flexible")


@dataclass(frozen=True)
class Case:
    """A complex with the poses that were sampled for it, (N, L, 3), and their RMSD from the crystal pose, Å."""

    id: str
    crystal: CrystalComplex
    arrays: dict[str, np.ndarray]
    poses: np.ndarray
    rmsd: np.ndarray


def main(arguments: Sequence[str] | None = None) -> int:
    """Relax by all methods, judge, and print the table."""
    options = parse(arguments)
    table = options.out / "poses.csv"
    try:
        check_settings(options)
        measure_all(options, table)
    except DiscodockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = {method: summary(read_table(table), method) for method in METHODS}
    write_json(options.out / "relaxation.json", {method: values for method, values in found.items() if values})
    text = f"{heading(options)}\n\n{as_table(found)}"
    (options.out / "relaxation.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("complexes", type=Path, help="folder of complexes or of shards")
    parser.add_argument("--split", help="only this split")
    parser.add_argument("--limit", type=int, help="a random subset of this many, fixed by the seed")
    parser.add_argument("--samples", type=int, default=10, help="poses of each complex (default 10)")
    parser.add_argument("--near-native", type=int, default=3, help="of these for the slow methods (default 3)")
    parser.add_argument("--radius", type=float, default=4.0, help="of flexible side chains, Å (default 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, help="weights (default: those in the package)")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


def check_settings(options: argparse.Namespace) -> None:
    """Refuse to mix poses of several settings."""
    (options.out / "sampled").mkdir(parents=True, exist_ok=True)
    stated = options.out / "settings.json"
    settings = {name: getattr(options, name) for name in SETTINGS} | {"checkpoint": str(options.checkpoint)}
    if stated.is_file() and json.loads(stated.read_text()) != settings:
        raise DiscodockError(f"{options.out}: holds poses made with other settings; choose another --out")
    write_json(stated, settings)


def measure_all(options: argparse.Namespace, table: Path) -> None:
    """Every method on every complex; what is in the table already stays."""
    pipeline = DockingPipeline(options.checkpoint, "cpu")
    rows: list[dict[str, Any]] = [dict(row) for row in read_table(table)]
    done = {row["id"] for row in rows}
    for entry in choose_complexes(list_complexes(options.complexes, options.split), options.limit, options.seed):
        if entry.id in done or isinstance(entry, SkippedComplex):
            continue
        try:
            rows += measure(read_case(entry.id, read_complex(entry), pipeline, options), options)
        except (DiscodockError, RuntimeError, ValueError) as error:
            rows.append({"id": entry.id, "status": "failed", "message": " ".join(str(error).split())})
        write_table(table, COLUMNS, rows)
        print(f"{entry.id}: {rows[-1]['status']} {rows[-1]['message']}", file=sys.stderr, flush=True)


def read_case(complex_id: str, crystal: CrystalComplex, pipeline: DockingPipeline, options: argparse.Namespace) -> Case:
    """A complex with its sampled poses, from an earlier run if there was one."""
    docking = DockingConfig().with_options(
        {"samples": options.samples, "exhaustiveness": 1, "seed": options.seed, "threads": 1, "relax": "none"}
    )
    path = options.out / "sampled" / f"{complex_id}.npy"
    if path.is_file():
        poses = np.load(path)
    else:
        pocket = evaluation_pocket(complex_id, crystal, PredictionConfig(docking=docking))
        poses = pipeline.sample(crystal.receptor, crystal.ligand, pocket, docking).sampled.pos
        np.save(path, poses)
    arrays = docking_arrays(crystal.receptor, crystal.ligand, docking)
    rmsd = ligand_rmsd(crystal.ligand.mol, crystal.crystal_pos, poses).values
    return Case(complex_id, crystal, arrays, poses, rmsd)


def measure(case: Case, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of the table, one for every method and pose."""
    everything = np.arange(len(case.poses))
    rows = method_rows(case, "none", RelaxationConfig(method="none"), everything)
    rows += method_rows(case, "fast", RelaxationConfig(method="fast"), everything)
    first = next(row["sample"] for row in rows if row["method"] == "fast" and row["is_first"])
    near = [i for i in np.flatnonzero(case.rmsd < SUCCESS_RMSD) if i != first][: options.near_native]
    chosen = np.array([first, *near])
    rows += method_rows(case, "openmm", RelaxationConfig(method="openmm"), chosen, first)
    flexible = RelaxationConfig(method="openmm", openmm=OpenMMConfig(flexible=options.radius))
    return rows + method_rows(case, "flexible", flexible, chosen, first)


def method_rows(
    case: Case, method: str, config: RelaxationConfig, chosen: np.ndarray, first: int | None = None
) -> list[dict[str, Any]]:
    """Relax some poses by one method; `first` is the sample whose pose is judged, by default the best-ranked one."""
    crystal, poses = case.crystal, case.poses[chosen]
    started = time.process_time()
    found = relax_poses(poses, crystal.ligand, crystal.receptor, case.arrays, config, torch.device("cpu"))
    seconds = (time.process_time() - started) / len(chosen)
    if first is None:
        scores = rank_scores(
            consensus(pairwise_rmsd(found.pos, case.arrays["ligand_automorphisms"])), found.ranking_energy
        )
        first = int(chosen[np.argmax(scores)])
    rmsd = ligand_rmsd(crystal.ligand.mol, crystal.crystal_pos, found.pos).values
    rows = []
    for place, sample in enumerate(chosen.tolist()):
        row = {"id": case.id, "method": method, "status": "ok", "message": "; ".join(found.warnings)}
        row |= {"sample": sample, "is_first": sample == first, "cpu_seconds": f"{seconds:.3f}"}
        row |= {"rmsd_before": f"{case.rmsd[sample]:.3f}", "rmsd_after": f"{rmsd[place]:.3f}"}
        row |= {"shift": f"{found.shift[place]:.3f}"}
        rows.append(row | (validity_of(case, found, place) if sample == first else {}))
    return rows


def validity_of(case: Case, found: RelaxedPoses, place: int) -> dict[str, Any]:
    """What PoseBusters' checks say of a pose, in the receptor as it lies around it."""
    receptor = case.crystal.receptor.with_moved(found.side_chains[place] if found.side_chains else None)
    (validity,) = check_validity([pose_mol(case.crystal.ligand, found.pos[place])], receptor)
    return {"valid": validity.is_valid, "failed_checks": ";".join(validity.failed)}


def summary(rows: Sequence[dict[str, str]], method: str) -> dict[str, float]:
    """The figures of one method; none if it has no rows."""
    rows = [row for row in rows if row["method"] == method]
    if not rows:
        return {}
    firsts = [row for row in rows if row["is_first"] == "true"]
    before, after, shift = (
        np.array([float(row[name]) for row in rows]) for name in ("rmsd_before", "rmsd_after", "shift")
    )
    is_near = before < SUCCESS_RMSD
    values = {"n": len(firsts), "poses": len(rows), "near_native": int(is_near.sum())}
    values |= rate("pb_valid_top1", [row["valid"] == "true" for row in firsts])
    values |= rate("top1_lt2_before", [float(row["rmsd_before"]) < SUCCESS_RMSD for row in firsts])
    values |= rate("top1_lt2", [float(row["rmsd_after"]) < SUCCESS_RMSD for row in firsts])
    if is_near.any():
        change = (after - before)[is_near]
        values |= {
            "median_shift": float(np.median(shift[is_near])),
            "p90_shift": float(np.quantile(shift[is_near], 0.9)),
        }
        values |= {"median_rmsd_change": float(np.median(change)), "p90_rmsd_change": float(np.quantile(change, 0.9))}
        values |= rate("out_of_2", list(after[is_near] >= SUCCESS_RMSD))
    if not is_near.all():
        values |= rate("into_2", list(after[~is_near] < SUCCESS_RMSD))
    return values | {"cpu_seconds_per_pose": float(np.mean([float(row["cpu_seconds"]) for row in rows]))}


def rate(name: str, successes: Sequence[bool]) -> dict[str, float]:
    """A rate with its 95 % interval."""
    low, high = wilson_interval(sum(successes), len(successes))
    return {name: sum(successes) / len(successes), f"{name}_low": low, f"{name}_high": high}


def heading(options: argparse.Namespace) -> str:
    """What was measured, in a sentence."""
    return (
        f"{options.samples} poses a complex, pocket centre displaced by 2 Å, seed {options.seed}, flexible side chains"
        f" within {options.radius:g} Å; 95 % intervals in brackets; near-native: sampled below 2 Å."
    )


HEADINGS = (
    "method", "n", "top-1 PB-valid", "top-1 < 2 Å, as sampled", "top-1 < 2 Å", "near-native poses",
    "shift, median (90 %)", "change of RMSD, median (90 %)", "near-native leave 2 Å", "others come into 2 Å",
    "CPU-s a pose",
)  # fmt: skip


def as_table(found: dict[str, dict[str, float]]) -> str:
    """The figures of all methods in Markdown."""
    lines = [f"| {' | '.join(HEADINGS)} |", "| --- " * len(HEADINGS) + "|"]
    for method, values in found.items():
        if not values:
            continue
        cells = [method, str(values["n"]), *(percent(values, name) for name in ("pb_valid_top1", "top1_lt2_before"))]
        cells += [percent(values, "top1_lt2"), str(values["near_native"])]
        pairs = (("median_shift", "p90_shift"), ("median_rmsd_change", "p90_rmsd_change"))
        cells += [f"{values[median]:.2f} ({values[p90]:.2f})" if median in values else "" for median, p90 in pairs]
        cells += [percent(values, "out_of_2"), percent(values, "into_2"), f"{values['cpu_seconds_per_pose']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def percent(values: dict[str, float], name: str) -> str:
    """A rate and its interval in percent; empty if there is none."""
    if name not in values:
        return ""
    return f"{values[name]:.1%} ({values[f'{name}_low']:.0%}-{values[f'{name}_high']:.0%})"


if __name__ == "__main__":
    sys.exit(main())
