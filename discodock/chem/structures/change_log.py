"""The log of what was changed in, left out of, or is doubtful about a structure that is read."""

from typing import Final

UNNAMED: Final = "waters dropped"
"""Change of which residues are counted but not named."""

NAMED_IN_LOG: Final = 8  # residues named in one line, the rest is counted


class ChangeLog:
    """Collects residues under the change made to them, then words one line per change; and warnings beside them."""

    def __init__(self) -> None:
        self._labels: dict[str, list[str]] = {}
        self._loud: set[str] = set()
        self._lines: list[str] = []
        self._warnings: list[str] = []

    def add(self, what: str, label: str, *, is_warning: bool = False) -> None:
        """Note a change made to a residue, or the reason for which it was left out; as a warning, too, if it is one."""
        self._labels.setdefault(what, []).append(label)
        if is_warning:
            self._loud.add(what)

    def line(self, text: str) -> None:
        """Note a change that concerns no single residue."""
        self._lines.append(text)

    def warn(self, text: str) -> None:
        """Note what changes the science, so that a user must hear of it: a sentence, with residue or atom named."""
        if text not in self._warnings:
            self._warnings.append(text)

    def lines(self) -> tuple[str, ...]:
        """One line per change, its residues counted and the first of them named."""
        return (*self._lines, *map(self._grouped, self._labels))

    def warnings(self) -> tuple[str, ...]:
        """The warnings, in the order in which they were noted."""
        return (*self._warnings, *(self._grouped(what) for what in self._labels if what in self._loud))

    def _grouped(self, what: str) -> str:
        labels = self._labels[what]
        return f"{what}: {len(labels)}" + ("" if what == UNNAMED else f" ({named(labels)})")


def named(labels: list[str], most: int = NAMED_IN_LOG) -> str:
    """Labels in a row, the first of them named and the rest counted.

    Args:
        labels: labels of residues or atoms.
        most: number of labels that are named.
    """
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more
