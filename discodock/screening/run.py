"""The run of a screen: the library into the ledger, then stage after stage, each ligand once, whoever docks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from discodock.chem.complex_file import write_receptor
from discodock.inference.compute.device import worker_device
from discodock.screening.inputs import ScreenInputs
from discodock.screening.ledger import Ledger
from discodock.screening.library import LibraryRecord
from discodock.screening.pool import MakeDocker, OwnProcess, Pool, Processes
from discodock.screening.results import RECEPTOR_FILE, check_output
from discodock.screening.stages import Listener, run_stages
from discodock.screening.worker import Screener


@dataclass(frozen=True)
class Shard:
    """A part of a library: every `count`-th ligand, beginning with number `index`, from 0."""

    index: int = 0
    count: int = 1

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"


def screen_library(
    inputs: ScreenInputs,
    library: Iterator[LibraryRecord],
    out: Path,
    *,
    shard: Shard = Shard(),
    workers: int = 1,
    listener: Listener | None = None,
) -> None:
    """Dock a library into a protein; what is done already in `out` is not done again.

    Args:
        inputs: protein, pocket and network of the screen.
        library: records, from `iter_library`.
        out: output folder, of which the ledger is written.
        shard: part of the library to dock.
        workers: processes to dock with; 0 docks in this one, which a ligand that crashes then ends.
        listener: receiver of progress.

    Raises:
        DiscodockError: an input cannot be used, or `out` was begun with something else.
    """
    check_output(out)
    prepared = inputs.read()
    library = chain([next(library)], library)  # one that cannot be read is told before anything is written
    identity = inputs.identity(prepared)
    with Ledger(out, create=True) as ledger:
        ledger.bind(identity | {"shard": str(shard)})
        ledger.note("warnings", list(prepared.warnings))
        ledger.note("config", inputs.config.model_dump(mode="json"))
        write_receptor(prepared.receptor, out / RECEPTOR_FILE)
        ledger.add_library(library, (shard.index, shard.count))
        make = partial(make_screener, inputs, out)
        run_stages(ledger, inputs.config, lambda: make_pool(make, workers), listener)


def make_screener(inputs: ScreenInputs, out: Path, number: int) -> Screener:
    """What docks in worker number n, on one of several GPUs in turn; its log is in `out`."""
    return Screener(replace(inputs, device=worker_device(inputs.device, number)), out)


def make_pool(make: MakeDocker, workers: int) -> Pool:
    """Workers: processes of this machine, or this process if there are to be none."""
    return Processes(make, workers) if workers > 0 else OwnProcess(make)
