"""Binding modes: samples of one site whose poses agree, named in the order of their share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import cKDTree
from scipy.spatial.distance import squareform

from discodock.chem.receptor import Receptor
from discodock.chem.view import CONTACT_DISTANCE

MODE_WIDTH: Final = 3.0
"""Mean RMSD in Å between the members of two groups up to which they are one mode."""

MIN_SHARE: Final = 0.05
"""Of all samples: what fewer propose is no mode of its own."""

MAX_MODES: Final = 7
"""Modes that get a name; nobody reads more."""

NO_MODE: Final = "other"
"""Name of what samples without a mode are put into."""


@dataclass(frozen=True)
class Mode:
    """Samples of one site with nearly the same pose; or, as `NO_MODE`, all that belong to no mode.

    Attributes:
        name: A for the largest, then B, …; `NO_MODE` for the rest.
        fraction: fraction of all samples.
        residue: a residue such as "A:ASP86" that most of them touch, chosen to tell the mode from others; may be empty.
    """

    name: str
    fraction: float
    residue: str

    def describe(self) -> str:
        """A line such as "mode A, 62% of samples, near A:ASP86"."""
        name = self.name if self.name == NO_MODE else f"mode {self.name}"
        return f"{name}, {self.fraction:.0%} of samples" + (f", near {self.residue}" if self.residue else "")


@dataclass(frozen=True)
class ResidueContacts:
    """The residues that tell N poses apart; R residues in all.

    Attributes:
        contacts: whether each pose touches each residue, bool, shape (N, R).
        pointed_at: whether the codes of each pose point at each residue, bool, shape (N, R).
        labels: names of the residues.
    """

    contacts: np.ndarray
    pointed_at: np.ndarray
    labels: Sequence[str]

    def name_for(self, is_member: np.ndarray, taken: Sequence[str] = ()) -> str:
        """The residue that members, bool (N,), touch and point at more than all samples do; most of them touch it.

        One that is not taken by another mode, if there is any; empty if they have no residue in common.
        """
        common_contacts, everywhere = self.contacts[is_member].mean(axis=0), self.contacts.mean(axis=0)
        scores = common_contacts - everywhere + self.pointed_at[is_member].mean(axis=0)
        common = [index for index in np.argsort(-scores, kind="stable") if common_contacts[index] >= 0.5]
        names = [self.labels[index] for index in common]
        return next((name for name in names if name not in taken), names[0] if names else "")


def residue_contacts(pos: np.ndarray, near: Sequence[Sequence[str]], receptor: Receptor) -> ResidueContacts:
    """What N poses touch and point at.

    Args:
        pos: heavy atoms, Å, shape (N, L, 3).
        near: names of the residues that each pose's codes point at.
        receptor: receptor in the same frame.
    """
    labels = receptor.residue_labels
    contacts = np.zeros((len(pos), len(labels)), dtype=bool)
    for row, atoms in zip(contacts, cKDTree(receptor.pos).query_ball_point(pos, CONTACT_DISTANCE), strict=True):
        row[receptor.residue_idx[[atom for touching in atoms for atom in touching]]] = True
    number = {label: index for index, label in enumerate(labels)}
    pointed_at = np.zeros_like(contacts)
    for row, names in zip(pointed_at, near, strict=True):
        row[[number[name] for name in names]] = True
    return ResidueContacts(contacts, pointed_at, labels)


def find_modes(
    distances: np.ndarray,
    sites: Sequence[Hashable],
    contacts: ResidueContacts,
    best: int = 0,
    kept: Sequence[int] | None = None,
) -> list[Mode]:
    """The mode of each of N samples.

    Poses of one site are joined by average linkage up to `MODE_WIDTH`. The `MAX_MODES` largest groups that hold at
    least `MIN_SHARE` of all samples are modes, and that of the best pose in any case; whatever is left is `NO_MODE`.

    Args:
        distances: symmetry-corrected RMSD between the final poses, Å, shape (N, N).
        sites: samples of unequal sites never share a mode.
        contacts: residues to name modes by.
        best: number of the best-ranked sample.
        kept: numbers of the samples that will be shown, the best among them; modes without any of these get no name.
            None shows all.

    Returns:
        One mode a sample; of modes with equal shares the one whose first sample comes first is named first.
    """
    groups = _groups(distances, sites)
    counts = Counter(groups.tolist())
    shown = set(groups[list(range(len(groups)) if kept is None else kept)].tolist())
    ranking = [(group, count) for group, count in counts.most_common() if group in shown]
    large = [group for group, count in ranking[:MAX_MODES] if count >= MIN_SHARE * len(groups)]
    if groups[best] not in large:
        large = [*large[: MAX_MODES - 1], int(groups[best])]
    modes: dict[int, Mode] = {}
    for letter, group in zip(ascii_uppercase, large, strict=False):
        residue = contacts.name_for(groups == group, [mode.residue for mode in modes.values()])
        modes[group] = Mode(letter, counts[group] / len(groups), residue)
    named = sum(counts[group] for group in large)
    other = Mode(NO_MODE, (len(groups) - named) / len(groups), "")
    return [modes.get(group, other) for group in groups.tolist()]


def _groups(distances: np.ndarray, sites: Sequence[Hashable]) -> np.ndarray:
    """Number of the group of each sample, int, shape (N,)."""
    groups = np.zeros(len(sites), dtype=np.int64)
    total = 0
    for site in dict.fromkeys(sites):
        members = np.array([each == site for each in sites]).nonzero()[0]
        numbers = np.ones(1, dtype=np.int64)
        if len(members) > 1:
            within = squareform(distances[np.ix_(members, members)], checks=False)
            numbers = fcluster(linkage(within, "average"), MODE_WIDTH, "distance")
        groups[members] = total + numbers
        total = int(groups.max())
    return groups
