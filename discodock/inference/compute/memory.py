"""How many poses to denoise together, from an estimate of the memory that one takes."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from discodock.inference.compute.device import free_memory
from discodock.inference.network import DockingNetwork

CPU_BATCH: Final = 20
"""Most poses per batch on a CPU: more are no faster there, and their tensors leave the caches."""

GPU_BATCH: Final = 512

MEMORY_SHARE: Final = 0.5
"""Share of the free memory to plan with; the rest is for fragmentation and for everyone else."""


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
    return network.score_model.config.bytes_per_pose(
        num_ligand=len(arrays["ligand_pos"]),
        num_receptor=len(arrays["receptor_pos"]),
        num_residues=len(np.unique(arrays["receptor_residue_idx"])),
    )
