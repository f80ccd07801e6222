"""`Tensor` and `DType`: what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import Tensor
from rlmesh.dtypes import dtype


def test_a_tensor_does_not_change() -> None:
    tensor: Any = Tensor.of([1, 2], "int8")
    with pytest.raises(AttributeError, match="immutable; cannot set 'shape'"):
        tensor.shape = (1,)
    with pytest.raises(AttributeError, match="immutable; cannot delete 'shape'"):
        del tensor.shape
    assert tensor.tolist() == [1, 2]


def test_a_tensor_of_one_number_is_one_and_has_no_length() -> None:
    tensor = Tensor.of(3.0, "float32")
    assert (int(tensor), float(tensor), bool(tensor)) == (3, 3.0, True)
    with pytest.raises(TypeError, match="0-dimensional"):
        len(tensor)


def test_an_index_is_within_the_first_dimension() -> None:
    tensor = Tensor.of([[1, 2], [3, 4]], "int8")
    assert tensor[-2].tolist() == [1, 2]
    for index in (2, -3):
        with pytest.raises(IndexError, match=f"index {index} is out of range for length 2"):
            tensor[index]


def test_a_tensor_equals_no_list() -> None:
    assert Tensor.of([1, 2], "int8") != [1, 2]


@pytest.mark.parametrize(
    ("name", "limits"),
    [("bool", (0, 1)), ("int8", (-128, 127)), ("uint16", (0, 65_535)), ("uint64", (0, 2**64 - 1))],
)
def test_integers_have_limits(name: str, limits: tuple[int, int]) -> None:
    assert dtype(name).limits == limits


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_floats_have_no_limits(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} has no integer limits"):
        _ = dtype(name).limits


def test_numbers_that_a_type_does_not_hold_are_not_packed() -> None:
    with pytest.raises(TypeError, match="not a number for int8"):
        dtype("int8").pack(["1"])  # type: ignore[list-item]
    with pytest.raises(OverflowError, match="out of range for int8"):
        dtype("int8").pack([200])
