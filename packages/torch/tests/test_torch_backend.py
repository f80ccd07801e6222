"""What only the PyTorch backend has; what every backend has is in tests/backends."""

from __future__ import annotations

import builtins
import math
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import rlmesh_torch
from rlmesh._reusable_buffer import ReceivedBuffer
from rlmesh.backends import DynamicArray, Leaf
from rlmesh.dtypes import DTYPES
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Bounds
from rlmesh_torch import BACKEND, TorchBackend, as_tensor

FLOAT32, BFLOAT16 = DTYPES["float32"], DTYPES["bfloat16"]


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def no_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    from rlmesh_numpy import _dtypes

    monkeypatch.delitem(_dtypes._NUMPY, "bfloat16", raising=False)
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "ml_dtypes":
            raise ModuleNotFoundError("no ml_dtypes", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


def leaf_bytes(value: Any, leaf: Leaf) -> bytes:
    return BACKEND.to_bytes(BACKEND.as_leaf(value, leaf, None))


@pytest.mark.parametrize("name", DTYPES)
def test_tensors_of_any_layout(name: str) -> None:
    dtype = getattr(torch, name)
    # Some dtypes cannot be transposed into contiguous memory by every PyTorch; bytes can.
    plain = torch.arange(12).remainder(2).reshape(3, 4).to(dtype)
    leaf = Leaf("value", DTYPES[name], (4, 3))
    want = DTYPES[name].pack([x % 2 for i in range(4) for x in range(i, 12, 4)])
    assert leaf_bytes(plain.T, leaf) == want
    spread = torch.zeros(4, 3, 2, dtype=dtype)
    spread[..., 1] = plain.T
    assert leaf_bytes(spread[..., 1], leaf) == want
    assert leaf_bytes(plain[:1, 0].expand(4, 3), leaf) == bytes(len(want))


def test_gradients_and_lazy_signs() -> None:
    leaf = Leaf("value", FLOAT32, (2,))
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    assert leaf_bytes(parameter, leaf) == FLOAT32.pack([1.0, 2.0])
    assert leaf_bytes(parameter * 2, leaf) == FLOAT32.pack([2.0, 4.0])
    negated = torch.tensor([1j, 2j]).conj().imag
    assert negated.is_neg()
    assert leaf_bytes(negated, leaf) == FLOAT32.pack([-1.0, -2.0])
    brain = torch.tensor([1.5, 2.0], dtype=torch.bfloat16, requires_grad=True)
    assert leaf_bytes(brain, leaf) == FLOAT32.pack([1.5, 2.0])
    dynamic = BACKEND.dynamic(negated)
    assert dynamic is not None and dynamic.data == FLOAT32.pack([-1.0, -2.0])


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(2, dtype=torch.complex64),
        torch.ones(2).to_sparse(),
        torch.ones(2, device="meta"),
        torch.ones(3),
    ],
    ids=["complex", "sparse", "meta", "shape"],
)
@pytest.mark.parametrize("element", [FLOAT32, BFLOAT16])
def test_tensors_that_are_no_leaf(tensor: Any, element: Any) -> None:
    with pytest.raises(InvalidValueError) as caught:
        BACKEND.to_bytes(BACKEND.as_leaf(tensor, Leaf("action", element, (2,)), None))
    assert caught.value.path == "action"


@pytest.mark.parametrize(
    "value",
    [torch.ones(2, dtype=torch.complex64), torch.ones(2).to_sparse(), torch.ones(2, device="meta")],
    ids=["complex", "sparse", "meta"],
)
def test_tensors_that_no_info_holds(value: Any) -> None:
    assert BACKEND.dynamic(value) is None


def test_a_dtype_that_an_older_torch_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "uint16")
    with pytest.raises(TypeError, match=r"observation\['x'\]: PyTorch .* has no uint16"):
        BACKEND.from_bytes(b"\1\0", Leaf("observation['x']", DTYPES["uint16"], ()), None, copy=True)
    value = BACKEND.from_dynamic(DynamicArray(DTYPES["uint16"], (1,), b"\1\0"))
    assert type(value) is np.ndarray and value.dtype == np.uint16


@pytest.mark.usefixtures("no_ml_dtypes")
def test_bfloat16_needs_no_ml_dtypes() -> None:
    leaf = Leaf("value", BFLOAT16, (3,))
    data = b"\x80\x3f\xc0\x7f\xea\x7f"
    for copy in (True, False):
        tensor = BACKEND.from_bytes(data, leaf, None, copy)
        assert tensor.dtype is torch.bfloat16
        assert leaf_bytes(tensor, leaf) == data
    for value in ([1.5, 2, -3], np.array([1.5, 2, -3]), torch.tensor([1.5, 2, -3])):
        assert leaf_bytes(value, leaf) == BFLOAT16.pack([1.5, 2.0, -3.0])
    with pytest.raises(InvalidValueError, match="beyond the range of bfloat16"):
        BACKEND.as_leaf([1e39, 0, 0], leaf, None)
    bounds = Bounds(BFLOAT16.pack([0.0]), uniform=True), Bounds(BFLOAT16.pack([2.0]), uniform=True)
    bounded = Leaf("value", BFLOAT16, (3,), *bounds)
    assert BACKEND.violation(BACKEND.as_leaf([0.0, 1.0, 2.0], bounded, None), bounded) is None
    words = BACKEND.violation(BACKEND.as_leaf([0.0, 2.5, math.nan], bounded, None), bounded)
    assert words == "2.5 at [1], outside [0.0, 2.0]"
    array = DynamicArray(BFLOAT16, (3,), data)
    assert BACKEND.dynamic(BACKEND.from_dynamic(array)) == array
    scalar = BACKEND.from_dynamic(DynamicArray(BFLOAT16, None, data[:2]))
    assert scalar.dtype is torch.bfloat16 and scalar.item() == 1.0


def test_bounds_of_a_batch_of_bfloat16() -> None:
    low, high = Bounds(BFLOAT16.pack([0.0, -math.inf]), False), Bounds(BFLOAT16.pack([1, 5]), False)
    leaf = Leaf("value", BFLOAT16, (2,), low, high)
    inside = torch.tensor([[0.0, -9.0], [1.0, 5.0]], dtype=torch.bfloat16)
    assert BACKEND.violation(inside, leaf) is None
    words = BACKEND.violation(inside + torch.tensor([[0, 0], [0, 1]]), leaf)
    assert words == "6.0 at [1, 1], outside [-inf, 5.0]"


def test_as_tensor() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    shared = as_tensor(array)
    array[0, 0] = 7
    assert shared[0, 0] == 7, "writable memory is shared"
    tensor = torch.ones(2)
    assert as_tensor(tensor) is tensor
    assert as_tensor([1, 2]).dtype is torch.int64
    assert as_tensor(1.5).dtype is torch.float32
    assert as_tensor(np.float64(1.5)).dtype is torch.float64
    array.flags.writeable = False
    for odd in (
        array,
        array[::-1],
        array.T,
        array.astype(">f4"),
        np.broadcast_to(array, (2, 2, 3)),
    ):
        made = as_tensor(odd)
        assert made.numpy().tolist() == odd.tolist()
    made = as_tensor(array)
    made[0, 0] = 1
    assert array[0, 0] == 7, "read-only memory is not"
    assert as_tensor(array, device="meta").device.type == "meta"
    with pytest.raises(ValueError, match=r"."):
        as_tensor([[1], [1, 2]])


def test_as_tensor_of_either_byte_order() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([0x7F81, 0xFF85, 0x3F80], np.uint16).view(ml_dtypes.bfloat16)
    for given in (array, array.astype(array.dtype.newbyteorder(">"))):
        made = as_tensor(given)
        assert made.dtype is torch.bfloat16
        assert (made.view(torch.int16).numpy().view(np.uint16) == array.view(np.uint16)).all()


def test_the_device_of_a_backend() -> None:
    assert BACKEND.device == torch.device("cpu")
    meta = TorchBackend("meta")
    made = meta.from_bytes(bytes(8), Leaf("value", FLOAT32, (2,)), None, copy=True)
    assert made.device.type == "meta" and made.shape == (2,)
    if torch.cuda.is_available():
        there = TorchBackend("cuda")
        leaf = Leaf("value", FLOAT32, (2,))
        made = there.from_bytes(FLOAT32.pack([1, 2]), leaf, None, copy=True)
        assert made.is_cuda
        assert there.to_bytes(there.as_leaf(made, leaf, None)) == FLOAT32.pack([1, 2])
        assert there.violation(there.as_leaf(made, leaf, None), leaf_within(0, 2)) is None
        assert leaf_bytes(made, leaf) == FLOAT32.pack([1, 2])


def leaf_within(low: float, high: float) -> Leaf:
    sides = (Bounds(FLOAT32.pack([x]), uniform=True) for x in (low, high))
    return Leaf("value", FLOAT32, (2,), *sides)


def test_the_names_of_core(monkeypatch: pytest.MonkeyPatch) -> None:
    import rlmesh.torch

    assert set(rlmesh.torch.__all__) == set(rlmesh_torch.__all__) - {"__version__"}
    assert all(hasattr(rlmesh_torch, name) for name in rlmesh_torch.__all__)
    monkeypatch.delitem(sys.modules, "rlmesh.torch")
    monkeypatch.setitem(sys.modules, "rlmesh_torch", None)  # type: ignore[arg-type]
    with pytest.raises(ImportError, match=r"rlmesh-core\[torch\]"):
        import rlmesh.torch


@pytest.mark.parametrize(("offset", "kept"), [(0, True), (8, True), (3, False)])
def test_a_message_that_is_given_is_the_value(offset: int, kept: bool) -> None:
    leaf = Leaf("x", DTYPES["float64"], (1000,))
    memory = ReceivedBuffer(-1, 10_000)
    data = memoryview(memory)[offset : offset + 8000]
    tensor = BACKEND.from_bytes(data, leaf, None, True)
    tensor[:] = 1.5
    assert (BACKEND.from_bytes(data, leaf, None, False) == (1.5 if kept else 0)).all()
