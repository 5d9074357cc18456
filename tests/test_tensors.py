import dataclasses

import pytest
import torch

from discodock.tensors import TensorRecord


@dataclasses.dataclass(frozen=True)
class Inner(TensorRecord):
    mask: torch.Tensor


@dataclasses.dataclass(frozen=True)
class Outer(TensorRecord):
    pos: torch.Tensor
    inner: Inner


def test_a_record_moves_as_a_whole_and_keeps_its_types():
    record = Outer(torch.ones(2, 3), Inner(torch.tensor([True])))
    moved = record.to("meta")
    assert type(moved) is Outer
    assert type(moved.inner) is Inner
    assert moved.pos.device.type == moved.inner.mask.device.type == "meta"
    assert moved.inner.mask.dtype == torch.bool
    assert record.pos.device.type == record.inner.mask.device.type == "cpu"  # the record itself stays where it was


def test_a_field_that_cannot_move_is_an_error():
    with pytest.raises(AttributeError):
        Outer(torch.ones(2), "not a tensor").to("meta")
