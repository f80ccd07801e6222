"""`ArrayBackend`: the operations of an array library that the codec needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Union

from rlmesh.dtypes import DType
from rlmesh.spaces import Bounds

__all__ = ["Arithmetic", "ArrayBackend", "Buffer", "DynamicArray", "Leaf"]

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


def _astype(array: Any, dtype: Any) -> Any:
    return array.astype(dtype)


def _copy(array: Any) -> Any:
    return array.copy()


def _nowhere(array: Any) -> None:
    return None


def _unmoved(array: Any, device: Any) -> Any:
    return array


@dataclass(frozen=True)
class Arithmetic:
    """What adapters calculate with: an array library's functions, and where libraries differ.

    It is optional: a backend that has it as an attribute `arithmetic` can be used with the adapter
    of a `ModelSpec`, and every other backend for everything else. The arrays then also need
    indexing, comparison and arithmetic operators with broadcasting, `any`, `reshape` and `dtype`.

    Attributes:
        namespace: Module with NumPy's functions `arctan2`, `asarray`, `concatenate`, `cos`, `flip`,
            `hypot`, `isfinite`, `moveaxis`, `round`, `sin`, `sqrt`, `stack` and `where`.
        astype: Return an array in another dtype of the library.
        copy: Return a copy of an array.
        device: Return the device of an array, with a text of its own; None: the library does not
            require the arrays of an operation to be on one device, or places constants by itself.
        to_device: Return an array on a device that `device` returned.
    """

    namespace: Any
    astype: Callable[[Any, Any], Any] = _astype
    copy: Callable[[Any], Any] = _copy
    device: Callable[[Any], Any] = _nowhere
    to_device: Callable[[Any, Any], Any] = _unmoved


class ArrayBackend(Protocol):
    """The interface between the codec and an array library.

    `rlmesh_numpy`, `rlmesh_torch` and `rlmesh_jax` each have one; one test suite checks them all
    (`tests/backends`). A backend with an attribute `arithmetic` can be used with adapters too.

    The codec uses these parts of the library's arrays itself:

    - `shape`, a sequence of integers, and `dtype`, whose text ends in the contract's name of the
      type after a dot, if there is one ("float32", "torch.float32").
    - `len` and iteration of an array with dimensions: the first extent, and the rows along it, for
      batches and for arrays as elements of a Sequence.
    - `__index__` of one integer and `__float__` of one number, without dimensions, for values of a
      Discrete, choices of a OneOf, rewards and flags.
    """

    name: str
    """The library's name ("numpy")."""

    graph_type: type[Any]
    """Class of the values of a Graph: a named tuple of nodes, edges and edge_links."""

    def integer_type(self, dtype: DType) -> Callable[[int], Any]:
        """Return the class of one integer of this dtype: a value of a Discrete."""
        ...

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
