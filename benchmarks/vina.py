"""AutoDock Vina beside discodock, same complexes: `python -m benchmarks.vina COMPLEXES_DIR --split val --out DIR`.

Both get the same receptor (metals and cofactors included), the same fresh conformers and the same displaced pocket
centre, or no pocket (`--mode blind`: Vina searches a box around the whole receptor). Compared are discodock, Vina,
discodock's poses optimised and rescored by Vina, and Vina's poses ranked by discodock's confidence; all are judged by
the same measure. CPU-seconds are of docking alone,
preparation of receptor and ligand included. Needs the extra `vina`. Goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.vina_docking import dock_with_vina
from discodock.chem.autodock import VinaPoses
from discodock.chem.conformers import generate_conformers
from discodock.chem.write import pose_mol, write_poses
from discodock.data.crystal import CrystalComplex, list_complexes, read_complex
from discodock.data.datasets.source import SkippedComplex
from discodock.errors import DiscodockError
from discodock.evaluation.evaluate import Evaluation, EvaluationConfig, choose_complexes, evaluate
from discodock.evaluation.sources import (
    DockedPoses,
    PoseFolder,
    PoseSource,
    PredictionConfig,
    RescoredPoses,
    evaluation_pocket,
)
from discodock.files import write_json
from discodock.inference.config import DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.outputs import read_table, write_table

BOX_EDGE = 22.5  # Å, of the search box in pocket mode, or more for long ligands
ROOM = 8.0  # Å that the box has at least beyond the ligand's longest extent, and around the receptor in blind mode
COLUMNS = ("id", "status", "message", "seconds", "cpu_seconds")
SHOWN = {
    "top1_lt2": "top-1 < 2 Å",
    "top5_lt2": "top-5 < 2 Å",
    "oracle_lt2": "any < 2 Å",
    "pb_valid_top1": "valid",
    "top1_lt2_pb_valid": "< 2 Å and valid",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Dock by both, judge, and print the table."""
    options = parse(arguments)
    config = EvaluationConfig(
        mode=options.mode,
        split=options.split,
        limit=options.limit,
        docking=DockingConfig(samples=options.samples, seed=options.seed, threads=1),
    )
    try:
        dock_all(options, config)
        found = judge(options, config)
    except DiscodockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write_json(options.out / "comparison.json", {name: json_metrics(result) for name, result in found.items()})
    table = f"{heading(options)}\n\n{comparison(found)}"
    (options.out / "comparison.md").write_text(table + "\n", encoding="utf-8")
    print(table)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("complexes", type=Path, help="folder of complexes or of shards")
    parser.add_argument("--mode", choices=("pocket", "blind"), default="pocket")
    parser.add_argument("--split", help="only this split")
    parser.add_argument("--limit", type=int, help="a random subset of this many, fixed by the seed")
    parser.add_argument("--exhaustiveness", type=int, default=8, help="independent runs of Vina (default 8)")
    parser.add_argument("--poses", type=int, default=20, help="poses of Vina (default 20)")
    parser.add_argument("--samples", type=int, default=40, help="poses of discodock (default 40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, help="weights (default: those in the package)")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


def dock_all(options: argparse.Namespace, config: EvaluationConfig) -> None:
    """Dock every complex by Vina into `vina/<id>.sdf`; those that are done stay, and failures are tried again."""
    folder = options.out / "vina"
    folder.mkdir(parents=True, exist_ok=True)
    settings = config.model_dump(mode="json", include={"mode", "offset"})
    settings |= {name: getattr(options, name) for name in ("exhaustiveness", "poses", "seed")}
    stated = folder / "settings.json"
    if stated.is_file() and json.loads(stated.read_text()) != settings:
        raise DiscodockError(f"{folder}: holds poses made with other settings; choose another --out")
    write_json(stated, settings)
    rows = {row["id"]: row for row in read_table(folder / "timings.csv") if row["status"] == "ok"}
    for entry in choose_complexes(list_complexes(options.complexes, config.split), config.limit, options.seed):
        if entry.id in rows or isinstance(entry, SkippedComplex):
            continue
        started, cpu_started = time.monotonic(), time.process_time()
        try:
            crystal = read_complex(entry)
            started, cpu_started = time.monotonic(), time.process_time()
            found = dock(entry.id, crystal, options, config)
            outcome = {"status": "ok", "message": ""}
        except (DiscodockError, RuntimeError, ValueError, TypeError) as error:
            outcome = {"status": "failed", "message": " ".join(str(error).split())}
        times = {"seconds": time.monotonic() - started, "cpu_seconds": time.process_time() - cpu_started}
        if outcome["status"] == "ok":
            tags = [{"vina_score": float(score)} for score in found.scores]
            write_poses(crystal.ligand, found.pos, tags, folder / f"{entry.id}.sdf")
        rows[entry.id] = {"id": entry.id} | outcome | {name: f"{value:.3f}" for name, value in times.items()}
        write_table(folder / "timings.csv", COLUMNS, rows.values())
        print(f"{entry.id}: {outcome['status']} {outcome['message']} {times['cpu_seconds']:.1f} CPU-s", file=sys.stderr)


def dock(complex_id: str, crystal: CrystalComplex, options: argparse.Namespace, config: PredictionConfig) -> VinaPoses:
    """Vina's poses of one complex, from the first of the conformers that discodock starts from."""
    conformer = generate_conformers(crystal.ligand.mol, config.docking.conformers, config.docking.seed)[0]
    pocket = evaluation_pocket(complex_id, crystal, config)
    if pocket is None:
        low, high = crystal.receptor.pos.min(axis=0), crystal.receptor.pos.max(axis=0)
        center, size = (low + high) / 2, high - low + ROOM
    else:
        extent = float(np.linalg.norm(conformer[:, None] - conformer[None], axis=2).max())
        center, size = pocket.center, np.full(3, max(BOX_EDGE, extent + ROOM))
    return dock_with_vina(
        pose_mol(crystal.ligand, conformer),
        crystal.receptor,
        center,
        size,
        exhaustiveness=options.exhaustiveness,
        num_poses=options.poses,
        seed=options.seed,
    )


def judge(options: argparse.Namespace, config: EvaluationConfig) -> dict[str, Evaluation]:
    """Evaluations of discodock, Vina, and discodock's poses rescored by Vina."""
    pipeline = DockingPipeline(options.checkpoint, "cpu")
    sources: dict[str, tuple[PoseSource, EvaluationConfig]] = {
        "discodock": (DockedPoses(pipeline), config),
        "AutoDock Vina": (PoseFolder(options.out / "vina"), config),
        "discodock, rescored by Vina": (
            DockedPoses(pipeline),
            config.model_copy(update={"docking": config.docking.with_options({"rescore": "vina"})}),
        ),
    }
    if pipeline.network.confidence_model is not None:
        judged = RescoredPoses(pipeline, PoseFolder(options.out / "vina"))
        sources["AutoDock Vina, ranked by confidence"] = (judged, config)
    found = {}
    for name, (poses, settings) in sources.items():
        out = options.out / name.replace(",", "").replace(" ", "_").lower()
        found[name] = evaluate(poses, options.complexes, out, settings)
    return found


def json_metrics(found: Evaluation) -> dict[str, Any]:
    """Metrics and groups as JSON has them."""
    finite = {name: value if math.isfinite(value) else None for name, value in found.metrics.items()}
    return finite | {"groups": found.groups}


def heading(options: argparse.Namespace) -> str:
    """What was compared, in a sentence."""
    where = "no pocket given" if options.mode == "blind" else "pocket centre displaced by 2 Å"
    split = f", split {options.split}" if options.split else ""
    return (
        f"{options.complexes}{split}; {where}; discodock {options.samples} poses, Vina exhaustiveness"
        f" {options.exhaustiveness} and {options.poses} poses; seed {options.seed}; 95 % intervals in brackets."
    )


def comparison(found: dict[str, Evaluation]) -> str:
    """The table of all methods, and top-1 success by group."""
    lines = ["| | n | failed | " + " | ".join(SHOWN.values()) + " | CPU-s |", "| --- " * (len(SHOWN) + 4) + "|"]
    for name, result in found.items():
        metrics = result.metrics
        rates = [f"{metrics[key]:.0%} ({metrics[f'{key}_low']:.0%}-{metrics[f'{key}_high']:.0%})" for key in SHOWN]
        cells = [
            name,
            f"{metrics['n']:.0f}",
            f"{metrics['failed']:.0f}",
            *rates,
            f"{metrics['cpu_seconds_per_complex']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| top-1 < 2 Å | n | " + " | ".join(found) + " |", "| --- " * (len(found) + 2) + "|"]
    rates_of = [{(row["grouping"], row["group"]): row for row in result.groups} for result in found.values()]
    for key, row in rates_of[0].items():
        cells = [f"{rates[key]['top1_lt2']:.0%}" if key in rates else "" for rates in rates_of]
        lines.append(f"| {key[0]} {key[1]} | {row['n']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
