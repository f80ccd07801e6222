"""The NumPy backend of the codec."""

from __future__ import annotations

import math
import sys
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import GraphInstance

from rlmesh._elements import is_nothing
from rlmesh._memory import Joined
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
    native,
)
from rlmesh_numpy._dtypes import dtype_of, numpy_dtype
from rlmesh_numpy._memory import RECYCLED_BYTES, owned_copy

__all__ = ["BACKEND", "NumpyBackend", "asarray"]

Array = npt.NDArray[Any]

_SMALL = 256
"""Most elements of an array that counts as small."""

_FEW = 64
"""Most integers that are compared one by one."""

_VIEW_BYTES = 4096
"""From this size on an array's bytes are not copied before the frame is written."""

_RELATED = ("torch", "jax", "jaxlib", "rlmesh")
"""Libraries whose arrays are written as arrays in an info."""


class NumpyBackend:
    """Leaves as `numpy.ndarray`; see `rlmesh.backends.ArrayBackend`."""

    name = "numpy"
    graph_type: type[Any] = GraphInstance  # Gymnasium's spaces take no other.

    def as_leaf(self, value: Any, leaf: Leaf, count: int | None) -> Array:
        """See `ArrayBackend.as_leaf`."""
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
        """The numbers of a bfloat16 leaf as float32 that round to the same bfloat16.

        Those that are bfloat16 already stay what they are, for the sake of the bits of NaNs. For
        libraries whose bfloat16 is their own. Raises as `as_leaf` does; needs no ml_dtypes.
        """
        array = _numbers(value, leaf, count)
        if array.dtype.name == "bfloat16":
            return array
        loss = bfloat16_loss(array)
        if loss is not None:
            raise InvalidValueError(leaf.path, leaf.describe(count), loss)
        return float32_of_bfloat16(array)

    def exact_bytes(self, value: Any, leaf: Leaf, check: bool) -> Buffer | None:
        """See `ArrayBackend.exact_bytes`."""
        plan = leaf.cache.get("numpy") or _plan(leaf)
        if type(value) is not np.ndarray or value.dtype != plan.dtype or value.shape != leaf.shape:
            return None
        if check:
            if plan.inside is None:
                if not _all_inside(value, plan):
                    return None
            else:
                # For few elements the calls are the cost, most of all those of NumPy's Python.
                for compare, bound in plan.checks:
                    if compare(value, bound).tobytes() != plan.inside:
                        return None
        return value.tobytes() if leaf.nbytes < _VIEW_BYTES else self.to_bytes(value)

    def violation(self, array: Array, leaf: Leaf) -> str | None:
        """See `ArrayBackend.violation`."""
        plan = leaf.cache.get("numpy") or _plan(leaf)
        if _all_inside(array, plan):
            return None
        with np.errstate(invalid="ignore"):
            outside = ~((array >= plan.low) & (array <= plan.high))
        index = tuple(int(i) for i in np.argwhere(outside)[0])
        bounds = (np.broadcast_to(b, array.shape)[index] for b in (plan.low, plan.high))
        return f"{array[index]} at {list(index)}, outside [{', '.join(map(str, bounds))}]"

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
            memory = owned_copy(data, leaf) if len(data) >= RECYCLED_BYTES else bytearray(data)
            owned: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), memory)
            return owned
        view: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), data)
        # A batch that was joined for a model is the model's own.
        view.flags.writeable = isinstance(getattr(data, "obj", data), Joined)
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
    # Its numbers go by way of float32, where a NaN is a NaN; its bits do not.
    array = native(array) if array.dtype.name == "bfloat16" else array
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


class _Plan(NamedTuple):
    """What is derived from a leaf once.

    Attributes:
        dtype: NumPy's dtype.
        low: Lower bounds, one number where all are equal; None: nothing to check.
        high: Upper bounds, likewise.
        uniform: Whether each is one number.
        checks: The comparisons that tell whether all elements are inside, NaN being outside.
        noisy: Whether comparing a NaN warns.
        inside: What each of them gives as bytes where all are, for a leaf of few elements; None:
            the leaf has many, or comparing them warns.
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
        # A comparison with infinity on the one side is needed only if there is none on the other.
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
        numbers = array.reshape(-1).tolist()  # In less time than NumPy's reductions begin.
        return bool(min(numbers) >= plan.low and max(numbers) <= plan.high)
    # Two reductions without a temporary; NaN makes both comparisons false.
    return bool(array.min() >= plan.low and array.max() <= plan.high)


def _bounds_array(bounds: Bounds, leaf: Leaf) -> Any:
    shape = () if bounds.uniform else leaf.shape
    array: Array = np.ndarray(shape, numpy_dtype(leaf.dtype), buffer=bounds.data)
    return array[()] if bounds.uniform else array
