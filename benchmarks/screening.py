"""What screening costs: beside docking, with a stub in its place, and in all, by preset.

    python -m benchmarks.screening overhead [--ligands 100000]
    python -m benchmarks.screening throughput --protein P --pocket-ligand L --library SMILES [--ligands 20]

All figures are CPU-seconds of this process, one thread; memory is the largest that the process has had so far.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from discodock.inference.config import DockingConfig, SiteSearchConfig
from discodock.inference.network import default_checkpoint
from discodock.inference.pocket import PocketSpec
from discodock.screening.config import FULL, PRESETS, QUICK, ScreeningConfig, StageConfig
from discodock.screening.inputs import ScreenInputs
from discodock.screening.ledger import Ledger
from discodock.screening.library import iter_library
from discodock.screening.pool import OwnProcess
from discodock.screening.results import Files, write_files
from discodock.screening.run import make_screener
from discodock.screening.stages import run_stages
from tests.screening.stub import make_stub

FRAGMENTS = ("C", "CC", "c1ccccc1", "N", "O", "C(=O)N", "S(=O)(=O)", "c1ccncc1", "C1CCNCC1", "OC")
"""Pieces that made-up SMILES are put together from."""


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("overhead", "throughput"))
    parser.add_argument("--ligands", type=int)
    parser.add_argument("--protein", type=Path)
    parser.add_argument("--pocket-ligand", type=Path)
    parser.add_argument("--library", type=Path)
    given = parser.parse_args()
    if given.what == "overhead":
        overhead(given.ligands or 100_000)
    else:
        throughput(given.protein, given.pocket_ligand, given.library, given.ligands or 20)


def overhead(num: int) -> None:
    """Everything but docking, for `num` ligands in two stages."""
    config = ScreeningConfig(stages=(QUICK, StageConfig(name="full", fraction=0.1, docking=FULL)))
    stub = partial(OwnProcess, make_stub)
    with tempfile.TemporaryDirectory() as folder:
        out, library = Path(folder) / "out", Path(folder) / "library.smi"
        library.write_text("".join(f"{smiles} Z{i:08}\n" for i, smiles in enumerate(made_up_smiles(num))))
        with Ledger(out, create=True) as ledger:
            ledger.note("config", config.model_dump(mode="json"))
            timed("library into the ledger", num, lambda: ledger.add_library(iter_library(library)))
            timed("claim and finish, both stages", num, lambda: run_stages(ledger, config, stub))
            timed("results.parquet, top.sdf, failures.csv", num, lambda: write_files(ledger, out, Files()))
            timed("restart: the same library again", num, lambda: ledger.add_library(iter_library(library)))
            timed("restart: nothing left to do", num, lambda: run_stages(ledger, config, stub))
        size = sum(path.stat().st_size for path in out.glob("ledger*"))
        print(f"ledger: {size / num:.0f} bytes a ligand; peak memory {peak_megabytes():.0f} MB")


def made_up_smiles(num: int) -> Iterator[str]:
    """Different SMILES of two to seven fragments."""
    chains = (itertools.product(FRAGMENTS, repeat=length) for length in range(2, 8))
    for pieces in itertools.islice(itertools.chain.from_iterable(chains), num):
        yield "".join(pieces)


def throughput(protein: Path, pocket_ligand: Path, library: Path, num: int) -> None:
    """Stages on real ligands, one after the other, beside what `predict` does with the settings of the first."""
    named = QUICK.docking.model_copy(update={"sites": SiteSearchConfig()})
    stages = {
        "quick": QUICK.docking,
        "quick, pocket named by the site model as by predict": named,
        "full": FULL,
    }
    for name, docking in stages.items():
        seconds = cost_of(docking, protein, pocket_ligand, library, num if "full" not in name else max(1, num // 4))
        print(f"{name}: {seconds:.2f} CPU-s a ligand, {3600 / seconds:.0f} ligands per core-hour")
    print(f"presets: {', '.join(f'{name}: {[s.name for s in each.stages]}' for name, each in PRESETS.items())}")
    print(f"peak memory {peak_megabytes():.0f} MB")


def cost_of(docking: DockingConfig, protein: Path, pocket_ligand: Path, library: Path, num: int) -> float:
    """CPU-seconds for a ligand, after one that warms up."""
    config = ScreeningConfig(stages=(StageConfig(name="one", docking=docking),))
    inputs = ScreenInputs(protein, PocketSpec(ligand=pocket_ligand), config, default_checkpoint(), "cpu")
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder), create=True) as ledger:
        ledger.add_library(itertools.islice(iter_library(library), num + 1))
        screener = make_screener(inputs, Path(folder), 0)
        first, *tasks = ledger.claim(0, num + 1)
        screener.dock(first)
        started = time.process_time()
        for task in tasks:
            answer = screener.dock(task)
            if isinstance(answer, str):
                print(f"{task.id}: {answer}")
        return (time.process_time() - started) / len(tasks)


def timed(what: str, num: int, action: Callable[[], object]) -> None:
    """Do something and print what it cost for each of `num` ligands."""
    started = time.process_time()
    action()
    seconds = time.process_time() - started
    print(f"{what}: {seconds:.1f} CPU-s, {1000 * seconds / num:.3f} ms a ligand, memory {peak_megabytes():.0f} MB")


def peak_megabytes() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
