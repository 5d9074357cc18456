"""Frozen dataclasses of tensors that go from device to device as a whole."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import torch


@dataclass(frozen=True)
class TensorRecord:
    """Base of frozen dataclasses whose fields are tensors or further records."""

    def to(self, device: torch.device | str) -> Self:
        """A copy on `device`."""
        return type(self)(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})
