"""Faults put into real runs: what is lost, double or stale when a process is killed, the disk is full, or two run.

    python -m benchmarks.faults --rounds 10

Predicts, prepares, evaluates and trains on the complexes of `tests/data` with tiny networks, in processes forked from
one that has imported everything. A round starts a command, kills it with signal 9 at a random moment (half of the kills
right before or after a random rename), and lets it go on until it is done; what it then has must equal what an
undisturbed run has, file by file: a result that is missing is lost, one more than there should be is double, another
content is stale. The same with a limit on the size of files in place of the kill (a full disk), and with two processes
in one output folder while every rename takes longer.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
NAMES: Final = ("2azr_982", "6rzx_KPQ", "1cbs_REA")
"""The smallest complexes of the tests."""

FEW: Final = ("--samples", "2", "--exhaustiveness", "1", "--steps", "2", "--relax", "none", "--no-validity")
TRAINING: Final = (
    "task.model.num_scalars=8 task.model.num_vectors=4 task.model.num_layers=1 task.model.num_receptor_layers=1"
    " task.poses_per_complex=1 task.redocking.num_samples=0 task.optimizer.decay_fraction=0 run.accelerator=cpu"
    " run.devices=1 run.checkpoint_every=2 run.validate_every=1000 run.max_steps=12 data.batch_size=2 data.num_val=1"
).split()

Interference = Callable[[], None]


@dataclass(frozen=True)
class Work:
    """A command and what it makes.

    Attributes:
        name: name in the table.
        arguments: command line, with the output folder in place of `OUT`.
        results: hash of every result by name, given the output folder; files that say when they were made left out.
    """

    name: str
    arguments: tuple[str, ...]
    results: Callable[[Path], dict[str, str]]


@dataclass
class Count:
    """What became of the rounds of a work.

    Attributes:
        rounds: rounds that ended with the command finished.
        faults: processes that were killed or failed on the way.
        lost: results that are missing at the end.
        double: results, or rows of tables, that are there besides.
        stale: results whose content is another one than without faults.
        drafts: temporary files and folders that are left.
        tracebacks: processes that ended in a traceback.
    """

    rounds: int = 0
    faults: int = 0
    lost: int = 0
    double: int = 0
    stale: int = 0
    drafts: int = 0
    tracebacks: int = 0
    notes: list[str] = field(default_factory=list)


def in_child(arguments: Sequence[str], interfere: Interference | None = None, log: Path | None = None) -> int:
    """Start a command of discodock in a forked process; returns the process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        target = os.open(os.devnull if log is None else log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(target, 1), os.dup2(target, 2)
        sys.stdout = sys.stderr = os.fdopen(target, "w", buffering=1)  # tests put their own there
        if interfere is not None:
            interfere()
        from discodock.cli.main import run

        code = run(arguments)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 99
    finally:
        os._exit(code)


def wait(process: int) -> int:
    """Exit code of a process, the negative signal if one ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def kill_at_rename(number: int, before: bool) -> Interference:
    """Have a process kill itself right before or after its `number`-th rename."""

    def interfere() -> None:
        renamed, original = 0, os.replace

        def replace(*arguments: Any, **keywords: Any) -> None:
            nonlocal renamed
            renamed += 1
            if renamed == number and before:
                os.kill(os.getpid(), signal.SIGKILL)
            original(*arguments, **keywords)
            if renamed == number:
                os.kill(os.getpid(), signal.SIGKILL)

        os.replace = replace  # type: ignore[assignment]

    return interfere


def kill_after(seconds: float) -> Interference:
    """Have the system kill a process after a while, wherever it is; the timer's signal is not caught."""

    def interfere() -> None:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))

    return interfere


def random_kill(draw: random.Random, duration: float) -> Interference:
    """A kill at any time of a run of so many seconds, or at one of its first renames."""
    if draw.random() < 0.5:
        return kill_after(draw.uniform(0, duration))
    return kill_at_rename(draw.randint(1, 12), draw.random() < 0.5)


def full_disk(num_bytes: int) -> Interference:
    """Have writes beyond a size fail, as they do on a full disk."""

    def interfere() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))

    return interfere


def slow_renames(seconds: float) -> Interference:
    """Have every rename take longer, as on a file system of a network."""

    def interfere() -> None:
        original = os.replace

        def replace(*arguments: Any, **keywords: Any) -> None:
            time.sleep(seconds)
            original(*arguments, **keywords)

        os.replace = replace  # type: ignore[assignment]

    return interfere


def digest(path: Path) -> str:
    """Hash of a file."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def rows(path: Path, key: str, left_out: Sequence[str]) -> dict[str, str]:
    """Rows of a table by key, repeated ones with a number, without the columns that measure time."""
    found: dict[str, str] = {}
    with path.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            name, number = f"{path.name}: {row[key]}", 1
            while name in found:
                number += 1
                name = f"{path.name}: {row[key]} ({number})"
            found[name] = str(sorted((column, value) for column, value in row.items() if column not in left_out))
    return found


def docked(out: Path) -> dict[str, str]:
    """Poses and rows of `predict`."""
    poses = {str(path.relative_to(out)): digest(path) for path in out.glob("[!.]*/*.sdf")}
    return poses | rows(out / "summary.csv", "name", ("seconds",))


def prepared(out: Path) -> dict[str, str]:
    """Complexes and rows of `prepare`."""
    return {path.name: digest(path) for path in out.glob("complexes/[!.]*")} | rows(out / "index.csv", "id", ())


def evaluated(out: Path) -> dict[str, str]:
    """Rows of `evaluate`."""
    return rows(out / "per_complex.csv", "id", ("seconds", "cpu_seconds"))


def trained(out: Path) -> dict[str, str]:
    """Weights of `train`."""
    from discodock.models.checkpoint import load_checkpoint

    weights = load_checkpoint(out / "score.safetensors").weights
    return {name: hashlib.blake2b(value.numpy().tobytes()).hexdigest() for name, value in weights.items()}


def make_works(folder: Path) -> list[Work]:
    """Inputs in a folder, and the four commands on them."""
    from tests.tiny import COMPLEXES, write_tiny_checkpoint

    checkpoint = str(write_tiny_checkpoint(folder / "tiny.safetensors"))
    for name in NAMES:
        shutil.copytree(COMPLEXES / name, folder / "complexes" / name)
    write_jobs(folder / "jobs.csv", NAMES)
    source, store = str(folder / "complexes"), str(folder / "store")
    assert wait(in_child(["prepare", "complexes", source, "--out", store])) == 0, "the complexes cannot be prepared"
    network = ("--checkpoint", checkpoint, "--device", "cpu", *FEW)
    settings = folder / "train.yaml"
    settings.write_text("{}\n")
    data = (f"data.root={store}", f"data.ids=[{','.join(NAMES)}]")
    return [
        Work("predict", ("predict", "--input", str(folder / "jobs.csv"), "--out", "OUT", *network), docked),
        Work("prepare", ("prepare", "complexes", source, "--out", "OUT"), prepared),
        Work("evaluate", ("evaluate", source, "--out", "OUT", *network), evaluated),
        Work("train", ("train", "score", "--config", str(settings), "--out", "OUT", *TRAINING, *data), trained),
    ]


def write_jobs(table: Path, names: Sequence[str]) -> None:
    """A table of jobs, each complex into its own pocket."""
    columns = ("name", "protein", "ligand", "pocket_ligand")
    with table.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(columns)
        for name in names:
            files = [f"complexes/{name}/{file}" for file in ("protein.pdb", "ligand.sdf", "ligand.sdf")]
            writer.writerow((name, *files))


def command(work: Work, out: Path) -> list[str]:
    """Command line of a work for an output folder."""
    return [str(out) if argument == "OUT" else argument for argument in work.arguments]


def compare(count: Count, expected: dict[str, str], found: dict[str, str], out: Path) -> None:
    """Count what differs from an undisturbed run."""
    count.rounds += 1
    count.lost += len(expected.keys() - found.keys())
    count.double += len(found.keys() - expected.keys())
    different = [name for name in expected.keys() & found.keys() if expected[name] != found[name]]
    count.stale += len(different)
    drafts = [path for pattern in (".*.tmp", "*/.*.tmp") for path in out.glob(pattern)]
    count.drafts += len(drafts)
    count.notes += [f"lost {name}" for name in expected.keys() - found.keys()] + [f"stale {name}" for name in different]


def disturbed(
    work: Work, expected: dict[str, str], out: Path, faults: Sequence[Interference], log: Path, count: Count
) -> None:
    """One round: a start for each fault, then one that is left alone, and the comparison."""
    for fault in faults:
        code = wait(in_child(command(work, out), fault, log))
        count.faults += code != 0
    code = wait(in_child(command(work, out), None, log))
    text = log.read_text(errors="replace") if log.exists() else ""
    count.tracebacks += text.count("Traceback (most recent call last)")
    count.notes += [] if code == 0 else [f"{work.name} ends with {code}: {text[-300:]}"]
    try:
        found = work.results(out)
    except Exception as error:
        count.notes.append(f"{work.name} cannot be read: {error!r}")
        found = {}
    compare(count, expected, found, out)


def two_at_once(folder: Path, work: Work, expected: dict[str, str], count: Count) -> None:
    """Two processes with jobs of their own, and one in common, in one output folder."""
    out = folder / "shared"
    for number, names in enumerate((NAMES[:2], NAMES[1:])):
        write_jobs(folder / f"jobs{number}.csv", names)
    table = str(folder / "jobs.csv")
    own = [[str(folder / f"jobs{n}.csv") if each == table else each for each in command(work, out)] for n in (0, 1)]
    codes = [wait(process) for process in [in_child(each, slow_renames(0.3), folder / "two.log") for each in own]]
    count.faults += sum(code != 0 for code in codes)
    count.notes += [f"two at once end with {codes}"] if any(codes) else []
    compare(count, expected, work.results(out), out)


def measure(rounds: int, seed: int, names: Sequence[str], folder: Path) -> dict[str, Count]:
    """Counts by work and kind of fault, such as "predict, killed"."""
    counts: dict[str, Count] = {}
    draw = random.Random(seed)
    for work in [each for each in make_works(folder) if each.name in names]:
        whole = folder / f"{work.name}_whole"
        started = time.monotonic()
        code = wait(in_child(command(work, whole), None, folder / "whole.log"))
        assert code == 0, (folder / "whole.log").read_text()[-600:]
        duration = time.monotonic() - started
        expected = work.results(whole)
        killed = counts[f"{work.name}, killed"] = Count()
        full = counts[f"{work.name}, full disk"] = Count()
        sizes = sorted(path.stat().st_size for path in whole.rglob("*") if path.is_file())
        for number in range(rounds):
            moments = [random_kill(draw, duration) for _ in range(draw.randint(1, 3))]
            log = folder / f"{work.name}_{number}.log"
            disturbed(work, expected, folder / f"{work.name}_{number}", moments, log, killed)
            if number % 2 == 0:
                limit = full_disk(max(1, draw.choice(sizes) - 1))
                disturbed(work, expected, folder / f"{work.name}_f{number}", [limit], Path(f"{log}.full"), full)
        if work.name == "predict":
            counts["predict, two at once"] = Count()
            two_at_once(folder, work, expected, counts["predict, two at once"])
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table; 1 if anything is lost, double or stale."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each command, with one to three kills each")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--only", nargs="*", default=["predict", "prepare", "evaluate", "train"], help="commands")
    parser.add_argument("--folder", type=Path, help="folder to work in, kept [default: a temporary one]")
    given = parser.parse_args(arguments)
    import discodock.cli.predict  # noqa: F401  (what children would otherwise import again and again)
    import discodock.data.prepare
    import discodock.evaluation.evaluate
    import discodock.inference.many.run_jobs
    import discodock.tasks.score_stage  # noqa: F401

    with tempfile.TemporaryDirectory() as temporary:
        counts = measure(given.rounds, given.seed, given.only, given.folder or Path(temporary))
    columns = ("rounds", "faults", "lost", "double", "stale", "drafts", "tracebacks")
    print("| what | " + " | ".join(columns) + " |\n| --- |" + " --- |" * len(columns))
    for name, count in counts.items():
        print(f"| {name} | " + " | ".join(str(getattr(count, column)) for column in columns) + " |")
    for name, count in counts.items():
        for note in count.notes[:5]:
            print(f"{name}: {note}")
    return int(any(count.lost or count.double or count.stale or count.tracebacks for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
