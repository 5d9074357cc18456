"""Random choices of an evaluation that depend on its seed and a complex's id alone."""

from __future__ import annotations

import hashlib

import numpy as np


def displaced_center(crystal_pos: np.ndarray, offset: float, seed: int, complex_id: str) -> np.ndarray:
    """The centroid of the crystal pose (L, 3) moved by `offset` Å in a random direction; Å, shape (3,)."""
    direction = np.random.default_rng(seed_of(seed, complex_id, "offset")).normal(size=3)
    return np.asarray(crystal_pos.mean(axis=0) + offset * direction / np.linalg.norm(direction))


def seed_of(seed: int, complex_id: str, purpose: str) -> int:
    """A 64-bit seed of one complex for one purpose."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{complex_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
