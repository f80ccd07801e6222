"""`ArrayBackend`: the interface between the codec and an array library, and the native backend.

A backend turns one leaf of a space into bytes and back. Everything else (which leaves there are, in
which order and of which sizes) belongs to the codec.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Union

from rlmesh._elements import ElementError, elements_of, numbers_of
from rlmesh.dtypes import DType
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Bounds, GraphInstance
from rlmesh.tensor import Tensor, nest

__all__ = ["NATIVE", "ArrayBackend", "Buffer", "DynamicArray", "Leaf", "NativeBackend"]

Buffer = Union[bytes, bytearray, memoryview]
"""The type of a leaf's bytes: C order, little-endian."""


@dataclass(frozen=True)
class Leaf:
    """One leaf of a space: an array of fixed shape.

    Attributes:
        path: Path of the leaf, for messages ("observation['camera']").
        dtype: Element type.
        shape: Extents of one value, without batch axes.
        low: Inclusive lower bounds; None: there is nothing to check.
        high: Inclusive upper bounds; None: there is nothing to check.
        nbytes: Size of one value in bytes.
        cache: Storage for what a backend derives from the bounds, and for memory of values.
    """

    path: str
    dtype: DType
    shape: tuple[int, ...]
    low: Bounds | None = None
    high: Bounds | None = None
    nbytes: int = field(init=False)
    cache: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nbytes", math.prod(self.shape) * self.dtype.itemsize)

    def batch_shape(self, count: int | None) -> tuple[int, ...]:
        """Return the shape of `count` stacked values, or of one value if `count` is None."""
        return self.shape if count is None else (count, *self.shape)

    def describe(self, count: int | None) -> str:
        """Return the expected dtype and shape as text, for messages."""
        return f"{self.dtype} of shape {self.batch_shape(count)}"


@dataclass(frozen=True)
class DynamicArray:
    """An array or typed scalar on its way to or from the wire.

    Attributes:
        dtype: Element type; None for an array of any values.
        shape: Extents; None for a typed scalar.
        data: The elements' bytes; None for an array of any values.
        elements: The values of an array of any values, C order.
    """

    dtype: DType | None
    shape: tuple[int, ...] | None
    data: Buffer | None = None
    elements: Sequence[object] = ()


class ArrayBackend(Protocol):
    """The interface between the codec and an array library.

    `rlmesh_numpy`, `rlmesh_torch` and `rlmesh_jax` each have one; one test suite checks them all.
    """

    name: str
    """The library's name ("numpy")."""

    graph_type: type[Any]
    """Class of the values of a Graph: a named tuple of nodes, edges and edge_links."""

    def as_leaf(self, value: Any, leaf: Leaf, count: int | None) -> Any:
        """Return `value` as an array of exactly the leaf's dtype and shape.

        A value that already is such an array is returned unchanged; otherwise a cast copy is.

        Args:
            value: An array of any library, a number, or nested lists or tuples of numbers.
            leaf: The leaf.
            count: Number of stacked values (an axis before the leaf's shape); None: one value.

        Raises:
            InvalidValueError: If the shape differs, or a cast loses more than float precision.
        """
        ...

    def exact_bytes(self, value: Any, leaf: Leaf, check: bool) -> Buffer | None:
        """Return the bytes of one value that is already the leaf's array: a short cut.

        Args:
            value: An array of any library, a number, or nested lists or tuples of numbers.
            leaf: The leaf.
            check: Whether the elements must be checked against the leaf's bounds.

        Returns:
            The same bytes as from `as_leaf`, `violation` and `to_bytes`; None if the caller has to
            take those three steps, because the value is not such an array or is out of bounds.
        """
        ...

    def violation(self, array: Any, leaf: Leaf) -> str | None:
        """Return a description of the first element of an `as_leaf` array that is out of bounds.

        None if there is none. NaN is out of bounds. Called only if the leaf has bounds.
        """
        ...

    def to_bytes(self, array: Any) -> Buffer:
        """Return the bytes of an `as_leaf` array, C order, little-endian; possibly a view of it."""
        ...

    def from_bytes(self, data: Buffer, leaf: Leaf, count: int | None, copy: bool) -> Any:
        """Return an array of the leaf's dtype and shape from bytes of exactly its size.

        Args:
            data: The bytes.
            leaf: The leaf.
            count: Number of stacked values; None: one value.
            copy: Whether the array must own writable memory; if False, the array may be a read-only
                view of `data`.
        """
        ...

    def dynamic(self, value: object) -> DynamicArray | None:
        """Return the wire form of an array or typed scalar of this or a related library."""
        ...

    def from_dynamic(self, array: DynamicArray) -> Any:
        """Return the library's own value: an array, a typed scalar, or an array of any values."""
        ...


class NativeBackend:
    """Leaves as `rlmesh.Tensor`, without any array library.

    Values with the buffer protocol or the array interface, such as NumPy's, are accepted too.
    """

    name = "native"
    graph_type: type[Any] = GraphInstance

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
