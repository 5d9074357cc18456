"""Frozen dataclasses of tensors that go from device to device as a whole."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import torch


@dataclass(frozen=True)
class TensorRecord:
    """Base of frozen dataclasses whose fields are tensors, further records, or dicts of those by name."""

    def to(self, device: torch.device | str) -> Self:
        """A copy on `device`."""
        return type(self)(**{field.name: _moved(getattr(self, field.name), device) for field in fields(self)})


def _moved(value: Any, device: torch.device | str) -> Any:
    return {name: each.to(device) for name, each in value.items()} if isinstance(value, dict) else value.to(device)
