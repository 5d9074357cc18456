"""Cutting the receptor down to the atoms around a site, and moving a complex into the frame of that site."""

from __future__ import annotations

import numpy as np

from discodock.errors import InputError

CROP_MARGIN = 6.0
"""Å of receptor beyond the ligand's own reach from its centroid."""

MIN_CROP_RADIUS = 11.0
"""Å; even the smallest ligand sees this much of its site."""


def crop_radius(conformer_pos: np.ndarray) -> float:
    """Radius of the receptor crop for a ligand, from the reach of a starting conformer; never from the bound pose.

    Args:
        conformer_pos: one conformer, Å, shape (L, 3).

    Returns:
        Radius in Å: the largest distance from the centroid plus `CROP_MARGIN`, at least `MIN_CROP_RADIUS`.
    """
    reach = np.linalg.norm(conformer_pos - conformer_pos.mean(axis=0), axis=1).max()
    return max(MIN_CROP_RADIUS, float(reach) + CROP_MARGIN)


def crop_complex(arrays: dict[str, np.ndarray], center: np.ndarray, radius: float) -> dict[str, np.ndarray]:
    """Keep receptor atoms within `radius` of `center`, and make `center` the origin of all positions.

    Args:
        arrays: a prepared complex (`discodock.schema.FIELDS`); not changed.
        center: centre of the site, Å, shape (3,).
        radius: distance from the centre within which atoms are kept, Å.

    Returns:
        A new mapping; positions of receptor and ligand are relative to `center`.

    Raises:
        InputError: nothing of the receptor is there.
    """
    keep = np.linalg.norm(arrays["receptor_pos"] - center, axis=1) < radius
    if not keep.any():
        place = ", ".join(f"{float(x):.1f}" for x in center)
        raise InputError(f"no atom of the receptor lies within {radius:.0f} Å of ({place}); give a pocket in it")
    cropped = {name: value[keep] if name.startswith("receptor_") else value for name, value in arrays.items()}
    return move_origin(cropped, center)


def crop_site(arrays: dict[str, np.ndarray], center: np.ndarray) -> dict[str, np.ndarray]:
    """`crop_complex` to what a ligand may reach from a site's centre, Å, shape (3,), by its first conformer."""
    return crop_complex(arrays, center, crop_radius(arrays["ligand_conformer_pos"][0]))


def move_origin(arrays: dict[str, np.ndarray], center: np.ndarray) -> dict[str, np.ndarray]:
    """A new mapping in which all positions are relative to `center`, Å, shape (3,)."""
    names = ("receptor_pos", "ligand_pos", "ligand_conformer_pos")
    return arrays | {name: (arrays[name] - center).astype(np.float32) for name in names}


def receptor_center(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Where blind docking without a site code begins: the mean of the receptor's atoms, Å, shape (3,)."""
    return arrays["receptor_pos"].mean(axis=0, dtype=np.float64)
