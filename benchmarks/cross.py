"""Cross-docking: the ligand of one crystal structure into another structure of the same protein.

`python -m benchmarks.cross COMPLEXES_DIR --split val --out DIR` docks each ligand into the receptor of another entry of
its protein family, with a pocket (centre displaced by 2 Å) and blindly, from fresh conformers. The receptor has adapted
to another ligand, or to none, as it has for those who dock into a structure from the PDB. Poses are judged by the
ligand's own crystal pose, carried over by superposing its chain on the receptor's; of several equal chains any will do.
Goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from discodock.cli.runtime import hide_reader_notes
from discodock.data.crystal import CrystalComplex, list_complexes, read_complex
from discodock.data.datasets.source import SourceComplex
from discodock.errors import DiscodockError, InputError
from discodock.evaluation.displacement import displaced_center, seed_of
from discodock.evaluation.evaluate import choose_complexes
from discodock.evaluation.metrics import RedockingResult, compute_metrics
from discodock.evaluation.rmsd import ligand_rmsd
from discodock.files import write_json
from discodock.inference.config import DEFAULT_RADIUS, DockingConfig
from discodock.inference.dock import DockingPipeline
from discodock.inference.outputs import read_table, write_table
from discodock.inference.pocket import Pocket
from discodock.inference.result import DockingResult

MODES = ("pocket", "blind")
OFFSET = 2.0  # Å that the pocket's centre is displaced by, as in `discodock evaluate`
MIN_IDENTITY = 0.95  # of aligned residues, for chains of the same protein
MIN_ALIGNED = 50  # alpha carbons that are superposed
CONTACT = 5.0  # Å from the protein, of most atoms of a ligand in its site
MAX_RMSD = 3.0  # Å between them, after those that moved most are left out
COLUMNS = (
    "mode", "id", "receptor", "cluster", "ca_rmsd", "status", "message", "rmsds", "centroid", "site_distances",
    "num_modes", "seconds", "cpu_seconds",
)  # fmt: skip
SHOWN = {
    "top1_lt2": "top-1 < 2 Å",
    "top5_lt2": "top-5 < 2 Å",
    "oracle_lt2": "any < 2 Å",
    "top1_lt5": "top-1 < 5 Å",
}


@dataclass(frozen=True)
class Pair:
    """A ligand and the receptor that it is docked into.

    Attributes:
        ligand: the complex that the ligand is from.
        crystal: the same, read.
        receptor: the complex that the receptor is from.
        references: the ligand's crystal pose at every equal chain of the receptor, closest chain first, Å, (C, L, 3).
        ca_rmsd: of the alpha carbons of the closest chain, Å.
    """

    ligand: SourceComplex
    crystal: CrystalComplex
    receptor: SourceComplex
    references: np.ndarray
    ca_rmsd: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Dock all pairs and print the table."""
    options = parse(arguments)
    hide_reader_notes()
    try:
        rows = dock_all(options)
    except DiscodockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = {mode: compute_metrics([redocking(row) for row in rows if row["mode"] == mode]) for mode in options.modes}
    finite = {mode: {k: v if math.isfinite(v) else None for k, v in each.items()} for mode, each in found.items()}
    write_json(options.out / "metrics.json", finite)
    print(table(found))
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("complexes", type=Path, help="folder of complexes or of shards, with an index of families")
    parser.add_argument("--split", help="only this split")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--limit", type=int, help="at most this many pairs, a random choice fixed by the seed")
    parser.add_argument("--per-family", type=int, help="at most this many ligands of a protein family")
    parser.add_argument("--samples", type=int, default=40, help="poses (default 40)")
    parser.add_argument("--steps", type=int, default=20, help="solver steps (default 20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, help="weights (default: those in the package)")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


def dock_all(options: argparse.Namespace) -> list[dict[str, str]]:
    """Dock every pair; rows that an earlier run finished stay, and failures are tried again.

    Raises:
        InputError: there are no pairs, or the folder holds rows of other settings.
    """
    pipeline = DockingPipeline(options.checkpoint, "cpu")
    settings = {name: getattr(options, name) for name in ("samples", "steps", "seed")}
    settings |= {"checkpoint": pipeline.network.sha256}
    stated = options.out / "settings.json"
    if stated.is_file() and json.loads(stated.read_text()) != settings:
        raise InputError(f"{options.out}: holds poses made with other settings; choose another --out")
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(stated, settings)
    path = options.out / "pairs.csv"
    earlier = {(row["mode"], row["id"]): row for row in read_table(path) if row["status"] == "ok"}
    config = DockingConfig(threads=1, validity=False).with_options(
        {"samples": options.samples, "seed": options.seed, "steps": options.steps}
    )
    rows: list[dict[str, str]] = []
    for pair in find_pairs(options):
        for mode in options.modes:
            row = earlier.pop((mode, pair.ligand.id), None) or dock_pair(pipeline, pair, mode, config)
            rows.append(row)
            write_table(path, COLUMNS, [*rows, *earlier.values()])
            print(f"{mode} {pair.ligand.id} into {pair.receptor.id}: {summary(row)}", file=sys.stderr)
    if not rows:
        raise InputError(f"{options.complexes}: no two entries of one protein, or no index with families beside them")
    return rows


def find_pairs(options: argparse.Namespace) -> Iterator[Pair]:
    """Each ligand with the first entry of its family, in a random order, that has the same protein."""
    entries = [
        e for e in list_complexes(options.complexes, options.split) if isinstance(e, SourceComplex) and e.cluster
    ]
    ordered = [e for e in choose_complexes(entries, None, options.seed) if isinstance(e, SourceComplex)]
    families: dict[str, list[SourceComplex]] = defaultdict(list)
    for entry in ordered:
        families[entry.cluster].append(entry)
    taken: Counter[str] = Counter()
    for entry in ordered:
        if options.per_family is not None and taken[entry.cluster] >= options.per_family:
            continue
        places = {e.id: seed_of(options.seed, f"{entry.id} {e.id}", "pair") for e in families[entry.cluster]}
        others = [e for e in families[entry.cluster] if e.id.split("_")[0] != entry.id.split("_")[0]]
        pair = first_fit(entry, sorted(others, key=lambda e: places[e.id]))  # noqa: B023
        if pair is not None:
            yield pair
            taken[entry.cluster] += 1
        if options.limit is not None and taken.total() >= options.limit:
            return


def first_fit(ligand: SourceComplex, others: Sequence[SourceComplex]) -> Pair | None:
    """The ligand with the first of others that has the same protein; None if none has, or the ligand is unreadable."""
    if not others:
        return None
    try:
        crystal = read_complex(ligand)
    except InputError:
        return None
    own = structure(ligand)
    chain = min(own[0], key=lambda each: nearest(each, crystal.crystal_pos))
    return next(filter(None, (superposed(ligand, crystal, chain, other) for other in others)), None)


def superposed(
    ligand: SourceComplex, crystal: CrystalComplex, chain: gemmi.Chain, receptor: SourceComplex
) -> Pair | None:
    """The ligand beside its chain, carried over to the receptor's chains; None if they are not the same protein."""
    other = structure(receptor)
    found = []
    for equal in other[0]:
        if identity(chain.get_polymer(), equal.get_polymer()) < MIN_IDENTITY:
            continue
        fit = gemmi.calculate_superposition(
            equal.get_polymer(), chain.get_polymer(), gemmi.PolymerType.PeptideL, gemmi.SupSelect.CaP, trim_cycles=3
        )
        if fit.count >= MIN_ALIGNED and fit.rmsd <= MAX_RMSD:
            moved = [fit.transform.apply(gemmi.Position(*point)).tolist() for point in crystal.crystal_pos]
            if is_there(np.array(moved), other):
                found.append((fit.rmsd, np.array(moved)))
    found.sort(key=lambda each: each[0])
    return Pair(ligand, crystal, receptor, np.stack([moved for _, moved in found]), found[0][0]) if found else None


def is_there(pos: np.ndarray, receptor: gemmi.Structure) -> bool:
    """Whether an entry has the site: it may lack the domain, or the chain, that holds most of a ligand (L, 3)."""
    return float(np.mean([min(nearest(chain, point[None]) for chain in receptor[0]) < CONTACT for point in pos])) > 0.5


def structure(entry: SourceComplex) -> gemmi.Structure:
    """The protein of an entry."""
    found = gemmi.read_pdb_string(entry.files[entry.protein])
    found.setup_entities()
    return found


def nearest(chain: gemmi.Chain, pos: np.ndarray) -> float:
    """Smallest distance between atoms of a chain and points (L, 3), Å."""
    atoms = np.array([atom.pos.tolist() for residue in chain for atom in residue])
    return float(np.linalg.norm(atoms[:, None] - pos[None], axis=2).min())


def identity(first: gemmi.ResidueSpan, second: gemmi.ResidueSpan) -> float:
    """Share of equal residues in the alignment of two chains, by the shorter one; zero without residues."""
    a, b = first.extract_sequence(), second.extract_sequence()
    return gemmi.align_string_sequences(a, b, []).match_count / min(len(a), len(b)) if a and b else 0.0


def dock_pair(pipeline: DockingPipeline, pair: Pair, mode: str, config: DockingConfig) -> dict[str, str]:
    """Dock one ligand; a failure becomes a row with its reason."""
    row = {"mode": mode, "id": pair.ligand.id, "receptor": pair.receptor.id, "cluster": pair.ligand.cluster}
    row["ca_rmsd"] = f"{pair.ca_rmsd:.2f}"
    started, cpu_started = time.monotonic(), time.process_time()
    try:
        receptor = read_complex(pair.receptor).receptor
        pocket = None
        if mode == "pocket":
            center = displaced_center(pair.references[0], OFFSET, config.seed, pair.ligand.id)
            pocket = Pocket(center, DEFAULT_RADIUS, "crystal centroid, displaced")
        result = pipeline.dock(receptor, pair.crystal.ligand, pocket, config)
        row |= {"status": "ok"} | judged(result, pair, mode)
    except (DiscodockError, ValueError, RuntimeError, IndexError) as error:
        row |= {"status": "failed", "message": " ".join(str(error).split())}
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_started
    return row | {"seconds": f"{seconds:.1f}", "cpu_seconds": f"{cpu_seconds:.1f}"}


def judged(result: DockingResult, pair: Pair, mode: str) -> dict[str, str]:
    """How far poses and sites are from the crystal pose at the nearest of the equal chains."""
    poses = np.stack([pose.pos for pose in result.poses])
    rmsds = np.min([ligand_rmsd(pair.crystal.ligand.mol, each, poses).values for each in pair.references], axis=0)
    centroids = pair.references.mean(axis=1)

    def away(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, None] - centroids, axis=2).min(axis=1)

    found = [site.pocket.center for site in result.sites if site.residue] if mode == "blind" else []
    return {
        "rmsds": words(rmsds),
        "centroid": words(away(poses[:1].mean(axis=1))),
        "site_distances": words(away(np.stack(found))) if found else "",
        "num_modes": str(len(result.modes)),
    }


def words(values: np.ndarray) -> str:
    """Numbers as a table has them."""
    return " ".join(f"{value:.3f}" for value in values)


def redocking(row: dict[str, str]) -> RedockingResult:
    """What the metrics need, from a row."""

    def numbers(name: str) -> tuple[float, ...]:
        return tuple(map(float, row.get(name, "").split()))

    return RedockingResult(
        id=row["id"],
        rmsds=numbers("rmsds"),
        centroid_distance=(*numbers("centroid"), math.inf)[0],
        seconds=float(row["seconds"]),
        cluster=row["cluster"],
        site_distances=numbers("site_distances"),
        cpu_seconds=float(row["cpu_seconds"]),
    )


def summary(row: dict[str, str]) -> str:
    """One line about a row."""
    if row["status"] != "ok":
        return f"failed: {row['message']}"
    rmsds = [float(word) for word in row["rmsds"].split()]
    return f"top-1 {rmsds[0]:.1f} Å, best {min(rmsds):.1f} Å, {row['cpu_seconds']} CPU-s"


def table(found: dict[str, dict[str, float]]) -> str:
    """Success by mode, with 95 % intervals."""
    lines = ["| | n | failed | " + " | ".join(SHOWN.values()) + " | median top-1 | CPU-s |"]
    lines.append("| --- " * (len(SHOWN) + 5) + "|")
    notes = [""]
    for mode, metrics in found.items():
        rates = [f"{metrics[key]:.0%} ({metrics[f'{key}_low']:.0%}-{metrics[f'{key}_high']:.0%})" for key in SHOWN]
        counts = [f"{metrics['n']:.0f}", f"{metrics['failed']:.0f}"]
        rest = [f"{metrics['median_top1_rmsd']:.1f} Å", f"{metrics['cpu_seconds_per_complex']:.1f}"]
        lines.append(f"| {' | '.join([mode, *counts, *rates, *rest])} |")
        if "site_top1_lt6" in metrics:
            sites = f"first site within 6 Å {metrics['site_top1_lt6']:.0%}, one of five {metrics['site_top5_lt6']:.0%}"
            notes.append(f"{mode}: {sites}")
    return "\n".join([*lines, *notes])


if __name__ == "__main__":
    sys.exit(main())
