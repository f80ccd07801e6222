"""The NumPy backend of the codec."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import GraphInstance

from rlmesh._elements import is_masked, is_nothing
from rlmesh.backends import NATIVE, Arithmetic, Buffer, DynamicArray, Leaf
from rlmesh.dtypes import DTYPES, DType
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
    native,
)
from rlmesh_numpy._dtypes import dtype_of, numpy_dtype
from rlmesh_numpy._memory import RECYCLED_BYTES, owned_copy

__all__ = ["BACKEND", "NumpyBackend", "asarray"]

Array = npt.NDArray[Any]

_SMALL = 256
"""Largest number of elements of an array that counts as small."""

_FEW = 64
"""Largest number of integers that are compared in Python, one by one."""

_VIEW_BYTES = 4096
"""Size in bytes from which an array's bytes are not copied before the frame is written."""

_RELATED = ("torch", "jax", "jaxlib", "rlmesh")
"""Libraries that have arrays which an info keeps as arrays."""


class NumpyBackend:
    """Leaves as `numpy.ndarray`; see `rlmesh.backends.ArrayBackend`."""

    name = "numpy"
    graph_type: type[Any] = GraphInstance  # Gymnasium's spaces accept no other class.
    arithmetic = Arithmetic(np)

    def integer_type(self, dtype: DType) -> Callable[[int], Any]:
        """Return NumPy's scalar type, as in samples of Gymnasium; see `ArrayBackend`."""
        return numpy_dtype(dtype).type

    def as_leaf(self, value: Any, leaf: Leaf, count: int | None) -> Array:
        """Return an ndarray of the leaf's dtype and shape; see `ArrayBackend.as_leaf`."""
        target = (leaf.cache.get("numpy") or _plan(leaf)).dtype
        shape = leaf.shape if count is None else (count, *leaf.shape)
        if type(value) is np.ndarray and value.dtype == target and value.shape == shape:
            return value
        array = _numbers(value, leaf, count)
        loss = cast_loss(array, target)
        if loss is not None:
            raise InvalidValueError(leaf.path, leaf.describe(count), loss)
        return cast(array, target)

    def as_float32(self, value: Any, leaf: Leaf, count: int | None) -> Array:
        """Return the numbers of a bfloat16 leaf as float32 that round to the same bfloat16.

        Numbers that are bfloat16 already are returned as they are, to keep the bits of NaNs. For
        libraries with a bfloat16 of their own. Raises like `as_leaf`; does not need ml_dtypes.
        """
        array = _numbers(value, leaf, count)
        if array.dtype.name == "bfloat16":
            return array
        loss = bfloat16_loss(array)
        if loss is not None:
            raise InvalidValueError(leaf.path, leaf.describe(count), loss)
        return float32_of_bfloat16(array)

    def exact_bytes(self, value: Any, leaf: Leaf, check: bool) -> Buffer | None:
        """Return the bytes of an array that fits and is in bounds, or None."""
        plan = leaf.cache.get("numpy") or _plan(leaf)
        if type(value) is not np.ndarray or value.dtype != plan.dtype or value.shape != leaf.shape:
            return None
        if check:
            if plan.inside is None:
                if not _all_inside(value, plan):
                    return None
            else:
                # For few elements the calls dominate, above all NumPy functions written in Python.
                for compare, bound in plan.checks:
                    if compare(value, bound).tobytes() != plan.inside:
                        return None
        return value.tobytes() if leaf.nbytes < _VIEW_BYTES else self.to_bytes(value)

    def violation(self, array: Array, leaf: Leaf) -> str | None:
        """Describe the first element out of bounds; see `ArrayBackend.violation`."""
        plan = leaf.cache.get("numpy") or _plan(leaf)
        if _all_inside(array, plan):
            return None
        with np.errstate(invalid="ignore"):
            outside = ~((array >= plan.low) & (array <= plan.high))
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        bounds = (np.broadcast_to(b, array.shape)[index] for b in (plan.low, plan.high))
        return f"{array[index]} at {list(index)}, outside [{', '.join(map(str, bounds))}]"

    def to_bytes(self, array: Array) -> Buffer:
        """Return the bytes of an array; see `ArrayBackend.to_bytes`."""
        if array.nbytes < _VIEW_BYTES:
            return array.tobytes()
        # A view if the elements are in C order; the writer of the frame copies it.
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data

    def from_bytes(self, data: Buffer, leaf: Leaf, count: int | None, copy: bool) -> Array:
        """Return an array from bytes; see `ArrayBackend.from_bytes`."""
        shape = leaf.shape if count is None else (count, *leaf.shape)
        if copy:
            memory = owned_copy(data, leaf) if len(data) >= RECYCLED_BYTES else bytearray(data)
            owned: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), memory)
            return owned
        view: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), data)
        view.flags.writeable = False
        return view

    def dynamic(self, value: object) -> DynamicArray | None:
        """Return the wire form of an array or NumPy scalar; see `ArrayBackend.dynamic`."""
        if is_masked(value):
            return None
        if isinstance(value, (np.ndarray, np.generic)):
            array = np.asarray(value)
        elif _is_related(value):
            try:
                array = asarray(value)
            except (RuntimeError, TypeError, ValueError):
                return None  # For example a sparse tensor.
        else:
            return None
        if array.dtype.kind in "MmUS" and isinstance(value, np.ndarray):
            # No element type of the wire holds texts and times, so that they are sent one by one.
            array = (
                array.astype(str).astype(object)
                if array.dtype.kind in "mM"
                else array.astype(object)
            )
        if array.dtype == object:
            return DynamicArray(None, array.shape, None, list(array.flat))
        element = dtype_of(array.dtype)
        if element is None:
            return None
        data = array.astype(numpy_dtype(element), copy=False).tobytes()
        return DynamicArray(element, None if isinstance(value, np.generic) else array.shape, data)

    def from_dynamic(self, array: DynamicArray) -> Any:
        """Return an ndarray, or a NumPy scalar for a typed scalar."""
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
    """Return `value` as an ndarray, without a copy if possible.

    Args:
        value: An array of any library, a number, or nested lists or tuples of them.

    Raises:
        ValueError: If nested lists are ragged.
        TypeError: If `value` cannot become an array.
    """
    if hasattr(value, "detach"):
        return _from_torch(value)
    if isinstance(value, Tensor):
        # NumPy cannot read a Tensor of bfloat16 by its array interface, which has no such type.
        view: Array = np.ndarray(value.shape, numpy_dtype(value.dtype), buffer=value.buffer)
        return view
    if isinstance(value, (list, tuple)):
        value = [_plain(part) for part in value]
    return np.asarray(value)


def _plain(part: Any) -> Any:
    """Return a part of a list, as an array for a tensor: NumPy refuses tensors with a gradient."""
    return _from_torch(part) if hasattr(part, "detach") else part


def _numbers(value: Any, leaf: Leaf, count: int | None) -> Array:
    """Return `value` as an array of the leaf's shape, with each number unchanged."""
    shape = leaf.batch_shape(count)
    if is_masked(value) or (isinstance(value, (list, tuple)) and any(map(is_masked, value))):
        raise InvalidValueError(leaf.path, leaf.describe(count), "an array with masked elements")
    try:
        array = asarray(value)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(leaf.path, leaf.describe(count), str(error)) from None
    if isinstance(value, (list, tuple, int)) and has_rounded(array):
        # This is slower, but converts each number on its own.
        parts = value if isinstance(value, int) else [_plain(part) for part in value]
        tensor = NATIVE.as_leaf(parts, leaf, count)
        if leaf.dtype.name == "bfloat16":
            return float32_of_bits(tensor.buffer).reshape(shape)
        return asarray(tensor)
    listed = isinstance(value, (list, tuple))
    if array.shape != shape and not (listed and is_nothing(array.shape, shape)):
        actual = f"{array.dtype} of shape {array.shape}"
        raise InvalidValueError(leaf.path, leaf.describe(count), actual)
    # Numbers are converted by way of float32, which would lose the bits of NaNs in a bfloat16.
    array = native(array) if array.dtype.name == "bfloat16" else array
    return array.reshape(shape)


def _from_torch(tensor: Any) -> Array:
    """Return a torch tensor as an ndarray, even from a GPU, with a gradient, or lazily negated."""
    host = tensor.detach().cpu().resolve_conj().resolve_neg()
    if str(host.dtype) != "torch.bfloat16":
        return np.asarray(host)
    bits: Array = host.view(sys.modules["torch"].int16).numpy()
    array: Array = bits.view(numpy_dtype(DTYPES["bfloat16"]))
    return array


def _is_related(value: object) -> bool:
    """Return whether `value` is an array of a related library, not its device, dtype or space."""
    library = type(value).__module__.partition(".")[0]
    return library in _RELATED and (isinstance(value, Tensor) or hasattr(value, "__array__"))


class _Plan(NamedTuple):
    """Facts that are derived from a leaf once.

    Attributes:
        dtype: NumPy's dtype.
        low: Lower bounds, one number if all are equal; None: there is nothing to check.
        high: Upper bounds, likewise.
        uniform: Whether each side is one number.
        checks: The comparisons that are all true if all elements are in bounds; NaN is out.
        noisy: Whether comparing a NaN warns.
        inside: Bytes of the result of each comparison if all elements are in bounds, for a leaf of
            few elements; None: the leaf has many, or comparing them warns.
    """

    dtype: np.dtype[Any]
    low: Any
    high: Any
    uniform: bool
    checks: tuple[tuple[Any, Any], ...]
    noisy: bool
    inside: bytes | None


def _plan(leaf: Leaf) -> _Plan:
    dtype = numpy_dtype(leaf.dtype)
    if leaf.low is None or leaf.high is None:
        plan = _Plan(dtype, None, None, True, (), False, None)
    else:
        low, high = (_bounds_array(b, leaf) for b in (leaf.low, leaf.high))
        checks = [(np.greater_equal, low), (np.less_equal, high)]
        # A side that is infinite needs no comparison, because a NaN fails the other side's too.
        if leaf.dtype.is_float and np.all(high == np.inf):
            checks = checks[:1]
        elif leaf.dtype.is_float and np.all(low == -np.inf):
            checks = checks[1:]
        size = math.prod(leaf.shape)
        inside = None
        if size <= _SMALL and leaf.dtype.name != "bfloat16":
            inside = b"\1" * size
            # Arrays of one shape are compared faster than an array and a number.
            checks = [(f, np.broadcast_to(bound, leaf.shape).copy()) for f, bound in checks]
        uniform = leaf.low.uniform and leaf.high.uniform
        noisy = leaf.dtype.name == "bfloat16"
        plan = _Plan(dtype, low, high, uniform, tuple(checks), noisy, inside)
    leaf.cache["numpy"] = plan
    return plan


def _all_inside(array: Array, plan: _Plan) -> bool:
    if not array.size or not plan.checks:
        return True
    if plan.noisy:
        with np.errstate(invalid="ignore"):
            return _compares(array, plan)
    return _compares(array, plan)


def _compares(array: Array, plan: _Plan) -> bool:
    if not plan.uniform:
        counts = [np.count_nonzero(compare(array, bound)) for compare, bound in plan.checks]
        return bool(min(counts) == array.size)
    if array.size <= _FEW and array.dtype.kind in "iu":
        numbers = array.reshape(-1).tolist()  # Faster than the overhead of a NumPy reduction.
        return bool(min(numbers) >= plan.low and max(numbers) <= plan.high)
    # Two reductions need no temporary array; a NaN makes both comparisons false.
    return bool(array.min() >= plan.low and array.max() <= plan.high)


def _bounds_array(bounds: Bounds, leaf: Leaf) -> Any:
    shape = () if bounds.uniform else leaf.shape
    array: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), buffer=bounds.data)
    return array[()] if bounds.uniform else array
