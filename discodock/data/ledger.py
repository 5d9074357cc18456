"""The state of a preparation on disk: what is done, what was left out and why, written so that a kill loses little."""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from discodock.data.datasets.source import SkippedComplex, SourceComplex
from discodock.data.store import (
    COMPLEX_DIR,
    FAILURES_FILE,
    INDEX_FILE,
    MANIFEST_FILE,
    FailureRow,
    IndexRow,
    is_whole,
    read_index,
    write_rows,
)
from discodock.errors import InputError, PreparedDataError
from discodock.files import is_replaceable_table, remove_drafts, write_atomically, write_json
from discodock.locks import exclusive

logger = logging.getLogger(__name__)

WRITE_INTERVAL: Final = 5.0  # s between two writings of the tables: the work a kill can lose


class Ledger:
    """Rows of a store while it is being made.

    A context manager, which holds the folder for itself; left by an exception or Ctrl-C, it writes the tables.

    Args:
        out: folder of the store.
        settings: hash of the settings that all complexes are made with, versions included.

    Attributes:
        out: folder of the store.
        rows: complexes done in this run, by id.
        failures: complexes left out in this run, by id.
        num_reused: number of `rows` whose files were there already under the same content key.
    """

    def __init__(self, out: Path, settings: str) -> None:
        self.out, self._settings = out, settings
        self.rows: dict[str, IndexRow] = {}
        self.failures: dict[str, FailureRow] = {}
        self.num_reused = 0
        self._last_written = time.monotonic()
        _refuse_foreign(out)
        try:
            (out / COMPLEX_DIR).mkdir(parents=True, exist_ok=True)
            write_atomically(out / ".writable", b"")
            (out / ".writable").unlink()
        except OSError as error:
            raise InputError(f"{out}: cannot be written ({error.strerror}); choose another output folder") from None
        self._held = exclusive(out)
        self._earlier: dict[str, IndexRow] = {}

    def _read_earlier(self) -> dict[str, IndexRow]:
        try:
            return {row.id: row for row in read_index(self.out)} if (self.out / INDEX_FILE).is_file() else {}
        except PreparedDataError:
            logger.warning("%s: unreadable index, everything is prepared again", self.out)
            return {}

    def earlier(self, complex_id: str, key: str, *, split: str, cluster: str) -> IndexRow | None:
        """Row of a file made earlier under the same content key, with a split and cluster that may be new."""
        row = self._earlier.get(complex_id)
        if row is None or row.key != key or not is_whole(self.out / row.file, row.digest):
            return None
        self.num_reused += 1
        return replace(row, split=split, cluster=cluster)

    def unfinished(
        self,
        entries: Iterable[SourceComplex | SkippedComplex],
        key_of: Callable[[SourceComplex], str],
        note: Callable[[IndexRow | FailureRow], None],
    ) -> Iterator[tuple[SourceComplex, str]]:
        """Complexes still to do, with their content keys; those done earlier, or not readable, are noted on the way.

        Args:
            entries: complexes of a source.
            key_of: content key of a complex, of its files and of all settings.
            note: receiver of the rows of those that need no work.

        Raises:
            InputError: two complexes have one name.
        """
        for entry in entries:
            if entry.id in self.rows or entry.id in self.failures:
                raise InputError(f"{entry.id}: two complexes of this name in the source; give each its own name")
            if isinstance(entry, SkippedComplex):
                note(FailureRow(entry.id, entry.stage, entry.reason))
                continue
            key = key_of(entry)
            row = self.earlier(entry.id, key, split=entry.split, cluster=entry.cluster or entry.id)
            if row is None:
                yield entry, key
            else:
                note(row)

    def has_lost(self, complex_id: str, key: str) -> bool:
        """Whether a file made earlier under this key is missing or damaged."""
        row = self._earlier.get(complex_id)
        return row is not None and row.key == key and not is_whole(self.out / row.file, row.digest)

    def add(self, row: IndexRow | FailureRow) -> None:
        """Note one complex; the tables are written every few seconds."""
        if isinstance(row, IndexRow):
            self.rows[row.id] = replace(row, settings=self._settings)
        else:
            self.failures[row.id] = row
        if time.monotonic() - self._last_written > WRITE_INTERVAL:
            self._write_unfinished()

    def _write_unfinished(self) -> None:
        """Write the tables as they stand; rows of an earlier run that were not reached yet stay in the index."""
        kept = {name: row for name, row in self._earlier.items() if name not in self.failures}
        self._write({**kept, **self.rows})

    def _write(self, rows: dict[str, IndexRow]) -> None:
        write_rows(self.out / INDEX_FILE, [rows[name] for name in sorted(rows)], IndexRow)
        write_rows(self.out / FAILURES_FILE, self.sorted_failures(), FailureRow)
        self._last_written = time.monotonic()

    def sorted_failures(self) -> tuple[FailureRow, ...]:
        """Complexes left out, by id."""
        return tuple(self.failures[name] for name in sorted(self.failures))

    def num_by_split(self) -> dict[str, int]:
        """Complexes in each split."""
        return dict(sorted(Counter(row.split for row in self.rows.values()).items()))

    def __enter__(self) -> "Ledger":
        self._held.__enter__()
        for folder in (self.out, self.out / COMPLEX_DIR):
            remove_drafts(folder)
        self._earlier = self._read_earlier()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self._write_unfinished()
        finally:
            self._held.__exit__(None, None, None)

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the final tables, without rows that the source no longer has, and the manifest.

        Args:
            manifest: settings, versions and origin; counts and the data's fingerprint are added.
        """
        self._write(self.rows)
        by_stage = Counter(row.stage for row in self.failures.values())
        manifest = manifest | {
            "fingerprint": self._fingerprint(),
            "settings_key": self._settings,
            "num_by_split": self.num_by_split(),
            "num_left_out_by_stage": dict(sorted(by_stage.items())),
        }
        write_json(self.out / MANIFEST_FILE, manifest)

    def _fingerprint(self) -> str:
        """Hash of all content keys and splits: names the data a checkpoint was trained on."""
        text = "\n".join(f"{name} {self.rows[name].split} {self.rows[name].key}" for name in sorted(self.rows))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _refuse_foreign(out: Path) -> None:
    """Refuse to write a store where tables of somebody else are, such as those of the folder that is prepared.

    Raises:
        InputError: a table has other columns than those of a store, and no manifest says that it is a damaged one.
    """
    if (out / MANIFEST_FILE).is_file():
        return
    for name, kind in ((INDEX_FILE, IndexRow), (FAILURES_FILE, FailureRow)):
        if not is_replaceable_table(out / name, [item.name for item in fields(kind)]):
            raise InputError(f"{out / name}: is no table of prepared data and is not replaced; choose another --out")
