"""`ArrayBackend`: the operations of an array library that the codec needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Union

from rlmesh.dtypes import DType
from rlmesh.spaces import Bounds

__all__ = ["ArrayBackend", "Buffer", "DynamicArray", "Leaf"]

Buffer = Union[bytes, bytearray, memoryview]
"""Bytes of a leaf: C order, little-endian."""


@dataclass(frozen=True)
class Leaf:
    """One leaf of a space: an array of fixed shape.

    Attributes:
        path: Where the leaf is, for messages ("observation['camera']").
        dtype: Element type.
        shape: Extents of one value, without batch axes.
        low: Inclusive lower bounds; None: nothing to check.
        high: Inclusive upper bounds; None: nothing to check.
        nbytes: Bytes of one value.
        cache: Where a backend keeps what it derives from the bounds, and memory for values.
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
        """Shape of `count` stacked values; of one value where `count` is None."""
        return self.shape if count is None else (count, *self.shape)

    def describe(self, count: int | None) -> str:
        """What the leaf expects, in words."""
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
    """What the codec asks of an array library.

    `rlmesh_numpy`, `rlmesh_torch` and `rlmesh_jax` each have one, and one test suite holds for all.
    """

    name: str
    """The library's name ("numpy")."""

    graph_type: type[Any]
    """Class of the values of a Graph: a named tuple of nodes, edges and edge_links."""

    def as_leaf(self, value: Any, leaf: Leaf, count: int | None) -> Any:
        """`value` as an array of exactly the leaf's dtype and shape.

        It is the value itself where it already is one, else a cast copy.

        Args:
            value: An array of any library, a number, or nested lists or tuples of numbers.
            leaf: The leaf.
            count: Number of stacked values (an axis before the leaf's shape); None: one value.

        Raises:
            InvalidValueError: If the shape differs, or a cast loses more than float precision.
        """
        ...

    def exact_bytes(self, value: Any, leaf: Leaf, check: bool) -> Buffer | None:
        """The bytes of one value that is already the leaf's array: the shortest way.

        Args:
            value: An array of any library, a number, or nested lists or tuples of numbers.
            leaf: The leaf.
            check: Whether the elements have to be inside the leaf's bounds.

        Returns:
            What `as_leaf`, `violation` and `to_bytes` would give; None: they shall decide.
        """
        ...

    def violation(self, array: Any, leaf: Leaf) -> str | None:
        """The first element of an `as_leaf` array outside the leaf's bounds, in words.

        None if there is none. NaN is outside. Called only where the leaf has bounds.
        """
        ...

    def to_bytes(self, array: Any) -> Buffer:
        """The bytes of an `as_leaf` array: C order, little-endian; they may be a view of it."""
        ...

    def from_bytes(self, data: Buffer, leaf: Leaf, count: int | None, copy: bool) -> Any:
        """An array of the leaf's dtype and shape from bytes of exactly its size.

        Args:
            data: The bytes.
            leaf: The leaf.
            count: Number of stacked values; None: one value.
            copy: True: the array owns its memory and may be written. False: it may be a read-only
                view of `data`.
        """
        ...

    def dynamic(self, value: object) -> DynamicArray | None:
        """`value` for the wire, if it is an array or typed scalar of this or a related library."""
        ...

    def from_dynamic(self, array: DynamicArray) -> Any:
        """The library's own value: an array, a typed scalar, or an array of any values."""
        ...
