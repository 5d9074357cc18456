"""Progress of docking on a terminal: one bar with the time left, plain lines where there is no terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from discodock.text import one_line

if TYPE_CHECKING:
    from discodock.screening.stages import Progress as StageProgress

LINE_INTERVAL: Final = 30.0
"""Seconds between two lines on the progress of a screen where there is no terminal."""

MAX_NOTES: Final = 20
"""Failures of a screen that are printed; all are in its table."""


class _Bar:
    """A bar that is on the terminal while its `with` lasts."""

    _bar: Progress

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()


class WorkBar(_Bar):
    """A bar over units of work whose total may still be unknown; made for `with`.

    Args:
        what: word in front of the bar.
        num_items: items (ligands, complexes) in all; None if not known.
    """

    def __init__(self, what: str, num_items: int | None) -> None:
        self.console = Console(stderr=True)
        self._bar = Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=num_items, note="")
        self._num_done = 0

    def set_total(self, num_items: int) -> None:
        """Say how many items there are, once it is known."""
        self._bar.update(self._task, total=num_items)

    def show(self, fraction: float, note: str | None = None) -> None:
        """Show that `fraction` (0 to 1) of the current item is done; `note` names the item."""
        if note is not None:
            self._bar.update(self._task, note=one_line(note))
        self._bar.update(self._task, completed=self._num_done + fraction)

    def item_done(self, line: str, *, is_notable: bool = False) -> None:
        """Count an item; its line is printed if it is notable or there is no terminal for the bar."""
        self._num_done += 1
        self._bar.update(self._task, completed=self._num_done)
        if is_notable or not self.console.is_terminal:
            self.console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)


class ScreenProgress(_Bar):
    """Progress of a screen: a bar for each stage, lines where there is no terminal; made for `with`."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        self._bar = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._tasks: dict[str, TaskID] = {}
        self._num_notes = 0
        self._last_line = -LINE_INTERVAL

    def show(self, progress: StageProgress) -> None:
        """Show how far a stage is."""
        rate = describe_rate(progress)
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bar.add_task(progress.stage, total=progress.total, rate=rate)
            self._last_line = -LINE_INTERVAL
        self._bar.update(self._tasks[progress.stage], completed=progress.done, total=progress.total, rate=rate)
        if progress.note:
            self._note(progress.note)
        is_due = time.monotonic() - self._last_line > LINE_INTERVAL or progress.done == progress.total
        if not self._console.is_terminal and is_due:
            self._print(f"{progress.stage}: {progress.done} of {progress.total} ligands{rate and ', '}{rate}")
            self._last_line = time.monotonic()

    def _note(self, note: str) -> None:
        self._num_notes += 1
        if self._num_notes <= MAX_NOTES:
            self._print(note)
        if self._num_notes == MAX_NOTES:
            self._print("further failures are not shown here; all are in failures.csv")

    def _print(self, line: str) -> None:
        self._console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)


def describe_rate(progress: StageProgress) -> str:
    """Speed and time left in words, such as "2.41 ligands/s, 1:20:05 left"; empty before the first ligand."""
    if progress.seconds_left is None:
        return ""
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{progress.per_second:.3g} ligands/s, {hours}:{minutes:02}:{seconds:02} left"
