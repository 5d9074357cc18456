"""Shards of one screen, docked apart, become one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from discodock.errors import InputError
from discodock.files import write_atomically
from discodock.screening.ledger import LEDGER_FILE, Ledger
from discodock.screening.results import RECEPTOR_FILE, check_output
from discodock.screening.run import Shard


def merge_shards(shards: Sequence[Path], out: Path) -> int:
    """Put the ledgers of shards together in a new folder, or add some to it.

    Args:
        shards: output folders of `discodock screen --shard`.
        out: folder of the whole screen, with which the command without `--shard` goes on.

    Returns:
        Number of ligands of the library that are of none of these shards.

    Raises:
        InputError: a folder is no screen, or of another one than the first.
    """
    check_output(out)
    num_missing = 0
    for shard in shards:
        with Ledger(shard) as other:
            identity, notes = other.noted("identity"), {key: other.noted(key) for key in ("config", "warnings")}
        if identity is None:
            raise InputError(f"{shard}: was not begun; screen this shard first")
        with Ledger(out, create=True) as ledger:
            ledger.bind(identity | {"shard": str(Shard())})
            for key, value in notes.items():
                ledger.note(key, value)
            ledger.absorb(shard / LEDGER_FILE)
            num_missing = ledger.num_elsewhere()
        if (shard / RECEPTOR_FILE).is_file():
            write_atomically(out / RECEPTOR_FILE, (shard / RECEPTOR_FILE).read_bytes())
    return num_missing
