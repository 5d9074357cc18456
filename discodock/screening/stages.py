"""All stages of a screen, one after the other, beside other processes; light to import, whatever docks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from discodock.screening.config import ScreeningConfig
from discodock.screening.ledger import Ledger
from discodock.screening.pool import Outcome, Pool

WAIT: Final = 0.5
"""Seconds between two looks at whether other processes are done or gone."""

RECOUNT: Final = 10.0
"""Seconds between two counts of what other processes have done meanwhile."""


@dataclass(frozen=True)
class Progress:
    """How far a screen is.

    Attributes:
        stage: name of the stage.
        done: ligands of the stage that are done, docked or not.
        total: ligands of the stage.
        per_second: ligands that this process does in a second; 0 before the first.
        note: something that a person should see at once, such as a failure; empty if there is nothing.
    """

    stage: str
    done: int
    total: int
    per_second: float
    note: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the time that the rest of the stage takes, s; None before the first ligand."""
        return (self.total - self.done) / self.per_second if self.per_second else None


Listener = Callable[[Progress], None]
"""Told how a screen goes."""


def run_stages(
    ledger: Ledger, config: ScreeningConfig, start: Callable[[], Pool], listener: Listener | None = None
) -> None:
    """Do all work of all stages, beside other processes that do so too.

    Args:
        ledger: ledger with the library in it.
        config: settings of the screen.
        start: maker of the workers, which are started only if there is something to do.
        listener: receiver of progress.

    Raises:
        DiscodockError: the workers or the ledger cannot be used.
    """
    pool: Pool | None = None
    try:
        for index, stage in enumerate(config.stages):
            if index > 0:
                ledger.open_stage(index, stage.num_ligands(ledger.count(index - 1).done))
            if ledger.count(index).waiting:
                pool = pool or start()
                _StageRun(ledger, index, stage.name, pool, listener or _ignore).run()
    finally:
        if pool is not None:
            pool.close()


class _StageRun:
    """One stage, until nobody has anything of it left to do."""

    def __init__(self, ledger: Ledger, index: int, name: str, pool: Pool, listener: Listener) -> None:
        self.ledger, self.index, self.name, self.pool, self.listener = ledger, index, name, pool, listener
        self.num_in_hand = self.num_own = 0
        self.started = time.monotonic()
        self.counted = self.freed = -math.inf
        self.done = self.total = 0

    def run(self) -> None:
        """Dock, until the stage is done here and elsewhere."""
        self._tell()
        while True:
            self._hand_out()
            if self.num_in_hand:
                for outcome in self.pool.collect(WAIT):
                    self.num_in_hand -= 1
                    self._settle(outcome)
            elif self.ledger.count(self.index).waiting:
                time.sleep(WAIT)  # others are at work on the rest
            else:
                return

    def _hand_out(self) -> None:
        """Give the workers what they want, as far as there is work that nobody has, or that orphans have left."""
        if time.monotonic() - self.freed > WAIT:
            self.ledger.free_orphans(self.index)
            self.freed = time.monotonic()
        wanted = self.pool.num_wanted()
        for task in self.ledger.claim(self.index, wanted) if wanted else ():
            self.pool.submit(task)
            self.num_in_hand += 1

    def _settle(self, outcome: Outcome) -> None:
        task, note = outcome.task, ""
        if outcome.is_lost:
            self.ledger.give_back(task)
            return
        if outcome.crash:
            is_given_up = self.ledger.crashed(task, outcome.crash)
            note = f"{task.id}: its worker died ({outcome.crash}); {'given up' if is_given_up else 'tried once more'}"
            if not is_given_up:
                self._tell(note)
                return
        elif outcome.result is not None:
            self.ledger.finish(task, outcome.result)
        else:
            self.ledger.fail(task, outcome.problem)
            note = f"{task.id}: failed: {outcome.problem}"
        self.num_own += 1
        self.done += 1
        self._tell(note)

    def _tell(self, note: str = "") -> None:
        """Tell the listener how far the stage is, with the work of others now and then counted anew."""
        now = time.monotonic()
        if now - self.counted > RECOUNT:
            count, self.counted = self.ledger.count(self.index), now
            self.done, self.total = count.total - count.waiting, count.total
        per_second = self.num_own / (now - self.started) if self.num_own else 0.0
        self.listener(Progress(self.name, self.done, self.total, per_second, note))


def _ignore(progress: Progress) -> None:
    pass
