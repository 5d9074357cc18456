"""Random tree-shaped molecules with rotatable bonds, padded into one batch."""

import numpy as np
import torch
from torch import Tensor

from discodock.geometry.topology import LigandTopology

BOND_LENGTH = 1.5  # Å


def random_poses(
    seed: int, sizes: tuple[int, ...] = (12, 20, 3, 30), dtype: torch.dtype = torch.float64
) -> tuple[Tensor, LigandTopology]:
    """One random tree per size (sizes below 4 have no rotatable bond), positions about a point far from the origin."""
    rng = np.random.default_rng(seed)
    molecules = [_random_tree(rng, size) for size in sizes]
    num_atoms, num_torsions = max(sizes), max(len(bonds) for _, bonds, _ in molecules)
    num_poses = len(sizes)
    pos = rng.normal(size=(num_poses, num_atoms, 3)) * 50  # padding must not matter
    atom_mask = np.zeros((num_poses, num_atoms), dtype=bool)
    tor_bond = np.zeros((num_poses, num_torsions, 2), dtype=np.int64)
    tor_mask = np.zeros((num_poses, num_torsions), dtype=bool)
    mask_rotate = np.zeros((num_poses, num_torsions, num_atoms), dtype=bool)
    for i, (tree_pos, bonds, moving) in enumerate(molecules):
        size, count = len(tree_pos), len(bonds)
        pos[i, :size], atom_mask[i, :size] = tree_pos, True
        if count:
            tor_bond[i, :count], tor_mask[i, :count], mask_rotate[i, :count, :size] = bonds, True, moving
    topology = LigandTopology(
        torch.from_numpy(atom_mask),
        torch.from_numpy(tor_bond),
        torch.from_numpy(tor_mask),
        torch.from_numpy(mask_rotate),
    )
    return torch.from_numpy(pos).to(dtype), topology


def tree_neighbours(pos: Tensor, mask: Tensor) -> list[list[int]]:
    """Neighbours of each atom of one molecule of `random_poses`, found by bond length in its starting pose."""
    distance = torch.cdist(pos[mask], pos[mask])
    bonded = ((distance - BOND_LENGTH).abs() < 1e-6).tolist()
    return [[j for j, is_bonded in enumerate(row) if is_bonded] for row in bonded]


def select_pose(topology: LigandTopology, i: int) -> LigandTopology:
    """Pose i alone, without its padding."""
    atoms, bonds = topology.atom_mask[i], topology.tor_mask[i]
    return LigandTopology(
        topology.atom_mask[i : i + 1, atoms],
        topology.tor_bond[i : i + 1, bonds],
        topology.tor_mask[i : i + 1, bonds],
        topology.mask_rotate[i : i + 1][:, bonds][:, :, atoms],
    )


def _random_tree(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[tuple[int, int]], np.ndarray]:
    """Positions (size, 3), rotatable bonds (fixed end, moving end) and the atoms each moves (bonds, size)."""
    parents = [-1] + [int(rng.integers(max(0, i - 3), i)) for i in range(1, size)]
    pos = np.zeros((size, 3))
    for i in range(1, size):
        step = rng.normal(size=3)
        pos[i] = pos[parents[i]] + BOND_LENGTH * step / np.linalg.norm(step)
    pos += rng.normal(size=3) * 20
    below = np.eye(size, dtype=bool)
    for i in range(size - 1, 0, -1):
        below[parents[i]] |= below[i]
    bonds, moving = [], []
    for i in range(1, size):
        parent = parents[i]
        if below[i].sum() < 2 or sum(p == parent for p in parents) + (parent > 0) < 2:
            continue  # one end is terminal: nothing real would move
        if below[i].sum() <= size / 2:
            bonds.append((parent, i))
            moving.append(below[i])
        else:
            bonds.append((i, parent))
            moving.append(~below[i])
    order = rng.permutation(len(bonds))
    return pos, [bonds[k] for k in order], np.array([moving[k] for k in order]).reshape(-1, size)
