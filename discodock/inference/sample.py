"""Drawing poses of one ligand in one pocket from the docking network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Final

import numpy as np
import torch
from torch import Tensor

from discodock.data.batch import Arrays, collate
from discodock.data.crop import crop_site, move_origin
from discodock.diffusion.pose_space import ReverseProcess, conformers_in_turn
from discodock.errors import InputError
from discodock.geometry.pose import PoseTangent
from discodock.inference.codes import PoseCodes, PoseCodeSampler
from discodock.inference.compute.memory import blocks_at_once, bytes_per_pose, poses_per_block
from discodock.inference.compute.threads import interruptible, map_in_threads
from discodock.inference.config import DockingConfig, pose_solver
from discodock.inference.network import DockingNetwork
from discodock.latents.guidance import guided
from discodock.noise import Purpose, StreamNoise

NOT_FINITE: Final = "the sampler's poses are not finite; use more --steps, another --solver or another --checkpoint"

SHORT_OF_MEMORY: Final = (
    "so little memory was free that poses were drawn in smaller blocks than usual: with more, the same seed gives"
    " slightly other ones"
)

StepCallback = Callable[[int], None]
"""Called after every solver step of a block with the number of poses that took it."""


@dataclass(frozen=True)
class SampledPoses:
    """Poses of one ligand.

    Attributes:
        pos: heavy atoms, Å, float64, shape (P, L, 3).
        code_values: choices of the codes of each pose, as in `PoseCodes`, int64, shape (P, num_codes); without a prior
            of codes there are none.
        short_of_memory: whether a block had to be cut, which changes the poses by rounding.
    """

    pos: np.ndarray
    code_values: np.ndarray
    short_of_memory: bool = False

    def __getitem__(self, idx: np.ndarray) -> SampledPoses:
        """The chosen poses."""
        return replace(self, pos=self.pos[idx], code_values=self.code_values[idx])


def sample_at_sites(
    network: DockingNetwork,
    arrays: Arrays,
    centers: Sequence[np.ndarray],
    counts: Sequence[int],
    config: DockingConfig,
    *,
    on_step: StepCallback | None = None,
    threads: int = 1,
) -> SampledPoses:
    """Draw poses of one ligand at the sites of a receptor, numbered from the first site to the last.

    Args:
        network: the network, from `load_network`.
        arrays: whole receptor and ligand, with conformers in `ligand_conformer_pos`.
        centers: centre of each site, Å, shape (3,).
        counts: number of poses at each site; none may lie at some.
        config: settings of docking; those of sampling are used.
        on_step: progress callback.
        threads: blocks denoised at the same time, if they fit into the free memory and `batch_size`.

    Returns:
        Poses in the receptor's frame, site after site.

    Raises:
        InputError: a single pose does not fit into memory, or poses are not finite.
    """
    conformers = arrays["ligand_conformer_pos"].astype(np.float32)  # free of any site until a pose is drawn
    cropped, used, first = [], [], 0
    for center, count in zip(centers, counts, strict=True):
        if count > 0:
            local = move_origin(arrays, center) if network.whole_receptor else crop_site(arrays, center)
            cropped.append((local | {"ligand_conformer_pos": conformers}, range(first, first + count)))
            used.append(center)
        first += count
    parts = sample_poses(network, cropped, config, on_step, threads)
    return joined([replace(part, pos=part.pos + center) for part, center in zip(parts, used, strict=True)])


def sample_poses(
    network: DockingNetwork,
    sites: Sequence[tuple[Arrays, range]],
    config: DockingConfig,
    on_step: StepCallback | None = None,
    threads: int = 1,
) -> list[SampledPoses]:
    """Draw codes and poses of one ligand; receptors are encoded once, and every pose has its own random stream.

    A pose depends on the seed and its own number, and by rounding alone on the poses of its block. Blocks are cut in
    the same way on every machine: neither threads nor `batch_size` nor the free memory change a bit of a pose, unless
    not even one block fits, which the result says.

    Args:
        network: the network, from `load_network`.
        sites: complexes cropped to a pocket, whose centre is the origin, with conformers in `ligand_conformer_pos`;
            and the numbers of the poses to draw there, which name their random streams.
        config: settings of docking; those of sampling are used.
        on_step: progress callback; only one thread calls it at a time.
        threads: blocks denoised at the same time, if they fit into the free memory and `batch_size`.

    Returns:
        For each site as many poses as it has numbers, in the frame of its arrays.

    Raises:
        InputError: a single pose does not fit into memory, or poses are not finite.
    """
    stop = Event()
    report = interruptible(_one_at_a_time(on_step), stop)
    blocks: list[tuple[int, _SiteSampler, range]] = []
    largest, most_bytes = 1, 1
    for site, (arrays, numbers) in enumerate(sites):
        sampler = _SiteSampler(network, arrays, config, report)
        size = poses_per_block(network, arrays, len(numbers))
        blocks += [(site, sampler, numbers[first : first + size]) for first in range(0, len(numbers), size)]
        largest, most_bytes = max(largest, size), max(most_bytes, size * bytes_per_pose(network, arrays))
    if config.batch_size is not None:
        threads = max(1, min(threads, config.batch_size // largest))
    workers = blocks_at_once(network, most_bytes, threads)
    drawn = map_in_threads(lambda block: block[1].draw(block[2]), blocks, workers, stop)
    by_site: list[list[SampledPoses]] = [[] for _ in sites]
    for (site, _, _), part in zip(blocks, drawn, strict=True):
        by_site[site].append(part)
    return [joined(parts) for parts in by_site]


def joined(parts: Sequence[SampledPoses]) -> SampledPoses:
    """All poses in a row."""
    return SampledPoses(
        np.concatenate([p.pos for p in parts]),
        np.concatenate([p.code_values for p in parts]),
        any(p.short_of_memory for p in parts),
    )


class _SiteSampler:
    """A ligand at one site, encoded once and ready to draw any of its poses; several threads may do so."""

    def __init__(self, network: DockingNetwork, arrays: Arrays, config: DockingConfig, on_step: StepCallback) -> None:
        self.network, self.config, self.on_step = network, config, on_step
        batch = collate([arrays]).to(network.device)
        with torch.inference_mode():
            self.context = network.score_model.encode(batch.receptor, batch.ligand)
            self.conformers = batch.conformer_pos
            has_prior = network.code_prior is not None
            self.codes = PoseCodeSampler(network, batch.receptor, batch.ligand, self.conformers) if has_prior else None

    def draw(self, numbers: range) -> SampledPoses:
        """The poses of these numbers; they are halved until they fit into memory, and the result says so.

        Raises:
            InputError: a single pose does not fit into memory, or poses are not finite.
        """
        try:
            with torch.inference_mode():
                codes = None if self.codes is None else self.codes.draw(numbers, self.config.seed, self.config.codes)
                pos = self._denoise(numbers, codes)
        except RuntimeError as error:
            half = _smaller_block(error, len(numbers), self.network.device)
        else:
            if not np.isfinite(pos).all():
                raise InputError(NOT_FINITE)
            code_values = np.zeros((len(pos), 0), dtype=np.int64) if codes is None else codes.code_values.cpu().numpy()
            return SampledPoses(pos.astype(np.float64), code_values)
        return replace(joined([self.draw(numbers[:half]), self.draw(numbers[half:])]), short_of_memory=True)

    def _denoise(self, numbers: range, codes: PoseCodes | None) -> np.ndarray:
        """One block of poses, shape (len(numbers), L, 3)."""
        network, context, num_poses = self.network, self.context, len(numbers)
        pose_complex = torch.zeros(num_poses, dtype=torch.int64, device=network.device)
        weights = None if codes is None else codes.weights
        guidance_weight = 0.0 if codes is None else self.config.codes.guidance_weight

        def unit_score(pos: Tensor, t: Tensor) -> PoseTangent:
            return guided(
                lambda: network.score_model(context, pos, pose_complex, t, weights),
                lambda: network.score_model(context, pos, pose_complex, t, None),
                guidance_weight,
            )

        def report(_step: int, _pos: Tensor) -> None:
            self.on_step(num_poses)

        topology = context.ligand.topology.select(pose_complex)
        reverse = ReverseProcess(unit_score, network.process, topology, pose_solver(self.config.solver))
        start = conformers_in_turn(self.conformers, pose_complex, numbers)
        return reverse.draw(start, StreamNoise(self.config.seed, numbers, Purpose.POSES), report).cpu().numpy()


def _one_at_a_time(on_step: StepCallback | None) -> StepCallback:
    """A callback for several threads, of which no two call it at the same time; it may be none."""
    lock = Lock()

    def report(num_poses: int) -> None:
        if on_step is not None:
            with lock:
                on_step(num_poses)

    return report


def _smaller_block(error: RuntimeError, size: int, device: torch.device) -> int:
    """Half the block that ran out of memory; any other error goes on its way.

    Raises:
        InputError: a single pose does not fit, or the poses are no longer numbers.
    """
    if isinstance(error, torch.linalg.LinAlgError):
        raise InputError(NOT_FINITE) from error
    message = str(error).lower()
    if not ("out of memory" in message or "can't allocate" in message):
        raise error
    if size == 1:
        raise InputError(
            f"a single pose does not fit into the memory of {device}; free some or use --device cpu"
        ) from error
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return math.ceil(size / 2)
