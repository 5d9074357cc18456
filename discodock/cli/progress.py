"""Progress of docking on a terminal: one bar with the time left, plain lines where there is no terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class WorkBar:
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
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=num_items, note="")
        self._num_done = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def set_total(self, num_items: int) -> None:
        """Say how many items there are, once it is known."""
        self._bar.update(self._task, total=num_items)

    def show(self, fraction: float, note: str | None = None) -> None:
        """Show that `fraction` (0 to 1) of the current item is done; `note` names the item."""
        if note is not None:
            self._bar.update(self._task, note=note)
        self._bar.update(self._task, completed=self._num_done + fraction)

    def item_done(self, line: str, *, is_notable: bool = False) -> None:
        """Count an item; its line is printed if it is notable or there is no terminal for the bar."""
        self._num_done += 1
        self._bar.update(self._task, completed=self._num_done)
        if is_notable or not self.console.is_terminal:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
