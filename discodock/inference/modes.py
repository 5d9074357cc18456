"""Binding modes: samples with the same site and the same residue codes, named in the order of their share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase


@dataclass(frozen=True)
class Mode:
    """Samples that the discrete codes put into one group.

    Attributes:
        name: A for the largest, then B, … Z, AA, …
        share: of all samples.
        place: residues that the codes point at, such as "A:ASP86"; empty without codes.
    """

    name: str
    share: float
    place: str

    def describe(self) -> str:
        """A line such as "mode A, 62 % of samples, near A:ASP86"."""
        return f"mode {self.name}, {self.share:.0%} of samples" + (f", near {self.place}" if self.place else "")


def group_modes(keys: Sequence[Hashable], places: Sequence[str]) -> list[Mode]:
    """The mode of each sample.

    Args:
        keys: samples with equal keys are of one mode.
        places: the residues of each sample's codes, equal for equal keys.

    Returns:
        One mode per sample; of modes with equal shares the one that comes first in `keys` is named first.
    """
    counts = Counter(keys)
    place_by_key = dict(zip(reversed(keys), reversed(places), strict=True))
    modes = {
        key: Mode(_letters(number), count / len(keys), place_by_key[key])
        for number, (key, count) in enumerate(counts.most_common())
    }
    return [modes[key] for key in keys]


def _letters(number: int) -> str:
    """A for 0, B for 1, … AA for 26."""
    number, last = divmod(number, len(ascii_uppercase))
    return (_letters(number - 1) if number else "") + ascii_uppercase[last]
