"""The PyTorch backend of the codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Union

import numpy as np
import numpy.typing as npt
import torch

from rlmesh._reusable_buffer import is_given
from rlmesh.backends import Arithmetic, Buffer, DynamicArray, Leaf
from rlmesh.dtypes import DTYPES, DType
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Bounds
from rlmesh_numpy import BACKEND as NUMPY
from rlmesh_numpy import asarray
from rlmesh_numpy._casts import float32_of_bits, native

__all__ = ["BACKEND", "Device", "TorchBackend", "as_tensor"]

Array = npt.NDArray[Any]
Device = Union[torch.device, str, int, None]
"""The type of a device's name; None: the CPU."""

_FLOAT32 = DTYPES["float32"]


class TorchBackend:
    """Leaves as `torch.Tensor`; see `rlmesh.backends.ArrayBackend`.

    Values of other libraries are encoded by the NumPy backend and stay NumPy arrays, because only
    their bytes are needed.

    Args:
        device: Device on which tensors are made; None: the CPU.
    """

    name = "torch"
    graph_type: type[Any] = NUMPY.graph_type
    arithmetic = Arithmetic(
        torch,
        astype=torch.Tensor.to,
        copy=torch.Tensor.clone,
        device=lambda tensor: tensor.device,
        to_device=torch.Tensor.to,
    )

    def __init__(self, device: Device = None) -> None:
        self.device = torch.device("cpu" if device is None else device)

    def integer_type(self, dtype: DType) -> Callable[[int], Any]:
        """Return `int`; see `ArrayBackend`."""
        return int

    def as_leaf(self, value: Any, leaf: Leaf, count: int | None) -> torch.Tensor | Array:
        """Return a tensor on the CPU, or an array; see `ArrayBackend.as_leaf`.

        A tensor on another device is copied to the CPU.
        """
        if isinstance(value, torch.Tensor):
            host = _host(value, leaf, count)
            if str(host.dtype) == f"torch.{leaf.dtype}" and host.shape == leaf.batch_shape(count):
                return host
            value = _numbers(host, leaf, count)
        if leaf.dtype.name == "bfloat16" and not _is_bfloat16(value):
            return _as_bfloat16(value, leaf, count)
        return NUMPY.as_leaf(value, leaf, count)

    def exact_bytes(self, value: Any, leaf: Leaf, check: bool) -> Buffer | None:
        """Return the bytes of a NumPy array that fits and is in bounds, or None."""
        if isinstance(value, np.ndarray) and leaf.dtype.name != "bfloat16":
            return NUMPY.exact_bytes(value, leaf, check)
        return None

    def violation(self, array: torch.Tensor | Array, leaf: Leaf) -> str | None:
        """Describe the first element out of bounds; see `ArrayBackend.violation`."""
        if isinstance(array, torch.Tensor):
            if array.dtype is torch.bfloat16:
                leaf = _float32_twin(leaf)
            array = _numbers(array, leaf, None)
        return NUMPY.violation(array, leaf)

    def to_bytes(self, array: torch.Tensor | Array) -> bytes:
        """Return the bytes of a tensor or array; see `ArrayBackend.to_bytes`."""
        return array.tobytes() if isinstance(array, np.ndarray) else _tensor_bytes(array)

    def from_bytes(self, data: Buffer, leaf: Leaf, count: int | None, copy: bool) -> torch.Tensor:
        """Return a tensor from bytes; see `ArrayBackend.from_bytes`.

        PyTorch has no read-only tensors: a view (`copy=False`, on the CPU) must not be written.

        Raises:
            TypeError: If this version of PyTorch has no such dtype.
        """
        dtype = _torch_dtype(leaf.dtype, leaf.path)
        shape = leaf.batch_shape(count)
        if self.device.type == "cpu":
            owned = copy and not is_given(data)
            return _tensor(bytearray(data) if owned else memoryview(data), dtype, shape)
        return self._on_device(_tensor(memoryview(data), dtype, shape))

    def _on_device(self, host: torch.Tensor) -> torch.Tensor:
        """Return a tensor of the CPU, copied to the device."""
        if self.device.type != "cuda":
            return host.to(self.device)
        # From pinned memory the copy is asynchronous, on the current stream; PyTorch keeps the
        # memory until the copy is done.
        pinned = torch.empty(host.shape, dtype=host.dtype, pin_memory=True)
        return pinned.copy_(host).to(self.device, non_blocking=True)

    def dynamic(self, value: object) -> DynamicArray | None:
        """Return the wire form of a tensor or NumPy value; see `ArrayBackend.dynamic`."""
        if not isinstance(value, torch.Tensor):
            return NUMPY.dynamic(value)
        element = DTYPES.get(str(value.dtype).partition(".")[2])
        if element is None or value.layout is not torch.strided or value.device.type == "meta":
            return None
        data = _tensor_bytes(value.detach().cpu())
        return DynamicArray(element, tuple(value.shape), data)

    def from_dynamic(self, array: DynamicArray) -> Any:
        """Return a tensor; a NumPy value for typed scalars and for arrays of any values.

        An array stays a NumPy array too if this version of PyTorch lacks its dtype.
        """
        dtype = None if array.dtype is None else getattr(torch, array.dtype.name, None)
        if array.shape is None or dtype is None:
            try:
                return NUMPY.from_dynamic(array)
            except ImportError:
                if dtype is None:
                    raise
                # NumPy's bfloat16 needs ml_dtypes; a 0-d tensor does not.
        data = bytearray(array.data or b"")
        tensor = _tensor(data, dtype, array.shape or ())
        return tensor if self.device.type == "cpu" else self._on_device(tensor)


BACKEND = TorchBackend()
"""The PyTorch backend of the CPU."""


def as_tensor(value: Any, device: Device = None) -> torch.Tensor:
    """Return `value` as a tensor, without a copy if possible.

    Args:
        value: An array or tensor of any library, a number, or nested lists or tuples of numbers,
            which get the dtype that `torch.as_tensor` gives them.
        device: Device of the tensor; None: its current device, or the CPU.

    Raises:
        TypeError: If PyTorch has no such dtype.
        ValueError: If nested lists are ragged.
    """
    if isinstance(value, torch.Tensor):
        tensor = value
    elif isinstance(value, (bool, int, float, list, tuple)):
        tensor = torch.as_tensor(value)
    else:
        array = native(asarray(value))
        is_bfloat16 = array.dtype.name == "bfloat16"
        array = array.view(np.int16) if is_bfloat16 else array
        # PyTorch refuses negative strides, and warns about memory that it must not write.
        tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
        tensor = tensor.view(torch.bfloat16) if is_bfloat16 else tensor
    return tensor if device is None else tensor.to(device)


def _torch_dtype(element: DType, path: str) -> torch.dtype:
    dtype = getattr(torch, element.name, None)
    if not isinstance(dtype, torch.dtype):
        raise TypeError(
            f"{path}: PyTorch {torch.__version__} has no {element}; it needs PyTorch 2.3 or later"
        )
    return dtype


def _host(tensor: torch.Tensor, leaf: Leaf, count: int | None) -> torch.Tensor:
    if tensor.layout is not torch.strided:
        raise InvalidValueError(leaf.path, leaf.describe(count), f"a tensor of {tensor.layout}")
    try:
        return tensor.detach().cpu()
    except (RuntimeError, TypeError) as error:
        raise InvalidValueError(leaf.path, leaf.describe(count), str(error)) from None


def _numbers(tensor: torch.Tensor, leaf: Leaf, count: int | None) -> Array:
    """Return a tensor of the CPU as an ndarray; bfloat16, which NumPy lacks, as float32."""
    try:
        plain = tensor.resolve_conj().resolve_neg()
        return (plain.float() if plain.dtype is torch.bfloat16 else plain).numpy()
    except (RuntimeError, TypeError) as error:
        raise InvalidValueError(leaf.path, leaf.describe(count), str(error)) from None


def _tensor_bytes(tensor: torch.Tensor) -> bytes:
    """Return the bytes of a tensor of the CPU."""
    plain = tensor.resolve_neg()
    bits = plain.view(torch.int16) if plain.dtype is torch.bfloat16 else plain
    return bits.numpy().tobytes()


def _tensor(data: bytearray | memoryview, dtype: torch.dtype, shape: Sequence[int]) -> torch.Tensor:
    """Return a view of `data`, which it keeps alive; of a copy if a memoryview is not aligned."""
    if not len(data):
        return torch.empty(*shape, dtype=dtype)
    if isinstance(data, bytearray):
        return torch.frombuffer(data, dtype=dtype).reshape(shape)
    flat: Array = np.frombuffer(data, np.uint8)
    if flat.__array_interface__["data"][0] % dtype.itemsize:
        flat = flat.copy()
    elif not flat.flags.writeable:
        flat = np.asarray(_Unlocked(flat))
    return torch.frombuffer(flat, dtype=dtype).reshape(shape)


class _Unlocked:
    """Read-only memory that PyTorch accepts without a warning; nothing writes to it.

    The warning cannot be silenced for one thread alone.
    """

    def __init__(self, array: Array) -> None:
        self._array = array  # Keeps the memory alive.

    @property
    def __array_interface__(self) -> dict[str, Any]:
        known = self._array.__array_interface__
        return {**known, "data": (known["data"][0], False)}


def _is_bfloat16(value: Any) -> bool:
    """Return whether `value` is an array of another library with the dtype bfloat16."""
    return getattr(getattr(value, "dtype", None), "name", None) == "bfloat16"


def _as_bfloat16(value: Any, leaf: Leaf, count: int | None) -> torch.Tensor:
    """Return numbers of any library as bfloat16, by way of float32, without ml_dtypes."""
    return as_tensor(NUMPY.as_float32(value, leaf, count)).to(torch.bfloat16)


def _float32_twin(leaf: Leaf) -> Leaf:
    """Return a bfloat16 leaf with its bounds as float32, of which bfloat16 is the upper half."""
    twin: Leaf | None = leaf.cache.get("torch")
    if twin is None:
        low, high = (
            b and Bounds(float32_of_bits(b.data).tobytes(), b.uniform)
            for b in (leaf.low, leaf.high)
        )
        twin = leaf.cache["torch"] = replace(leaf, dtype=_FLOAT32, low=low, high=high)
    return twin
