"""The same seed, the same poses: byte for byte over batch sizes, threads, the order of jobs and a killed run.

    python -m benchmarks.determinism --out DIR [--complexes FOLDER] [--limit 10] [-- --samples 6 --exhaustiveness 2]

Docks complexes into their own pockets in one process after another, each with something else changed, and compares all
`poses.sdf` with those of the first. Exit code 1 if any byte differs. What follows `--` goes to `discodock predict`.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COMPLEXES: Final = (ROOT / "examples/complexes", ROOT / "tests/data/complexes")
DOCK: Final = (sys.executable, "-c", "from discodock.cli.main import main; main()", "predict")


@dataclass(frozen=True)
class Variant:
    """One way to run the same jobs.

    Attributes:
        name: what is changed.
        options: further options of `discodock predict`.
        is_reversed: whether the last job comes first.
        is_killed: whether the run is killed after its first result, and started again.
    """

    name: str
    options: tuple[str, ...] = ()
    is_reversed: bool = False
    is_killed: bool = False


VARIANTS: Final = (
    Variant("first run"),
    Variant("second run"),
    *(Variant(f"batch size {size}", ("--batch-size", str(size))) for size in (1, 3, 7)),
    *(Variant(f"threads {number}", ("--threads", str(number))) for number in (1, 2, 4)),
    Variant("jobs in reverse", is_reversed=True),
    Variant("killed and started again", is_killed=True),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Dock in all ways and compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, which must not exist")
    parser.add_argument("--complexes", type=Path, nargs="+", default=COMPLEXES, help="folders of complexes")
    parser.add_argument("--limit", type=int, default=10, help="complexes")
    parser.add_argument("options", nargs="*", help="options of `discodock predict`, after --")
    given = parser.parse_args(arguments)
    folders = [path.parent for root in given.complexes for path in sorted(root.glob("*/ligand.sdf"))][: given.limit]
    given.out.mkdir(parents=True)
    expected: dict[str, bytes] = {}
    num_different = 0
    for variant in VARIANTS:
        found = _dock(variant, folders, given.out / variant.name.replace(" ", "_"), given.options)
        expected = expected or found
        wrong = sorted(name for name in expected if found.get(name) != expected[name])
        num_different += len(wrong)
        print(f"{variant.name}: {len(expected) - len(wrong)} of {len(expected)} equal {' '.join(wrong)}", flush=True)
    return 1 if num_different or len(expected) != len(folders) else 0


def _dock(variant: Variant, folders: Sequence[Path], out: Path, options: Sequence[str]) -> dict[str, bytes]:
    """Contents of the `poses.sdf` of each complex."""
    table = out.with_suffix(".csv")
    with table.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["name", "protein", "ligand", "pocket_ligand"])
        for folder in reversed(folders) if variant.is_reversed else folders:
            ligand = folder / "ligand.sdf"
            writer.writerow([folder.name, folder / "protein.pdb", ligand, ligand])
    command = [*DOCK, "--input", str(table), "--out", str(out), *variant.options, *options]
    if variant.is_killed:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not list(out.glob("*/poses.sdf")):
                time.sleep(0.05)
            process.kill()
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    return {path.parent.name: path.read_bytes() for path in out.glob("*/poses.sdf")}


if __name__ == "__main__":
    sys.exit(main())
