"""Where to dock: a pocket named by a reference ligand, a point or residues, checked against the receptor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from discodock.chem.pocket_reference import read_reference
from discodock.chem.receptor import Receptor
from discodock.errors import InputError
from discodock.inference.config import DEFAULT_RADIUS

MAX_GAP: Final = 8.0
"""Å between the centre and the nearest receptor atom; a ligand's centroid is 3-5 Å from it in crystal complexes."""

MIN_NEARBY_ATOMS: Final = 20
"""Receptor atoms within `DEFAULT_RADIUS` of the centre without which there is nothing to dock into."""

SEARCH_RADIUS: Final = 8.0
"""Å around the mean of the named residues within which the pocket's centre is looked for, on a grid of 1 Å."""

CLEARANCE: Final = 2.8
"""Å from the nearest receptor atom at which a point counts as free."""

NUM_BEST_POINTS: Final = 12
"""Best grid points averaged to the centre, so that it does not jump with the grid."""

RANGE: Final = re.compile(r"(?P<chain>[^:]*):(?P<first>-?\d+)\s*[-–]\s*(?:(?P=chain):)?(?P<last>-?\d+)")  # noqa: RUF001
"""A range of residues of one chain, such as A:18-20 or A:18-A:20."""

THREE_WAYS: Final = "--pocket-ligand REF.sdf, --pocket-center X Y Z or --pocket-residues A:12,A:18-20"


@dataclass(frozen=True)
class PocketSpec:
    """The user's words for a pocket: exactly one of the first three. Blind docking has no spec at all.

    Attributes:
        ligand: file of a ligand that lies in the pocket; only its centroid is used, never its pose.
        center: point in the receptor's frame, Å.
        residues: selectors such as "A:12", "A:ASP12" or, for all from one to another, "A:18-20".
        radius: distance from the centre within which a pose's centroid counts as in the pocket, Å.
    """

    ligand: Path | None = None
    center: tuple[float, float, float] | None = None
    residues: tuple[str, ...] = ()
    radius: float = DEFAULT_RADIUS

    def check(self) -> None:
        """Refuse anything but exactly one way of naming the pocket.

        Raises:
            InputError: none or more than one is given, or a number is unusable.
        """
        given = [self.ligand is not None, self.center is not None, bool(self.residues)]
        if sum(given) == 0:
            raise InputError(f"the pocket has a radius but no place; name it by {THREE_WAYS}")
        if sum(given) > 1:
            raise InputError(f"the pocket is given in more than one way; keep one of {THREE_WAYS}")
        if self.center is not None and not np.isfinite(self.center).all():
            raise InputError(
                f"pocket centre {_coordinates(self.center)} is not a point; give three finite numbers in Å"
            )
        if not (np.isfinite(self.radius) and self.radius > 0):
            raise InputError(f"pocket radius {self.radius} is not a positive length; give it in Å, such as 10")


@dataclass(frozen=True)
class Pocket:
    """A place to dock into.

    Attributes:
        center: centre in the receptor's frame, Å, float64, shape (3,).
        radius: distance from the centre within which a pose's centroid counts as in the pocket, Å.
        source: origin of the pocket, for messages and `run.json`.
        warnings: guesses made where its name was ambiguous, one sentence each.
    """

    center: np.ndarray
    radius: float
    source: str
    warnings: tuple[str, ...] = ()


def pocket_spec(
    ligand: str | Path | None, center: Sequence[float] | None, residues: Sequence[str], radius: float
) -> PocketSpec | None:
    """A checked `PocketSpec` from loosely typed values; None if they name no pocket at all.

    Raises:
        InputError: more than one way of naming the pocket is given, or numbers are unusable.
    """
    if ligand is None and center is None and not residues and radius == DEFAULT_RADIUS:
        return None
    if center is not None and len(center) != 3:
        raise InputError(f"a pocket centre has three coordinates, not {len(center)}")
    point = (float(center[0]), float(center[1]), float(center[2])) if center is not None else None
    spec = PocketSpec(None if ligand is None else Path(ligand), point, tuple(residues), radius)
    spec.check()
    return spec


def resolve_pocket(spec: PocketSpec, receptor: Receptor) -> Pocket:
    """The pocket a spec means in a receptor.

    Raises:
        InputError: the spec is not usable, names unknown residues, or lies away from the receptor.
    """
    spec.check()
    if spec.ligand is not None:
        reference = read_reference(spec.ligand)
        pocket = Pocket(reference.pos.mean(axis=0), spec.radius, f"ligand {spec.ligand}", reference.warnings)
    elif spec.center is not None:
        pocket = Pocket(np.array(spec.center, dtype=np.float64), spec.radius, f"centre {_coordinates(spec.center)}")
    else:
        pocket = Pocket(_residue_center(spec.residues, receptor), spec.radius, f"residues {','.join(spec.residues)}")
    _check_distance(pocket, receptor)
    return pocket


def _residue_center(selectors: tuple[str, ...], receptor: Receptor) -> np.ndarray:
    """The free space that the residues surround; Å, shape (3,).

    The residues' mean lies within the wall of the pocket. Of the points around it that are clear of all atoms, those
    count that are nearest to all residues at once (least mean square distance to each one's nearest atom). On 13
    crystal complexes this is 3.0 Å from the ligand's centroid given four random residues of its site, the mean 4.1 Å.
    """
    residues = [receptor.pos[receptor.residue_idx == index] for index in _find_residues(selectors, receptor)]
    mean = np.mean([pos.mean(axis=0) for pos in residues], axis=0)
    steps = np.arange(-SEARCH_RADIUS, SEARCH_RADIUS + 0.5)
    offsets = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    points = mean + offsets[np.linalg.norm(offsets, axis=1) <= SEARCH_RADIUS]
    points = points[cKDTree(receptor.pos).query(points)[0] > CLEARANCE]
    if len(points) == 0:
        return mean
    cost = np.mean([cKDTree(pos).query(points)[0] ** 2 for pos in residues], axis=0)
    return points[np.argsort(cost, kind="stable")[:NUM_BEST_POINTS]].mean(axis=0)


def _find_residues(selectors: tuple[str, ...], receptor: Receptor) -> list[int]:
    """Indices of the residues meant by the selectors."""
    indices: list[int] = []
    for selector in selectors:
        named = selector if ":" in selector else f"{_only_chain(receptor, selector)}:{selector}"
        found = receptor.find_residues(named) or _find_range(named, receptor)
        if not found:
            chains = ", ".join(sorted({residue.chain or "(blank)" for residue in receptor.residues}))
            raise InputError(
                f"{receptor.source}: no residue {selector!r} (chains here: {chains}); give chain:number such as"
                f" {receptor.residues[0].chain}:{receptor.residues[0].number}"
            )
        indices += found
    return sorted(set(indices))


def _find_range(selector: str, receptor: Receptor) -> list[int]:
    """Indices of the residues that a range such as "A:18-20" means, both ends included; empty if it is none."""
    found = RANGE.fullmatch(selector)
    if found is None:
        return []
    first, last = int(found["first"]), int(found["last"])
    if first > last:
        raise InputError(
            f"residues {selector!r}: the range runs backwards; write it as {found['chain']}:{last}-{first}"
        )
    return [
        index
        for index, residue in enumerate(receptor.residues)
        if residue.chain == found["chain"] and first <= residue.number <= last and residue.kind != "water"
    ]


def _only_chain(receptor: Receptor, selector: str) -> str:
    """The chain meant by a selector that names none; there must be just one."""
    chains = {residue.chain for residue in receptor.residues}
    if len(chains) > 1:
        raise InputError(
            f"residue {selector!r} names no chain and {receptor.source} has several; write it as A:{selector}"
        )
    return chains.pop()


def _check_distance(pocket: Pocket, receptor: Receptor) -> None:
    distance = np.linalg.norm(receptor.pos - pocket.center, axis=1)
    if distance.min() > MAX_GAP:
        raise InputError(
            f"the pocket ({pocket.source}) is {distance.min():.0f} Å away from the nearest atom of {receptor.source};"
            f" both must be in the same coordinate frame"
        )
    if (distance < DEFAULT_RADIUS).sum() < MIN_NEARBY_ATOMS:
        raise InputError(
            f"the pocket ({pocket.source}) is empty: fewer than {MIN_NEARBY_ATOMS} atoms of {receptor.source} within"
            f" {DEFAULT_RADIUS:g} Å; give a point inside a cavity"
        )


def _coordinates(center: tuple[float, float, float]) -> str:
    return "(" + ", ".join(f"{x:g}" for x in center) + ")"
