"""What only the NumPy backend has: carriers of other layouts, and `asarray`.

What every backend has is in tests/backends.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rlmesh import Tensor, spaces
from rlmesh.backends import Leaf
from rlmesh.dtypes import DTYPES
from rlmesh.numpy import BACKEND, asarray


def layouts(array: Any) -> list[Any]:
    """The same numbers, laid out otherwise."""
    read_only = array.copy()
    read_only.flags.writeable = False
    spread = np.zeros((*array.shape, 2), array.dtype)
    spread[..., 0] = array
    return [
        np.asfortranarray(array),
        array.astype(array.dtype.newbyteorder(">")),
        read_only,
        spread[..., 0],
        array[:, ::-1].copy()[:, ::-1],
        array.tolist(),
        list(array),
        tuple(map(tuple, array.tolist())),
    ]


@pytest.mark.parametrize("name", [n for n in DTYPES if n != "bfloat16"])
def test_layouts(name: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(name)
    leaf = Leaf("value", DTYPES[name], (3, 4))
    for value in layouts(array):
        assert BACKEND.to_bytes(BACKEND.as_leaf(value, leaf, None)) == array.tobytes()


def test_zero_strides() -> None:
    wide = np.broadcast_to(np.float32(1.5), (3, 4))
    leaf = Leaf("value", DTYPES["float32"], (3, 4))
    assert (
        BACKEND.to_bytes(BACKEND.as_leaf(wide, leaf, None)) == np.full((3, 4), 1.5, "<f4").tobytes()
    )


def test_what_is_a_leaf_already_is_not_copied() -> None:
    array = np.arange(3, dtype=np.float32)
    assert BACKEND.as_leaf(array, Leaf("value", DTYPES["float32"], (3,)), None) is array
    assert asarray(array) is array


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3)])
def test_asarray_views_native_tensors(name: str, shape: tuple[int, ...]) -> None:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    element = DTYPES[name]
    data = element.pack([1] * math.prod(shape))
    array = asarray(Tensor(data, name, shape))
    assert array.dtype.name == name and array.shape == shape and array.tobytes() == data


def test_asarray_of_bfloat16_tensors() -> None:
    pytest.importorskip("ml_dtypes")
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([[1.5, -2.0], [0.0, math.inf]], dtype=torch.bfloat16, requires_grad=True)
    array = asarray(tensor.T)
    assert array.dtype.name == "bfloat16"
    assert array.tolist() == tensor.T.tolist()


def test_dynamic_leaves_other_objects_of_array_libraries_alone() -> None:
    others: list[Any] = [spaces.Box(0, 1, (2,)), DTYPES["int8"], np.float32, np.dtype("int8")]
    torch = pytest.importorskip("torch")
    others += [torch.device("cpu"), torch.float32, torch.ones(2, 2).to_sparse()]
    jax = pytest.importorskip("jax")
    others += [jax.numpy.float32, jax.random.key(0)]
    for other in others:
        assert BACKEND.dynamic(other) is None


@pytest.mark.parametrize("name", ["uint8", "float32", "int64"])
@pytest.mark.parametrize("step", [-1, 2, -2])
def test_the_bytes_of_a_large_array_are_one_block(name: str, step: int) -> None:
    whole = np.arange(20_000).astype(name)
    for array in (whole[::step], whole.reshape(1, -1)[:, ::step]):
        data = BACKEND.to_bytes(array)
        assert memoryview(data).contiguous
        assert bytes(data) == array.tobytes()
