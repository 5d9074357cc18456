"""How many poses to denoise together, and how many such blocks at a time: only the second depends on the free memory.

Sums of floating-point numbers depend on the shapes of what they run over, and the poses with them by up to some tenths
of an Å. So the poses of a block are always the same ones: whatever a machine or a user can spare, blocks stay whole.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from discodock.inference.compute.device import free_memory
from discodock.inference.network import DockingNetwork

CPU_BLOCK: Final = 20
"""Most poses per block on a CPU: more are no faster there, and their tensors leave the caches."""

GPU_BLOCK: Final = 512

CPU_BLOCK_BYTES: Final = 2 << 30
GPU_BLOCK_BYTES: Final = 4 << 30
"""Most memory of a block by `bytes_per_pose`, the same on all machines; a small one has as much."""

MEMORY_FRACTION: Final = 0.5
"""Share of the free memory to plan with; the rest is for fragmentation and for everyone else."""


def poses_per_block(network: DockingNetwork, arrays: dict[str, np.ndarray], num_poses: int) -> int:
    """Poses to denoise together, in blocks of equal size; the same on all machines with the same kind of device.

    Args:
        network: the network, by whose kind of device and size of features blocks are cut.
        arrays: a complex cropped to its pocket.
        num_poses: poses wanted in all.
    """
    is_cpu = network.device.type == "cpu"
    fitting = (CPU_BLOCK_BYTES if is_cpu else GPU_BLOCK_BYTES) // bytes_per_pose(network, arrays)
    limit = max(1, min(fitting, CPU_BLOCK if is_cpu else GPU_BLOCK))
    return math.ceil(num_poses / math.ceil(num_poses / limit))


def blocks_at_once(network: DockingNetwork, block_bytes: int, threads: int) -> int:
    """Blocks to denoise at the same time, one per thread: as many as fit into the free memory, at least one.

    Args:
        network: the network, on whose device the memory is.
        block_bytes: memory that the largest block takes.
        threads: threads to denoise with.
    """
    return max(1, min(threads, int(MEMORY_FRACTION * free_memory(network.device) / block_bytes)))


def bytes_per_pose(network: DockingNetwork, arrays: dict[str, np.ndarray]) -> int:
    """Rough upper estimate of the memory that one pose takes in one step."""
    return network.score_model.config.bytes_per_pose(
        num_ligand=len(arrays["ligand_pos"]),
        num_receptor=len(arrays["receptor_pos"]),
        num_residues=len(np.unique(arrays["receptor_residue_idx"])),
    )
