"""Whether the atoms of a receptor can be where its file puts them."""

from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from discodock.chem.receptor import Receptor
from discodock.chem.residues import parent_amino_acid
from discodock.chem.structures.change_log import ChangeLog, named
from discodock.errors import InputError

N_CA_BOND: Final = 1.46
"""Å, of every amino acid."""

UNITS: Final = {0.1: "nm; multiply them by 10", 1.89: "Bohr; divide them by 1.89", 100.0: "pm; divide them by 100"}
"""Units that coordinates may be in, by the ratio of lengths to those in Å."""

OVERLAP: Final = 0.8
"""Å between two atoms that cannot both be there; the shortest bond between heavy atoms is 1.1 Å."""

MAX_OVERLAPPING: Final = 0.05
"""Share of overlapping atoms beyond which a structure lies on itself, rather than being locally disordered."""

FAR_FROM_ALL: Final = 50.0
"""Å from an atom to the nearest other one beyond which it is no part of the structure."""

FAR_FROM_RESIDUE: Final = 10.0
"""Å from an atom to the nearest other one of its amino acid beyond which it cannot belong to it."""

MIN_MIRRORED: Final = 0.8
"""Share of D-amino acids under the names of L-amino acids beyond which a structure is a mirror image."""

NEVER_ALONE: Final = ("B", "C", "N", "P", "S")
"""Elements of which no single atom is a group of its own, as that of an ion is; water and ammonia go before."""

MIN_CENTRES: Final = 10  # stereo centres without which nothing is said of mirror images


def check_receptor(receptor: Receptor, log: ChangeLog) -> None:
    """Refuse coordinates that cannot be those of a molecule, and warn of doubtful ones.

    Args:
        receptor: the receptor, with what belongs to it.
        log: log of what a user must know.

    Raises:
        InputError: a trace of alpha carbons, another unit of length, atoms far off or on one another.
    """
    backbone = _backbone(receptor)
    _check_trace(receptor, backbone)
    _check_units(receptor, backbone)
    _check_far_atoms(receptor)
    _check_overlaps(receptor, log)
    _check_elements(receptor, log)
    _check_mirror(receptor, backbone, log)


def _backbone(receptor: Receptor) -> dict[str, np.ndarray]:
    """Positions of N, CA, C and CB of each amino acid, NaN where there is none; Å, shape (N, 3)."""
    pos = {name: np.full((len(receptor.residues), 3), np.nan) for name in ("N", "CA", "C", "CB")}
    is_amino_acid = np.array([residue.kind == "amino_acid" for residue in receptor.residues], dtype=bool)
    for name, values in pos.items():
        atoms = np.flatnonzero((receptor.atom_name == name) & is_amino_acid[receptor.residue_idx])
        values[receptor.residue_idx[atoms]] = receptor.pos[atoms]
    return pos


def _check_trace(receptor: Receptor, backbone: dict[str, np.ndarray]) -> None:
    has = {name: np.isfinite(pos[:, 0]) for name, pos in backbone.items()}
    alone = has["CA"] & ~has["N"] & ~has["C"]
    if alone.sum() > has["CA"].sum() / 2:
        raise InputError(
            f"{receptor.source}: {alone.sum()} of {has['CA'].sum()} residues have no backbone but CA; docking needs"
            " all heavy atoms, so rebuild the model or give one that is complete"
        )


def _check_units(receptor: Receptor, backbone: dict[str, np.ndarray]) -> None:
    length = np.linalg.norm(backbone["N"] - backbone["CA"], axis=1)
    length = length[np.isfinite(length)]
    if len(length) == 0:
        return
    middle = float(np.median(length))
    if 0.75 * N_CA_BOND < middle < 1.35 * N_CA_BOND:
        return
    guess = next((unit for ratio, unit in UNITS.items() if 0.85 < middle / N_CA_BOND / ratio < 1.15), None)
    hint = f"they seem to be in {guess}" if guess else "is the file damaged?"
    raise InputError(
        f"{receptor.source}: N and CA of a residue are {middle:.3g} Å apart in the middle, not {N_CA_BOND} Å, so the"
        f" coordinates are not those of a protein in Å; {hint}"
    )


def _check_far_atoms(receptor: Receptor) -> None:
    if len(receptor.pos) < 2:
        return
    nearest = cKDTree(receptor.pos).query(receptor.pos, k=2)[0][:, 1]
    far = np.flatnonzero(nearest > FAR_FROM_ALL)
    what = "any other atom"
    if len(far) == 0:
        far, what = _far_from_residue(receptor), "the rest of its residue"
    if len(far):
        raise InputError(
            f"{receptor.source}: {named([_label(receptor, atom) for atom in far.tolist()], 3)}: over"
            f" {FAR_FROM_ALL if what.startswith('any') else FAR_FROM_RESIDUE:g} Å away from {what}; correct the"
            " coordinates or remove the atom"
        )


def _far_from_residue(receptor: Receptor) -> np.ndarray:
    """Atoms of amino acids that are nowhere near the other atoms of their residue, int64."""
    starts = np.searchsorted(receptor.residue_idx, np.arange(len(receptor.residues) + 1))
    far = []
    for residue, first, last in zip(receptor.residues, starts[:-1], starts[1:], strict=True):
        if residue.kind != "amino_acid" or last - first < 2:
            continue
        pos = receptor.pos[first:last]
        if (np.ptp(pos, axis=0) < FAR_FROM_RESIDUE).all():
            continue
        distance = np.linalg.norm(pos[:, None] - pos[None], axis=-1) + np.diag(np.full(len(pos), np.inf))
        far += (first + np.flatnonzero(distance.min(axis=1) > FAR_FROM_RESIDUE)).tolist()
    return np.array(far, dtype=np.int64)


def _check_overlaps(receptor: Receptor, log: ChangeLog) -> None:
    pairs = cKDTree(receptor.pos).query_pairs(OVERLAP, output_type="ndarray")
    if len(pairs) == 0:
        return
    share = len(np.unique(pairs)) / len(receptor.pos)
    pair = " and ".join(_label(receptor, atom) for atom in pairs[pairs[:, 0].argsort()][0].tolist())
    if share > MAX_OVERLAPPING:
        raise InputError(
            f"{receptor.source}: {share:.0%} of the atoms lie on one another, such as {pair}; keep one of the"
            " structures or locations that the file holds"
        )
    residues = np.unique(receptor.residue_idx[pairs[:, 0]] * len(receptor.residues) + receptor.residue_idx[pairs[:, 1]])
    labels = receptor.residue_labels
    both = [f"{labels[code // len(labels)]} on {labels[code % len(labels)]}" for code in residues.tolist()]
    log.warn(f"atoms that lie on one another: {named(both)}; drop one of them (--drop) if they are alternatives")


def _check_elements(receptor: Receptor, log: ChangeLog) -> None:
    unknown = [_label(receptor, atom) for atom in np.flatnonzero(receptor.element == "X").tolist()]
    if unknown:
        log.warn(f"atoms of unknown element: {named(unknown)}; name the element in the file")
    sizes = np.bincount(receptor.residue_idx, minlength=len(receptor.residues))
    is_lone = (sizes[receptor.residue_idx] == 1) & np.isin(receptor.element, NEVER_ALONE)
    lone = [
        f"{_label(receptor, atom)} ({receptor.element[atom]})"
        for atom in np.flatnonzero(is_lone).tolist()
        if (residue := receptor.residues[receptor.residue_idx[atom]]).kind == "cofactor"
        and parent_amino_acid(residue.name) is None
    ]
    if lone:
        log.warn(f"single atoms that are hardly of these elements: {named(lone)}; name the element in the file")


def _check_mirror(receptor: Receptor, backbone: dict[str, np.ndarray], log: ChangeLog) -> None:
    arms = [backbone[name] - backbone["CA"] for name in ("N", "C", "CB")]
    hand = np.einsum("ij,ij->i", np.cross(arms[0], arms[1]), arms[2])
    hand = hand[np.isfinite(hand)]
    if len(hand) >= MIN_CENTRES and (hand < 0).mean() > MIN_MIRRORED:
        log.warn(f"{(hand < 0).sum()} of {len(hand)} amino acids are D: is the structure a mirror image?")


def _label(receptor: Receptor, atom: int) -> str:
    return f"{receptor.residue_labels[receptor.residue_idx[atom]]} {receptor.atom_name[atom]}"
