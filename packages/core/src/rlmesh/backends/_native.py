"""`NativeBackend`: leaves as `rlmesh.Tensor`, without any array library."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from rlmesh._elements import ElementError, elements_of, numbers_of
from rlmesh.backends._protocol import Buffer, DynamicArray, Leaf
from rlmesh.dtypes import DType
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import GraphInstance
from rlmesh.tensor import Tensor, nest

__all__ = ["NATIVE", "NativeBackend"]


class NativeBackend:
    """Leaves as `rlmesh.Tensor`, without any array library.

    Values with the buffer protocol or the array interface, such as NumPy's, are accepted too.
    """

    name = "native"
    graph_type: type[Any] = GraphInstance

    def integer_type(self, dtype: DType) -> Callable[[int], Any]:
        """Return `int`; see `ArrayBackend`."""
        return int

    def as_leaf(self, value: Any, leaf: Leaf, count: int | None) -> Tensor:
        """Return a Tensor; see `ArrayBackend.as_leaf`."""
        shape = leaf.batch_shape(count)
        if isinstance(value, Tensor) and value.dtype is leaf.dtype and value.shape == shape:
            return value
        try:
            return elements_of(value, leaf.dtype, shape)
        except ElementError as error:
            raise InvalidValueError(leaf.path, leaf.describe(count), str(error)) from None

    def exact_bytes(self, value: Any, leaf: Leaf, check: bool) -> None:
        """Return None, because there is no short cut; see `ArrayBackend.exact_bytes`."""
        return

    def violation(self, array: Tensor, leaf: Leaf) -> str | None:
        """Describe the first element out of bounds; see `ArrayBackend.violation`."""
        numbers = array.dtype.unpack(array.buffer)
        low, high = self._limits(leaf)
        period = len(low)
        for i, number in enumerate(numbers):
            if not low[i % period] <= number <= high[i % period]:
                return f"{number} at element {i}, outside [{low[i % period]}, {high[i % period]}]"
        return None

    def _limits(self, leaf: Leaf) -> tuple[Sequence[float], Sequence[float]]:
        limits: tuple[Sequence[float], Sequence[float]] | None = leaf.cache.get("native")
        if limits is None:
            assert leaf.low is not None and leaf.high is not None
            size = math.prod(leaf.shape)
            sides = [
                leaf.dtype.unpack(b.data) * (size if b.uniform else 1)
                for b in (leaf.low, leaf.high)
            ]
            limits = leaf.cache["native"] = (sides[0], sides[1])
        return limits

    def to_bytes(self, array: Tensor) -> bytes:
        """Return the bytes of the elements; see `ArrayBackend.to_bytes`."""
        return array.tobytes()

    def from_bytes(self, data: Buffer, leaf: Leaf, count: int | None, copy: bool) -> Tensor:
        """Return a Tensor; see `ArrayBackend.from_bytes`.

        A Tensor is immutable, so `bytes` are never copied.
        """
        owned = data if isinstance(data, bytes) or not copy else bytes(data)
        return Tensor(owned, leaf.dtype, leaf.batch_shape(count))

    def dynamic(self, value: object) -> DynamicArray | None:
        """Return the wire form of a value; see `ArrayBackend.dynamic`."""
        if isinstance(value, Tensor):
            return DynamicArray(value.dtype, value.shape, value.buffer)
        return numbers_array(value)

    def from_dynamic(self, array: DynamicArray) -> Any:
        """Return a Tensor, a Python number for a typed scalar, or nested lists for any values."""
        if array.dtype is None:
            return nest(list(array.elements), array.shape or ())
        assert array.data is not None
        if array.shape is None:
            return array.dtype.unpack(bytes(array.data))[0]
        return Tensor(bytes(array.data), array.dtype, array.shape)


def numbers_array(value: object) -> DynamicArray | None:
    """Return a NumPy array or scalar, recognised by its interface without importing NumPy."""
    found = numbers_of(value)
    if found is None:
        return None
    element, shape, data = found
    # NumPy's scalars have the array interface too, but only arrays support item assignment.
    is_scalar = shape == () and not hasattr(value, "__setitem__")
    return DynamicArray(element, None if is_scalar else shape, data)


NATIVE = NativeBackend()
"""The native backend."""
