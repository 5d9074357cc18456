"""Copies of a binding site: where else in a protein of like chains a ligand would lie as it does in the crystal."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import torch

from discodock.chem.receptor import Receptor
from discodock.geometry.alignment import RigidMotion, align

CONTACT: Final = 5.0
"""Å between a ligand and the residues that make its site."""

MIN_ALIGNED: Final = 20
"""Alpha carbons that chains are superposed by, at least."""

MIN_SHARED: Final = 0.9
"""Share of the shorter chain's residues that like chains have in common, by number and name."""

MAX_DEVIATION: Final = 2.0
"""Å from where the superposition puts it, within which a residue of the site must have its like."""

ResidueKey = tuple[int, str, str]
"""Number, insertion code and name: what like residues of like chains share."""


def crystal_copies(receptor: Receptor, crystal_pos: np.ndarray) -> np.ndarray:
    """A crystal pose, and the same pose in every copy of its site.

    The chain that touches the ligand most is superposed on each chain like it. The pose moved along counts as a copy if
    every residue within 5 Å of the ligand, of whichever chain, finds its like where the superposition puts it.

    Args:
        receptor: receptor with the ligand's chain.
        crystal_pos: heavy atoms of the ligand, Å, shape (L, 3).

    Returns:
        The crystal pose first, then its copies, Å, shape (1 + C, L, 3).
    """
    poses = [crystal_pos]
    chains = _alpha_carbons(receptor)
    site = _site_residues(receptor, crystal_pos)
    homes = Counter(chain for chain, key in site if key in chains.get(chain, {}))
    if not homes:
        return np.stack(poses)
    home = homes.most_common(1)[0][0]
    everywhere: dict[ResidueKey, list[np.ndarray]] = {}
    for chain in chains.values():
        for key, pos in chain.items():
            everywhere.setdefault(key, []).append(pos)
    for name, chain in chains.items():
        motion = None if name == home else _superposition(chains[home], chain)
        if motion is None:
            continue
        wanted = [(key, _moved(motion, chains[at][key][None])[0]) for at, key in site if key in chains.get(at, {})]
        if all(_nearest(pos, everywhere[key]) <= MAX_DEVIATION for key, pos in wanted):
            poses.append(_moved(motion, crystal_pos))
    return np.stack(poses)


def _alpha_carbons(receptor: Receptor) -> dict[str, dict[ResidueKey, np.ndarray]]:
    """Place of each amino acid, by chain and key."""
    chains: dict[str, dict[ResidueKey, np.ndarray]] = {}
    for atom in np.flatnonzero(receptor.atom_name == "CA"):
        residue = receptor.residues[receptor.residue_idx[atom]]
        if residue.kind == "amino_acid":
            key = (residue.number, residue.icode, residue.parent)
            chains.setdefault(residue.chain, {})[key] = receptor.pos[atom]
    return chains


def _site_residues(receptor: Receptor, pos: np.ndarray) -> set[tuple[str, ResidueKey]]:
    """Chain and key of each residue with an atom near a ligand (L, 3)."""
    distance = np.linalg.norm(receptor.pos[:, None] - pos[None], axis=2).min(axis=1)
    near = [receptor.residues[index] for index in np.unique(receptor.residue_idx[distance <= CONTACT])]
    return {(residue.chain, (residue.number, residue.icode, residue.parent)) for residue in near}


def _superposition(home: dict[ResidueKey, np.ndarray], other: dict[ResidueKey, np.ndarray]) -> RigidMotion | None:
    """What moves a chain onto another one; None if they are not alike."""
    shared = [key for key in home if key in other]
    if len(shared) < max(MIN_ALIGNED, MIN_SHARED * min(len(home), len(other))):
        return None
    fixed, mobile = (torch.from_numpy(np.stack([chain[key] for key in shared]))[None] for chain in (other, home))
    return align(mobile, fixed, torch.ones(1, len(shared), dtype=torch.bool))


def _moved(motion: RigidMotion, pos: np.ndarray) -> np.ndarray:
    moved: np.ndarray = motion.apply(torch.from_numpy(pos)[None])[0].numpy()
    return moved


def _nearest(pos: np.ndarray, others: list[np.ndarray]) -> float:
    return float(np.linalg.norm(np.stack(others) - pos, axis=1).min())
