"""Drawing poses of one ligand in one pocket from the docking network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Final

import numpy as np
import torch
from pydantic import Field, ValidationError
from torch import Tensor

from discodock.data.batch import Arrays, collate
from discodock.diffusion.pose_space import conformers_in_turn, draw_poses
from discodock.diffusion.solvers import LowTemperature, SolverConfig
from discodock.errors import ConfigError, InputError
from discodock.geometry.pose import PoseTangent
from discodock.inference.codes import PoseCodeConfig, PoseCodes, PoseCodeSampler
from discodock.inference.memory import poses_per_batch
from discodock.inference.network import DockingNetwork
from discodock.inference.sites import SiteSearchConfig
from discodock.inference.threads import interruptible, map_in_threads
from discodock.latents.guidance import guided
from discodock.noise import Purpose, StreamNoise
from discodock.settings import Settings

NOT_FINITE: Final = "the sampler's poses are not finite; use more --steps, another --solver or another --checkpoint"

DEFAULT_STEPS: Final = 20

StepCallback = Callable[[int], None]
"""Called after every solver step of a batch with the number of poses that took it."""


class SamplingConfig(Settings):
    """How poses are drawn."""

    samples: int = Field(40, ge=1, le=10_000, description="poses per ligand that are kept")
    exhaustiveness: int = Field(
        2, ge=1, le=100, description="candidates drawn and relaxed for each pose kept: the best, and unlike each other"
    )
    seed: int = Field(0, ge=0, description="of every random stream; equal seeds give equal poses on equal hardware")
    conformers: int = Field(10, ge=1, le=1000, description="RDKit conformers to start from, taken in turn by the poses")
    batch_size: int | None = Field(
        None, ge=1, description="poses that a thread denoises together; none: from the free memory"
    )
    sites: SiteSearchConfig = Field(default_factory=SiteSearchConfig, description="where to dock if no pocket is given")
    codes: PoseCodeConfig = Field(default_factory=PoseCodeConfig, description="codes of poses, if the network has them")
    solver: SolverConfig = Field(
        default_factory=lambda: default_solver(DEFAULT_STEPS), description="solver, steps and time grid"
    )

    @property
    def num_candidates(self) -> int:
        """Poses that are drawn for a ligand."""
        return self.samples * self.exhaustiveness

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> SamplingConfig:
        """Settings from plain values; those of `solver` that are not given are `default_solver`'s.

        Raises:
            ConfigError: a value is out of range or a name unknown; one line.
        """
        given = dict(values.get("solver", {}))
        steps = given.get("steps")
        solver = default_solver(steps if isinstance(steps, int) else DEFAULT_STEPS).model_dump() | given
        try:
            return cls.model_validate({**values, "solver": solver})
        except ValidationError as error:
            problem = error.errors()[0]
            raise ConfigError(f"{problem['loc'][-1]}: {problem['msg']}, not {problem['input']!r}") from None


def default_solver(steps: int) -> SolverConfig:
    """The low-temperature SDE, warmer the fewer the steps, because its explicit steps overshoot when they are long.

    Chosen on 64 val complexes with 8 poses each in 20 steps, without codes: of the poses of the packaged score model
    30.9 % are below 2 Å and 15.0 % below 1 Å, against 27.1 and 11.9 % at an inverse temperature of 2.5; 5 is no better,
    and neither are more steps, another psi or sigma_data, or a colder rotation or torsions alone.

    Args:
        steps: solver steps; 20 or more have the full effect.
    """
    strength = min(1.0, max(steps, 1) / DEFAULT_STEPS)
    temperature = LowTemperature(sampling=1 + 3 * strength**1.5, psi=1.5 * strength, sigma_data=0.6)
    return SolverConfig(solver="low_temperature", steps=max(steps, 1), temperatures=(temperature,))


@dataclass(frozen=True)
class SampledPoses:
    """Poses of one ligand.

    Attributes:
        pos: heavy atoms, Å, float64, shape (P, L, 3).
        entries: what the codes of each pose chose, as in `PoseCodes.entries`, int64, shape (P, num_codes); without
            a prior of codes there are none.
    """

    pos: np.ndarray
    entries: np.ndarray

    def __getitem__(self, idx: np.ndarray) -> SampledPoses:
        """The chosen poses."""
        return SampledPoses(self.pos[idx], self.entries[idx])


def sample_poses(
    network: DockingNetwork,
    places: Sequence[tuple[Arrays, range]],
    config: SamplingConfig,
    on_step: StepCallback | None = None,
    threads: int = 1,
) -> list[SampledPoses]:
    """Draw codes and poses of one ligand; receptors are encoded once, and every pose has its own random stream.

    A pose depends on the seed and its own number alone, not on the batch it is in (up to rounding), and so not on
    threads, unless memory is so short that they make batches smaller.

    Args:
        network: from `load_network`.
        places: complexes cropped to a pocket, whose centre is the origin, with conformers in `ligand_conformer_pos`;
            and the numbers of the poses to draw there, which name their random streams.
        config: how poses are drawn.
        on_step: progress callback; only one thread calls it at a time.
        threads: batches denoised at the same time.

    Returns:
        For each place as many poses as it has numbers, in the frame of its arrays.

    Raises:
        InputError: a single pose does not fit into memory, or poses are not finite.
    """
    stop = Event()
    report = interruptible(_one_at_a_time(on_step), stop)
    batches: list[tuple[int, _PlaceSampler, range]] = []
    for place, (arrays, numbers) in enumerate(places):
        sampler = _PlaceSampler(network, arrays, config, report)
        size = config.batch_size or poses_per_batch(network, arrays, len(numbers), threads)
        batches += [(place, sampler, numbers[first : first + size]) for first in range(0, len(numbers), size)]
    drawn = map_in_threads(lambda batch: batch[1].draw(batch[2]), batches, threads, stop)
    by_place: list[list[SampledPoses]] = [[] for _ in places]
    for (place, _, _), part in zip(batches, drawn, strict=True):
        by_place[place].append(part)
    return [joined(parts) for parts in by_place]


def joined(parts: Sequence[SampledPoses]) -> SampledPoses:
    """All poses in a row."""
    return SampledPoses(np.concatenate([p.pos for p in parts]), np.concatenate([p.entries for p in parts]))


class _PlaceSampler:
    """A ligand at one place, encoded once and ready to draw any of its poses; several threads may do so."""

    def __init__(self, network: DockingNetwork, arrays: Arrays, config: SamplingConfig, on_step: StepCallback) -> None:
        self.network, self.config, self.on_step = network, config, on_step
        batch = collate([arrays]).to(network.device)
        with torch.inference_mode():
            self.context = network.score_model.encode(batch.receptor, batch.ligand)
            self.conformers = batch.conformer_pos
            has_prior = network.code_prior is not None
            self.codes = PoseCodeSampler(network, batch.receptor, batch.ligand, self.conformers) if has_prior else None

    def draw(self, numbers: range) -> SampledPoses:
        """The poses of these numbers; they are halved until they fit into memory.

        Raises:
            InputError: a single pose does not fit into memory, or poses are not finite.
        """
        try:
            with torch.inference_mode():
                codes = None if self.codes is None else self.codes.draw(numbers, self.config.seed, self.config.codes)
                pos = self._denoise(numbers, codes)
        except RuntimeError as error:
            half = _smaller_batch(error, len(numbers), self.network.device)
        else:
            if not np.isfinite(pos).all():
                raise InputError(NOT_FINITE)
            entries = np.zeros((len(pos), 0), dtype=np.int64) if codes is None else codes.entries.cpu().numpy()
            return SampledPoses(pos.astype(np.float64), entries)
        return joined([self.draw(numbers[:half]), self.draw(numbers[half:])])

    def _denoise(self, numbers: range, codes: PoseCodes | None) -> np.ndarray:
        """One batch of poses, shape (len(numbers), L, 3)."""
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

        pos = draw_poses(
            unit_score,
            network.process,
            context.ligand.topology.select(pose_complex),
            conformers_in_turn(self.conformers, pose_complex, numbers),
            StreamNoise(self.config.seed, numbers, Purpose.POSES),
            config=self.config.solver,
            on_step=report,
        )
        return pos.cpu().numpy()


def _one_at_a_time(on_step: StepCallback | None) -> StepCallback:
    """A callback for several threads, of which no two call it at the same time; it may be none."""
    lock = Lock()

    def report(num_poses: int) -> None:
        if on_step is not None:
            with lock:
                on_step(num_poses)

    return report


def _smaller_batch(error: RuntimeError, size: int, device: torch.device) -> int:
    """Half the batch that ran out of memory; any other error goes on its way.

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
