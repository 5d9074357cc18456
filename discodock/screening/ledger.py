"""What is done of a screen, and what is not: one SQLite file, which a kill, a full disk or two processes leave whole.

A ligand enters with its text and a piece of work for the first stage. Whoever docks it claims the work, and puts the
result in the work's place in one transaction: a ligand is done once or not at all. Claims of a process that is gone,
which its lock file tells, are free again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from filelock import FileLock, Timeout

from discodock.errors import InputError
from discodock.screening.config import differences
from discodock.screening.library import UNREADABLE, LibraryRecord
from discodock.screening.records import Failure, StageCount, StoredResult, Task, TaskResult
from discodock.text import one_line

LEDGER_FILE: Final = "ledger.sqlite"
OWNERS_FOLDER: Final = ".owners"
FORMAT: Final = 1
"""Version of the tables below."""

MAX_CRASHES: Final = 2
"""A ligand whose worker dies this many times is not tried again."""

WAIT_FOR_LOCK: Final = 60.0
"""Seconds to wait while another process writes."""

RECORDS_AT_ONCE: Final = 1_000
"""Records of a library in a transaction."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ligand (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, format TEXT NOT NULL, source TEXT NOT NULL,
    note TEXT NOT NULL, digest BLOB NOT NULL, text BLOB);
CREATE TABLE IF NOT EXISTS repeated (title TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS work (
    stage INTEGER, number INTEGER, owner TEXT NOT NULL DEFAULT '', crashes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (stage, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS work_of_owner ON work (stage, owner, number);
CREATE TABLE IF NOT EXISTS result (
    number INTEGER, stage INTEGER, score REAL NOT NULL, seconds REAL NOT NULL, row TEXT NOT NULL,
    PRIMARY KEY (number, stage)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS best ON result (stage, score DESC, number);
CREATE TABLE IF NOT EXISTS pose (
    number INTEGER, stage INTEGER, text BLOB NOT NULL, PRIMARY KEY (number, stage)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failure (
    number INTEGER, stage INTEGER, reason TEXT NOT NULL, PRIMARY KEY (number, stage)) WITHOUT ROWID;
"""


class Ledger:
    """The ledger of one output folder, for one process; made for `with`.

    Args:
        out: output folder.
        create: make a new ledger if there is none.

    Raises:
        InputError: there is none, or it is one of another version, or no ledger.
    """

    def __init__(self, out: Path, *, create: bool = False) -> None:
        self.path = out / LEDGER_FILE
        self._owner = ""
        self._lock: FileLock | None = None
        if not create and not self.path.is_file():
            raise InputError(f"{out}: holds no screen; give the --out of `discodock screen`")
        out.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self.path, timeout=WAIT_FOR_LOCK, isolation_level=None)
        try:
            self._refuse_foreign()
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
                with self._transaction():
                    for statement in filter(str.strip, _SCHEMA.split(";")):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {FORMAT}")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise _unusable(self.path, error) from error
        if version != FORMAT:
            raise InputError(f"{self.path}: written by another version of discodock; choose another --out")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what this process has claimed, and close the file."""
        with suppress(sqlite3.Error, InputError):
            if self._owner:
                self._free(self._owner)
        self._db.close()
        if self._lock is not None:
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock = None

    def _refuse_foreign(self) -> None:
        """Leave the database of another program as it is.

        Raises:
            InputError: it is one.
        """
        version, num_tables = self._db.execute(
            "SELECT user_version, (SELECT COUNT(*) FROM sqlite_master) FROM pragma_user_version"
        ).fetchone()
        if version == 0 and num_tables:
            self._db.close()
            raise InputError(f"{self.path}: is a database of another program; choose another --out")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reading in the block see one state, whatever other processes write meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    # ---- what the screen is -------------------------------------------------------------------------------------

    def note(self, key: str, value: Any) -> None:
        """Keep a value, as JSON, under a key."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def noted(self, key: str) -> Any:
        """The value under a key; None if there is none."""
        found = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if found is None else json.loads(found[0])

    def bind(self, identity: Mapping[str, Any]) -> None:
        """Keep what all results depend on, or make sure that it is what this screen was begun with.

        Args:
            identity: plain data, nested as it is.

        Raises:
            InputError: something differs; it is named.
        """
        plain = json.loads(json.dumps(identity))
        with self._transaction():
            known = self.noted("identity")
            if known is None:
                self._db.execute("INSERT INTO meta VALUES ('identity', ?)", (json.dumps(plain),))
        if known is not None and known != plain:
            changes = "; ".join(differences(known, plain))
            raise InputError(
                f"{self.path.parent}: was begun differently: {changes}. Give the same again, or another --out"
            )

    # ---- the library --------------------------------------------------------------------------------------------

    def add_library(self, records: Iterator[LibraryRecord], shard: tuple[int, int] = (0, 1)) -> None:
        """Take a library in, each ligand with work for the first stage; those that are here already are compared.

        Args:
            records: records in their order.
            shard: index, from 0, of the part that is docked here, and number of parts; names are those of the whole.

        Raises:
            InputError: a record is not the one that was taken in under its number, or the library is shorter than it
                was.
        """
        num_known = self._db.execute("SELECT COUNT(*) FROM ligand").fetchone()[0]
        num_read = 0
        numbered = enumerate(records)
        while block := list(islice(numbered, RECORDS_AT_ONCE)):
            self._add_block(block, shard)
            num_read += len(block)
        if num_read < num_known:
            raise InputError(
                f"{self.path.parent}: was begun with a library of {num_known} ligands or more, this one has {num_read};"
                " give the whole library again, or another --out"
            )

    def _add_block(self, block: Sequence[tuple[int, LibraryRecord]], shard: tuple[int, int]) -> None:
        find = "SELECT digest, format, text IS NULL FROM ligand WHERE number = ?"
        with self._transaction():
            for number, record in block:
                digest, is_ours = _digest(record), number % shard[1] == shard[0]
                known, known_format, is_of_others = self._db.execute(find, (number,)).fetchone() or (None, None, False)
                if known is None:
                    self._add_record(number, record, digest, is_ours=is_ours)
                elif known == digest:
                    if is_ours and is_of_others:  # a merged screen, of which a shard is missing
                        self._add_text(number, record)
                elif known_format == UNREADABLE:
                    self._forget(number)
                    self._add_record(number, record, digest, is_ours=is_ours)
                else:
                    raise InputError(
                        f"{self.path.parent}: {record.source} is not the ligand that was here in its place; the library"
                        " may grow at its end, but give a changed one another --out"
                    )

    def _forget(self, number: int) -> None:
        """Make room for what could not be read when the screen was begun."""
        for table in ("ligand", "failure"):
            self._db.execute(f"DELETE FROM {table} WHERE number = ?", (number,))

    def _add_record(self, number: int, record: LibraryRecord, digest: bytes, *, is_ours: bool) -> None:
        title = one_line(record.title) or f"ligand_{number + 1}"
        ligand_id = self._free_id(title)
        note = "" if ligand_id == title else f"called {ligand_id}, because an earlier ligand is called {title} as well"
        row = (number, ligand_id, record.file_format, record.source, note, digest, None)
        self._db.execute("INSERT INTO ligand VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        if is_ours:
            self._add_text(number, record)

    def _add_text(self, number: int, record: LibraryRecord) -> None:
        """Take the text of a ligand in, with work for the first stage."""
        text = zlib.compress(record.text.encode(), 1)
        self._db.execute("UPDATE ligand SET text = ? WHERE number = ?", (text, number))
        if record.problem:
            self._db.execute("INSERT INTO failure VALUES (?, 0, ?)", (number, f"{record.source}: {record.problem}"))
        else:
            self._db.execute("INSERT INTO work (stage, number) VALUES (0, ?)", (number,))

    def _free_id(self, title: str) -> str:
        """The title, or with a number after it if an earlier ligand is called so."""
        find = "SELECT 1 FROM ligand WHERE id = ?"
        if self._db.execute(find, (title,)).fetchone() is None:
            return title
        known = self._db.execute("SELECT count FROM repeated WHERE title = ?", (title,)).fetchone()
        count = 2 if known is None else known[0] + 1
        while self._db.execute(find, (f"{title}_{count}",)).fetchone() is not None:
            count += 1
        self._db.execute("INSERT OR REPLACE INTO repeated VALUES (?, ?)", (title, count))
        return f"{title}_{count}"

    # ---- work ---------------------------------------------------------------------------------------------------

    def open_stage(self, stage: int, num_ligands: int) -> None:
        """Make work of the best ligands of the stage before, as far as it is not there or done yet.

        Args:
            stage: number of the stage, 1 or more; the stage before is done.
            num_ligands: number of ligands that it docks.
        """
        with self._transaction():
            self._db.execute(
                """INSERT OR IGNORE INTO work (stage, number)
                SELECT ?1, number FROM (SELECT number FROM result WHERE stage = ?1 - 1
                                        ORDER BY score DESC, number LIMIT ?2)
                WHERE number NOT IN (SELECT number FROM result WHERE stage = ?1)
                  AND number NOT IN (SELECT number FROM failure WHERE stage = ?1)""",
                (stage, num_ligands),
            )

    def claim(self, stage: int, limit: int) -> list[Task]:
        """Some ligands that nobody else docks now, at most `limit`, in the order of the library."""
        if self._lock is None:
            self._register()
        with self._transaction():
            found = self._db.execute(
                """SELECT number, id, text, format, source, note FROM work JOIN ligand USING (number)
                WHERE stage = ? AND owner = '' ORDER BY number LIMIT ?""",
                (stage, limit),
            ).fetchall()
            claims = [(self._owner, stage, row[0]) for row in found]
            self._db.executemany("UPDATE work SET owner = ? WHERE stage = ? AND number = ?", claims)
        return [Task(stage, row[0], row[1], zlib.decompress(row[2]).decode(), *row[3:]) for row in found]

    def finish(self, task: Task, result: TaskResult) -> bool:
        """Put a result in the place of its work; whether it was there to do, and not done by another process."""
        with self._transaction():
            if not self._remove_work(task):
                return False
            values = (task.number, task.stage, result.score, result.seconds, json.dumps(dict(result.row)))
            self._db.execute("INSERT INTO result VALUES (?, ?, ?, ?, ?)", values)
            poses = zlib.compress(result.poses.encode())
            self._db.execute("INSERT INTO pose VALUES (?, ?, ?)", (task.number, task.stage, poses))
            self._db.execute("DELETE FROM pose WHERE number = ? AND stage < ?", (task.number, task.stage))
        return True

    def fail(self, task: Task, reason: str) -> None:
        """Note that a ligand cannot be docked in a stage."""
        with self._transaction():
            if self._remove_work(task):
                self._add_failure(task, reason)

    def crashed(self, task: Task, how: str) -> bool:
        """Note that a worker died over a ligand, `how` in words; whether the ligand is given up."""
        with self._transaction():
            where = (task.stage, task.number)
            self._db.execute("UPDATE work SET owner = '', crashes = crashes + 1 WHERE stage = ? AND number = ?", where)
            found = self._db.execute("SELECT crashes FROM work WHERE stage = ? AND number = ?", where).fetchone()
            is_given_up = found is not None and found[0] >= MAX_CRASHES
            if is_given_up and self._remove_work(task):
                self._add_failure(task, f"{task.source}: its worker died {MAX_CRASHES} times ({how}); not tried again")
        return is_given_up

    def give_back(self, task: Task) -> None:
        """Let anybody dock a ligand that was claimed."""
        with self._transaction():
            where = (task.stage, task.number)
            self._db.execute("UPDATE work SET owner = '' WHERE stage = ? AND number = ?", where)

    def free_orphans(self, stage: int) -> None:
        """Let anybody dock what processes have claimed in a stage that are gone."""
        find = "SELECT DISTINCT owner FROM work WHERE stage = ? AND owner > '' AND owner <> ?"
        for (owner,) in self._db.execute(find, (stage, self._owner)).fetchall():
            lock = FileLock(self._owner_file(owner))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue  # alive
            self._free(owner)
            lock.release()
            self._owner_file(owner).unlink(missing_ok=True)

    def _register(self) -> None:
        """Take a name that others can tell whether this process lives."""
        self._owner = f"{os.getpid()}-{secrets.token_hex(4)}"
        file = self._owner_file(self._owner)
        file.parent.mkdir(exist_ok=True)
        self._lock = FileLock(file)
        self._lock.acquire(timeout=0)

    def _owner_file(self, owner: str) -> Path:
        return self.path.parent / OWNERS_FOLDER / owner

    def _free(self, owner: str) -> None:
        with self._transaction():
            self._db.execute("UPDATE work SET owner = '' WHERE owner = ?", (owner,))

    def _remove_work(self, task: Task) -> bool:
        where = (task.stage, task.number)
        return self._db.execute("DELETE FROM work WHERE stage = ? AND number = ?", where).rowcount == 1

    def _add_failure(self, task: Task, reason: str) -> None:
        values = (task.number, task.stage, one_line(reason))
        self._db.execute("INSERT OR REPLACE INTO failure VALUES (?, ?, ?)", values)

    # ---- results ------------------------------------------------------------------------------------------------

    def count(self, stage: int) -> StageCount:
        """How far a stage is."""
        done, seconds = self._db.execute(
            "SELECT COUNT(*), TOTAL(seconds) FROM result WHERE stage = ?", (stage,)
        ).fetchone()
        (failed,) = self._db.execute("SELECT COUNT(*) FROM failure WHERE stage = ?", (stage,)).fetchone()
        (waiting,) = self._db.execute("SELECT COUNT(*) FROM work WHERE stage = ?", (stage,)).fetchone()
        return StageCount(done, failed, waiting, seconds)

    def num_ligands(self) -> int:
        """Ligands that are docked here, good or bad."""
        return int(self._db.execute("SELECT COUNT(*) FROM ligand WHERE text IS NOT NULL").fetchone()[0])

    def num_elsewhere(self) -> int:
        """Ligands of the library that are docked in other shards."""
        return int(self._db.execute("SELECT COUNT(*) FROM ligand WHERE text IS NULL").fetchone()[0])

    def results(self) -> Iterator[StoredResult]:
        """All results, best first: those of later stages before those of earlier ones, each by score."""
        (last,) = self._db.execute("SELECT COALESCE(MAX(stage), -1) FROM result").fetchone()
        for stage in range(last, -1, -1):
            found = self._db.execute(
                """SELECT r.number, id, source, note, score, row FROM result AS r JOIN ligand USING (number)
                WHERE stage = ?1 AND NOT EXISTS (SELECT 1 FROM result AS later
                                                 WHERE later.number = r.number AND later.stage > ?1)
                ORDER BY score DESC, r.number""",
                (stage,),
            )
            for number, ligand_id, source, note, score, row in found:
                before = self._db.execute("SELECT stage, score, seconds FROM result WHERE number = ?", (number,))
                stages = before.fetchall()
                scores, seconds = {each[0]: each[1] for each in stages}, sum(each[2] for each in stages)
                yield StoredResult(number, ligand_id, source, note, stage, score, scores, seconds, json.loads(row))

    def scores(self, stage: int) -> Iterator[float]:
        """Scores of all ligands of a stage, best first."""
        for (score,) in self._db.execute("SELECT score FROM result WHERE stage = ? ORDER BY score DESC", (stage,)):
            yield score

    def poses(self, number: int) -> str:
        """SDF text of the poses of a ligand in the last stage that it came to."""
        find = "SELECT text FROM pose WHERE number = ? ORDER BY stage DESC LIMIT 1"
        return zlib.decompress(self._db.execute(find, (number,)).fetchone()[0]).decode()

    def docked_numbers(self) -> Iterator[int]:
        """Numbers of the ligands that have poses, in the order of the library."""
        for (number,) in self._db.execute("SELECT DISTINCT number FROM pose ORDER BY number"):
            yield number

    def failures(self) -> Iterator[Failure]:
        """All failures, in the order of the library."""
        found = self._db.execute(
            "SELECT number, id, source, stage, reason FROM failure JOIN ligand USING (number) ORDER BY number, stage"
        )
        yield from (Failure(*row) for row in found)

    # ---- joining ------------------------------------------------------------------------------------------------

    def absorb(self, other: Path) -> None:
        """Take over the ligands, results and failures of a ledger of the same screen, of another shard.

        Args:
            other: the other ledger's file.

        Raises:
            InputError: it is of another library.
        """
        self._db.execute("ATTACH DATABASE ? AS other", (str(other),))
        try:
            with self._transaction():
                strange = self._db.execute(
                    "SELECT theirs.source FROM ligand JOIN other.ligand AS theirs USING (number)"
                    " WHERE ligand.digest <> theirs.digest OR ligand.id <> theirs.id LIMIT 1"
                ).fetchone()
                if strange is not None:
                    raise InputError(f"{other.parent}: {strange[0]} is another ligand there; shards are of one library")
                self._db.execute(
                    "INSERT OR REPLACE INTO ligand SELECT * FROM other.ligand AS theirs WHERE theirs.text IS NOT NULL"
                    " OR theirs.number NOT IN (SELECT number FROM main.ligand)"
                )
                for table in ("repeated", "result", "pose", "failure"):
                    self._db.execute(f"INSERT OR IGNORE INTO {table} SELECT * FROM other.{table}")
                self._db.execute("INSERT OR IGNORE INTO work (stage, number) SELECT stage, number FROM other.work")
                for table in ("result", "failure"):  # done in one of several overlapping shards
                    self._db.execute(
                        f"DELETE FROM work WHERE EXISTS (SELECT 1 FROM {table} AS t"
                        " WHERE t.number = work.number AND t.stage = work.stage)"
                    )
        finally:
            self._db.execute("DETACH DATABASE other")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All statements of the block or none, with nobody else writing meanwhile.

        Raises:
            InputError: the disk is full, or the file is damaged or locked for too long.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back already
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.DatabaseError as error:
            raise _unusable(self.path, error) from error


def _digest(record: LibraryRecord) -> bytes:
    text = "\0".join((record.title, record.file_format, record.problem, record.text))
    return hashlib.blake2b(text.encode("utf-8", errors="replace"), digest_size=12).digest()


def _unusable(path: Path, error: sqlite3.Error) -> InputError:
    message = str(error)
    if "full" in message:
        return InputError(f"{path}: the disk is full; free some space and give the same command again, it goes on")
    if "locked" in message:
        return InputError(f"{path}: another process has held it for {WAIT_FOR_LOCK:g} s; see what it is")
    return InputError(f"{path}: cannot be used ({message}); is it a ledger of discodock, on a local disk?")
