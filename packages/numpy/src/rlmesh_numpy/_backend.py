"""The NumPy backend of the codec."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from rlmesh.backends import Buffer, DynamicArray, Leaf
from rlmesh.dtypes import DTYPES
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Bounds
from rlmesh.tensor import Tensor
from rlmesh_numpy._dtypes import dtype_of, numpy_dtype

__all__ = ["BACKEND", "NumpyBackend", "asarray"]

Array = npt.NDArray[Any]

_SMALL = 256
"""Most elements of an array that counts as small."""

_TRUE = b"\1" * _SMALL

_VIEW_BYTES = 4096
"""From this size on an array's bytes are not copied before the frame is written."""

_RELATED = ("torch", "jax", "jaxlib", "rlmesh")
"""Libraries whose arrays are written as arrays in an info."""


class NumpyBackend:
    """Leaves as `numpy.ndarray`; see `rlmesh.backends.ArrayBackend`."""

    name = "numpy"

    def as_leaf(self, value: Any, leaf: Leaf, count: int | None) -> Array:
        """See `ArrayBackend.as_leaf`."""
        target = leaf.cache.get("numpy dtype")
        if target is None:
            target = leaf.cache["numpy dtype"] = numpy_dtype(leaf.dtype)
        shape = leaf.shape if count is None else (count, *leaf.shape)
        if type(value) is np.ndarray and value.dtype == target and value.shape == shape:
            return value
        try:
            array = asarray(value)
        except (TypeError, ValueError) as error:
            raise InvalidValueError(leaf.path, leaf.describe(count), str(error)) from None
        if array.shape != shape and not (array.size == 0 and 0 in shape and array.ndim <= 1):
            actual = f"{array.dtype} of shape {array.shape}"
            raise InvalidValueError(leaf.path, leaf.describe(count), actual)
        loss = _cast_loss(array, target)
        if loss is not None:
            raise InvalidValueError(leaf.path, leaf.describe(count), loss)
        with np.errstate(all="ignore"):
            return array.astype(target, copy=False).reshape(shape)

    def violation(self, array: Array, leaf: Leaf) -> str | None:
        """See `ArrayBackend.violation`."""
        low, high, uniform = leaf.cache.get("numpy") or self._limits(leaf)
        if array.size <= _SMALL and leaf.dtype.name != "bfloat16":
            # For few elements the calls are the cost, most of all those of NumPy's Python.
            inside = _TRUE[: array.size]
            if (array >= low).tobytes() == inside and (array <= high).tobytes() == inside:
                return None
        elif _all_inside(array, low, high, uniform):
            return None
        with np.errstate(invalid="ignore"):
            outside = ~((array >= low) & (array <= high))
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        bounds = (np.broadcast_to(b, array.shape)[index] for b in (low, high))
        return f"{array[index]} at {list(index)}, outside [{', '.join(map(str, bounds))}]"

    def _limits(self, leaf: Leaf) -> tuple[Any, Any, bool]:
        assert leaf.low is not None and leaf.high is not None
        uniform = leaf.low.uniform and leaf.high.uniform
        low, high = (_bounds_array(b, leaf) for b in (leaf.low, leaf.high))
        leaf.cache["numpy"] = (low, high, uniform)
        return low, high, uniform

    def to_bytes(self, array: Array) -> Buffer:
        """See `ArrayBackend.to_bytes`."""
        if array.nbytes < _VIEW_BYTES:
            return array.tobytes()
        # A view, unless the elements are not in C order; whoever writes the frame copies it.
        return array.reshape(-1).view(np.uint8).data

    def from_bytes(self, data: Buffer, leaf: Leaf, count: int | None, copy: bool) -> Array:
        """See `ArrayBackend.from_bytes`."""
        shape = leaf.shape if count is None else (count, *leaf.shape)
        if copy:
            owned: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), bytearray(data))
            return owned
        view: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), data)
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
        value = [asarray(v) if hasattr(v, "detach") else v for v in value]
    return np.asarray(value)


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


def _all_inside(array: Array, low: Any, high: Any, uniform: bool) -> bool:
    if not array.size:
        return True
    with np.errstate(invalid="ignore"):  # Comparing a NaN of bfloat16 warns.
        if uniform:
            # Two reductions without a temporary; NaN makes both comparisons false.
            return bool(array.min() >= low and array.max() <= high)
        above, below = np.count_nonzero(array >= low), np.count_nonzero(array <= high)
    return bool(above == below == array.size)


def _bounds_array(bounds: Bounds, leaf: Leaf) -> Any:
    shape = () if bounds.uniform else leaf.shape
    array: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), buffer=bounds.data)
    return array[()] if bounds.uniform else array


def _cast_loss(array: Array, target: np.dtype[Any]) -> str | None:
    """What a cast to `target` would lose beyond float precision, in words; None: nothing."""
    source = array.dtype
    if source == target or not array.size:
        return None
    if not (source.kind in "biuf" or dtype_of(source) is not None):
        return f"elements of type {source}"
    if _is_float(target):
        return _float_loss(array, target)
    if _is_float(source):
        whole = np.isfinite(array) & (array == np.floor(array))
        if not whole.all():
            return f"{array[~whole].reshape(-1)[0]}, which is not a whole number"
    low, high = (0, 1) if target.kind == "b" else (np.iinfo(target).min, np.iinfo(target).max)
    for extreme in (array.min(), array.max()):
        if not low <= int(extreme) <= high:
            return f"{extreme}, which does not fit {target}"
    return None


def _float_loss(array: Array, target: np.dtype[Any]) -> str | None:
    if array.dtype.kind == "b" or (not _is_float(array.dtype) and target.itemsize >= 4):
        return None
    with np.errstate(all="ignore"):
        overflown = np.isinf(array.astype(target)) & np.isfinite(array)
    if overflown.any():
        return f"{array[overflown].reshape(-1)[0]}, which is beyond the range of {target}"
    return None


def _is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"
