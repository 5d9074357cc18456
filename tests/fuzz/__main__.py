"""`python -m tests.fuzz --minutes 10 [ligand.sdf ...]`: damaged files for some readers or all; faults are kept."""

import argparse
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.inputs import damaged
from tests.fuzz.readers import READERS, Reader

ROUND = 100  # files between two looks at the clock
MAX_SECONDS = 30  # for one file
MAX_MEMORY = 6 * 2**30  # bytes, beyond what is there at the beginning


class TooSlowError(Exception):
    """One file took longer than `MAX_SECONDS`."""


def fuzz(reader: Reader, seconds: float, first_seed: int, kept: Path) -> tuple[int, int, Counter[str]]:
    """Files read, how many of them were refused, and the faults by what they are and where they arose."""
    faults: Counter[str] = Counter()
    refused = 0
    read = 0
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / reader.name

        @settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(damaged(reader.good()))
        def check(content: bytes) -> None:
            nonlocal refused, read
            path.write_bytes(content)
            read += 1
            signal.alarm(MAX_SECONDS)
            try:
                refused += reader.refusal(path) is not None
            except Exception as error:
                fault = _described(error)
                if fault not in faults:
                    kept.mkdir(parents=True, exist_ok=True)
                    (kept / f"{len(list(kept.iterdir()))}_{reader.name}").write_bytes(content)
                faults[fault] += 1
            finally:
                signal.alarm(0)

        while time.monotonic() < ends:
            seed(first_seed)(check)()
            first_seed += 1
    return read, refused, faults


def _described(error: Exception) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/discodock/" in frame.filename]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "-"
    return f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:160]}"


def _stop(signum: int, frame: object) -> None:
    raise TooSlowError(f"more than {MAX_SECONDS} s")


def main() -> int:
    """Fuzz and print a line for every reader; the number of faults is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"readers: {', '.join(READERS)} [default: all]")
    parser.add_argument("--minutes", type=float, default=1.0, help="time for each reader")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="seed of the first hundred files")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_faults"), help="folder for files that are faults")
    arguments = parser.parse_args()
    signal.signal(signal.SIGALRM, _stop)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, hard))
    num_faults = 0
    for name in arguments.names or READERS:
        read, refused, faults = fuzz(READERS[name], 60 * arguments.minutes, arguments.seed, arguments.keep)
        print(f"{name}: {read} files, {refused} refused, {len(faults)} faults", flush=True)
        for fault, count in faults.most_common():
            print(f"  {count} x {fault}", flush=True)
        num_faults += len(faults)
    return min(num_faults, 100)


if __name__ == "__main__":
    sys.exit(main())
