"""The NumPy backend of the codec."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import GraphInstance

from rlmesh._elements import is_nothing
from rlmesh.backends import NATIVE, Buffer, DynamicArray, Leaf
from rlmesh.dtypes import DTYPES
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Bounds
from rlmesh.tensor import Tensor
from rlmesh_numpy._casts import (
    bfloat16_loss,
    cast,
    cast_loss,
    float32_of_bfloat16,
    float32_of_bits,
    has_rounded,
)
from rlmesh_numpy._dtypes import dtype_of, numpy_dtype

__all__ = ["BACKEND", "NumpyBackend", "asarray"]

Array = npt.NDArray[Any]

_RELATED = ("torch", "jax", "jaxlib", "rlmesh")
"""Libraries whose arrays are written as arrays in an info."""


class NumpyBackend:
    """Leaves as `numpy.ndarray`; see `rlmesh.backends.ArrayBackend`."""

    name = "numpy"
    graph_type: type[Any] = GraphInstance  # Gymnasium's spaces take no other.

    def as_leaf(self, value: Any, leaf: Leaf, count: int | None) -> Array:
        """See `ArrayBackend.as_leaf`."""
        target = numpy_dtype(leaf.dtype)
        shape = leaf.batch_shape(count)
        if type(value) is np.ndarray and value.dtype == target and value.shape == shape:
            return value
        array = _numbers(value, leaf, count)
        loss = cast_loss(array, target)
        if loss is not None:
            raise InvalidValueError(leaf.path, leaf.describe(count), loss)
        return cast(array, target)

    def as_float32(self, value: Any, leaf: Leaf, count: int | None) -> Array:
        """The numbers of a bfloat16 leaf as float32 that round to the same bfloat16.

        For libraries whose bfloat16 is their own. Raises as `as_leaf` does; needs no ml_dtypes.
        """
        array = _numbers(value, leaf, count)
        loss = bfloat16_loss(array)
        if loss is not None:
            raise InvalidValueError(leaf.path, leaf.describe(count), loss)
        return float32_of_bfloat16(array)

    def violation(self, array: Array, leaf: Leaf) -> str | None:
        """See `ArrayBackend.violation`."""
        if not array.size:
            return None
        low, high, uniform = self._limits(leaf)
        with np.errstate(invalid="ignore"):  # Comparing a NaN of bfloat16 warns.
            if uniform:
                # Two reductions without a temporary; NaN makes both comparisons false.
                if array.min() >= low and array.max() <= high:
                    return None
            elif ((array >= low) & (array <= high)).all():
                return None
            inside = (array >= low) & (array <= high)
        index = tuple(int(i) for i in np.argwhere(~inside)[0])
        bounds = (np.broadcast_to(b, array.shape)[index] for b in (low, high))
        return f"{array[index]} at {list(index)}, outside [{', '.join(map(str, bounds))}]"

    def _limits(self, leaf: Leaf) -> tuple[Any, Any, bool]:
        limits: tuple[Any, Any, bool] | None = leaf.cache.get("numpy")
        if limits is None:
            assert leaf.low is not None and leaf.high is not None
            uniform = leaf.low.uniform and leaf.high.uniform
            low, high = (_bounds_array(b, leaf) for b in (leaf.low, leaf.high))
            limits = leaf.cache["numpy"] = (low, high, uniform)
        return limits

    def to_bytes(self, array: Array) -> bytes:
        """See `ArrayBackend.to_bytes`."""
        return array.tobytes()

    def from_bytes(self, data: Buffer, leaf: Leaf, count: int | None, copy: bool) -> Array:
        """See `ArrayBackend.from_bytes`."""
        view: Array = np.ndarray(leaf.batch_shape(count), numpy_dtype(leaf.dtype), buffer=data)
        if copy:
            owned: Array = view.copy()
            return owned
        view.flags.writeable = False
        return view

    def dynamic(self, value: object) -> DynamicArray | None:
        """See `ArrayBackend.dynamic`."""
        if isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
        elif _is_related(value):
            try:
                array = asarray(value)
            except (RuntimeError, TypeError, ValueError):
                return None  # Such as a sparse tensor.
        else:
            return None
        if array.dtype == object:
            return DynamicArray(None, array.shape, None, list(array.flat))
        element = dtype_of(array.dtype)
        if element is None:
            return None
        data = array.astype(numpy_dtype(element), copy=False).tobytes()
        return DynamicArray(element, None if isinstance(value, np.generic) else array.shape, data)

    def from_dynamic(self, array: DynamicArray) -> Any:
        """An ndarray, or one of NumPy's scalars."""
        if array.dtype is None:
            objects = np.empty(array.shape or (), dtype=object)
            flat = objects.reshape(-1)
            for i, element in enumerate(array.elements):
                flat[i] = element
            return objects
        view: Array = np.ndarray(
            array.shape or (), numpy_dtype(array.dtype), buffer=array.data or b""
        )
        return view[()] if array.shape is None else view.copy()


BACKEND = NumpyBackend()
"""The NumPy backend."""


def asarray(value: Any) -> Array:
    """`value` as an ndarray, without a copy where that can be.

    Args:
        value: An array of any library, a number, or nested lists or tuples of them.

    Raises:
        ValueError: If it is ragged.
        TypeError: If it cannot become an array.
    """
    if hasattr(value, "detach"):
        return _from_torch(value)
    if isinstance(value, Tensor):
        # Its array interface has no name for bfloat16.
        view: Array = np.ndarray(value.shape, numpy_dtype(value.dtype), buffer=value.buffer)
        return view
    if isinstance(value, (list, tuple)):
        value = [_plain(part) for part in value]
    return np.asarray(value)


def _plain(part: Any) -> Any:
    """A part of a list with an array for a tensor, which NumPy would not take with a gradient."""
    return _from_torch(part) if hasattr(part, "detach") else part


def _numbers(value: Any, leaf: Leaf, count: int | None) -> Array:
    """`value` as an array of any numbers, each as it is, of the leaf's shape."""
    shape = leaf.batch_shape(count)
    try:
        array = asarray(value)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(leaf.path, leaf.describe(count), str(error)) from None
    if isinstance(value, (list, tuple, int)) and has_rounded(array):
        # Slower, but it looks at each number by itself.
        parts = value if isinstance(value, int) else [_plain(part) for part in value]
        tensor = NATIVE.as_leaf(parts, leaf, count)
        if leaf.dtype.name == "bfloat16":
            return float32_of_bits(tensor.buffer).reshape(shape)
        return asarray(tensor)
    listed = isinstance(value, (list, tuple))
    if array.shape != shape and not (listed and is_nothing(array.shape, shape)):
        actual = f"{array.dtype} of shape {array.shape}"
        raise InvalidValueError(leaf.path, leaf.describe(count), actual)
    return array.reshape(shape)


def _from_torch(tensor: Any) -> Array:
    """A torch tensor, perhaps on a GPU, with a gradient, or lazily negated, as an ndarray."""
    host = tensor.detach().cpu().resolve_conj().resolve_neg()
    if str(host.dtype) != "torch.bfloat16":
        return np.asarray(host)
    bits: Array = host.view(sys.modules["torch"].int16).numpy()
    array: Array = bits.view(numpy_dtype(DTYPES["bfloat16"]))
    return array


def _is_related(value: object) -> bool:
    """Whether it is an array of a related library, not its device, its dtype or a space."""
    library = type(value).__module__.partition(".")[0]
    return library in _RELATED and (isinstance(value, Tensor) or hasattr(value, "__array__"))


def _bounds_array(bounds: Bounds, leaf: Leaf) -> Any:
    shape = () if bounds.uniform else leaf.shape
    array: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), buffer=bounds.data)
    return array[()] if bounds.uniform else array
