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


@pytest.mark.parametrize("values", [list(range(7)), [[i, -i] for i in range(7)]])
@pytest.mark.parametrize("part", [slice(3), slice(2, -1), slice(5, 2), slice(None, None, -2)])
def test_a_slice_is_that_of_the_list(values: Any, part: slice) -> None:
    tensor = Tensor.of(values, "int16")
    found = tensor[part]
    assert found.tolist() == values[part]
    assert found.dtype is tensor.dtype and found.shape[1:] == tensor.shape[1:]


def test_a_slice_without_a_step_is_a_view() -> None:
    memory = bytearray(8)
    part = Tensor(memory, "uint8")[2:4]
    memory[3] = 9
    assert part.tolist() == [0, 9]


def test_an_index_is_an_integer_of_any_library_or_a_slice() -> None:
    class Two:
        def __index__(self) -> int:
            return 2

    tensor: Any = Tensor.of([1, 2, 3], "int8")
    assert tensor[Two()] == 3
    for index in (1.0, "0", (0, 1), None, [0]):
        with pytest.raises(TypeError, match="expected an integer or a slice of the first dim"):
            tensor[index]
    with pytest.raises(TypeError, match="0-dimensional Tensor has no index"):
        Tensor.of(1, "int8")[0]
