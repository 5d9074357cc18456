"""What a solver must know about the thing it denoises: its components, their noise, and how a tangent moves it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from torch import Tensor

from discodock.noise import NoiseLike, standard_normal

StateT = TypeVar("StateT")
TangentT_contra = TypeVar("TangentT_contra", contravariant=True)

Components = tuple[Tensor, ...]
"""A tangent vector by component, one tensor per noise schedule of the space."""


class Schedule(Protocol):
    """Noise levels over time; `discodock.diffusion.schedule.NoiseSchedule` is one."""

    def sigma(self, t: Tensor) -> Tensor:
        """Noise level at times `t`, falling with falling t."""
        ...

    def g2(self, t: Tensor) -> Tensor:
        """Squared diffusion coefficient, d sigma^2 / dt."""
        ...


class Space(Protocol[StateT, TangentT_contra]):
    """A manifold with one or more components, each with its own variance-exploding noise."""

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """One per component."""
        ...

    def components(self, tangent: TangentT_contra) -> Components:
        """A tangent vector (a score) as one tensor per component."""
        ...

    def retract(self, state: StateT, step: Components) -> StateT:
        """Move by a finite tangent vector; agrees with the exact flow to second order."""
        ...

    def unit_noise(self, state: StateT, source: NoiseLike) -> Components:
        """Standard normals for every degree of freedom, by exactly one call to `source`."""
        ...


class EuclideanSpace:
    """Plain tensors of any shape, first dimension the batch, with one noise schedule: images, or points in a plane."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedules: tuple[Schedule, ...] = (schedule,)

    def components(self, tangent: Tensor) -> Components:
        """The tensor itself is the only component."""
        return (tangent,)

    def retract(self, state: Tensor, step: Components) -> Tensor:
        """Add the step."""
        return state + step[0]

    def unit_noise(self, state: Tensor, source: NoiseLike) -> Components:
        """Standard normals in the shape of the state."""
        return (standard_normal(source, state.shape, like=state),)
