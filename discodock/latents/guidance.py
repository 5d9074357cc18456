"""Classifier-free guidance of scores, denoised images or logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self, TypeVar


class Vector(Protocol):
    """What can be added and scaled: tensors, and whatever a network returns that says how."""

    def __add__(self, other: Self, /) -> Self: ...

    def __sub__(self, other: Self, /) -> Self: ...

    def __mul__(self, factor: float, /) -> Self: ...


VectorT = TypeVar("VectorT", bound=Vector)


def guided(conditional: Callable[[], VectorT], unconditional: Callable[[], VectorT], weight: float) -> VectorT:
    """Guided output s_c + w (s_c - s_null) of a network with codes, and without.

    EDM2 and Imagen count from the unconditional output, s_null + w' (s_c - s_null): w' = 1 + w.

    Args:
        conditional: function that gives the output for codes as given.
        unconditional: function that gives the output for null codes; not called when the weight is 0.
        weight: w, no unit; 0 is the conditional output itself, -1 is no condition at all.

    Source: Ho, Salimans 2022, arXiv 2207.12598, Eq. 6.
    """
    conditioned = conditional()
    return conditioned if weight == 0 else conditioned + (conditioned - unconditional()) * weight
