"""Classifier-free guidance of scores, denoised images or logits, in whatever structure the network returns them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import Tensor

TreeT = TypeVar("TreeT")


def guide(conditional: Any, unconditional: Any, weight: float) -> Any:
    """Guided output s_c + w (s_c - s_null); weight 0 returns `conditional` itself, -1 is no condition at all.

    EDM2 and Imagen count from the unconditional output, s_null + w' (s_c - s_null): w' = 1 + w.

    Args:
        conditional: a tensor, or tensors in dataclasses, mappings, tuples and lists, of codes as given.
        unconditional: the same for null codes, of the same structure.
        weight: w, no unit.

    Raises:
        ValueError: the two have different structures.
        TypeError: something in them is no tensor.

    Source: Ho, Salimans 2022, arXiv 2207.12598, Eq. 6.
    """
    if weight == 0:
        return conditional
    if type(conditional) is not type(unconditional):
        raise ValueError(f"cannot guide a {type(unconditional).__name__} towards a {type(conditional).__name__}")
    if isinstance(conditional, Tensor):
        return conditional + weight * (conditional - unconditional)
    if dataclasses.is_dataclass(conditional) and not isinstance(conditional, type):
        pairs = (
            (f.name, getattr(conditional, f.name), getattr(unconditional, f.name))
            for f in dataclasses.fields(conditional)
        )
        return dataclasses.replace(conditional, **{name: guide(c, u, weight) for name, c, u in pairs})
    if isinstance(conditional, Mapping):
        if conditional.keys() != unconditional.keys():
            raise ValueError(f"cannot guide {sorted(unconditional)} towards {sorted(conditional)}")
        return {key: guide(value, unconditional[key], weight) for key, value in conditional.items()}
    if isinstance(conditional, tuple | list):
        items = [guide(c, u, weight) for c, u in zip(conditional, unconditional, strict=True)]
        named = hasattr(conditional, "_fields")
        return type(conditional)(*items) if named else type(conditional)(items)
    raise TypeError(f"cannot guide a {type(conditional).__name__}")


def guided(conditional: Callable[[], TreeT], unconditional: Callable[[], TreeT], weight: float) -> TreeT:
    """As `guide`, for outputs yet to be computed; the unconditional one is not computed when the weight is 0."""
    return conditional() if weight == 0 else guide(conditional(), unconditional(), weight)
