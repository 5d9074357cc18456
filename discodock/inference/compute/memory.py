"""How many poses to denoise together, from an estimate of the memory that one takes."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from discodock.inference.compute.device import free_memory
from discodock.inference.network import DockingNetwork
from discodock.models.disco_diffdock.config import ResidueScoreModelConfig

CPU_BATCH: Final = 20
"""Most poses per batch on a CPU: more are no faster there, and their tensors leave the caches."""

GPU_BATCH: Final = 512

MEMORY_SHARE: Final = 0.5
"""Share of the free memory to plan with; the rest is for fragmentation and for everyone else."""

LIGAND_NEIGHBORS: Final = 30
CONTACTS_PER_ATOM: Final = 60
"""Upper ends of what one ligand atom has within 6 Å, of its own kind and of the receptor's."""

COPIES: Final = 3
"""Tensors of the size of an edge's features alive at once; the estimate is then about 1.7 times the measured peak."""


RESIDUE_COPIES: Final = 12
"""Of networks of kind `residue`: 9 scalars wide is what an edge is embedded from, 3 what it is embedded as."""


def poses_per_batch(network: DockingNetwork, arrays: dict[str, np.ndarray], num_poses: int, threads: int = 1) -> int:
    """Poses to denoise together: as many as fit, in batches of equal size.

    Args:
        network: the network, by whose device and size of features memory is estimated.
        arrays: a complex cropped to its pocket.
        num_poses: poses wanted in all.
        threads: batches in memory at the same time.
    """
    share = MEMORY_SHARE * free_memory(network.device) / threads
    fitting = int(share / bytes_per_pose(network, arrays))
    limit = max(1, min(fitting, CPU_BATCH if network.device.type == "cpu" else GPU_BATCH))
    return math.ceil(num_poses / math.ceil(num_poses / limit))


def bytes_per_pose(network: DockingNetwork, arrays: dict[str, np.ndarray]) -> int:
    """Rough upper estimate of the memory that one pose takes in one step."""
    config = network.score_model.config
    num_ligand, num_receptor = len(arrays["ligand_pos"]), len(arrays["receptor_pos"])
    if isinstance(config, ResidueScoreModelConfig):
        num_residues = len(np.unique(arrays["receptor_residue_idx"]))
        num_edges = num_residues * (config.receptor_neighbors + 2 * num_ligand) + num_ligand**2
        return 4 * num_edges * (RESIDUE_COPIES * config.num_scalars + 6 * config.num_vectors)
    num_edges = num_ligand * (min(num_ligand, LIGAND_NEIGHBORS) + min(num_receptor, CONTACTS_PER_ATOM))
    floats_per_edge = COPIES * (config.num_scalars + 3 * config.num_vectors)
    distances = num_ligand * (num_ligand + num_receptor) * 4
    return 4 * (num_edges * floats_per_edge + distances)
