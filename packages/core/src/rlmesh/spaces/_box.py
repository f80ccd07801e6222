"""`Box`: arrays of numbers, bounded element by element."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import le
from typing import Any, cast

from rlmesh.dtypes import DType, DTypeLike
from rlmesh.errors import SpaceError
from rlmesh.spaces._arrays import (
    ArrayView,
    array_view,
    can_cast,
    cast_numbers,
    is_array,
    is_number,
    read_nested,
)
from rlmesh.spaces._base import NumericSpace, read_dtype, read_int
from rlmesh.spaces._bounds import Bounds, bound_shape, read_bounds
from rlmesh.spaces._sampling import sample_box
from rlmesh.tensor import Tensor

__all__ = ["Box"]


class Box(NumericSpace[Tensor]):
    """Arrays of fixed shape with `low <= x <= high`, element by element; NaN is never a member.

    Attributes:
        low_bounds: Lower bounds, compact and exact.
        high_bounds: Upper bounds, compact and exact.

    Args:
        low: Lower bound: a number, nested lists, an array of any library, or `Bounds`. An infinite
            bound of an integer dtype becomes the dtype's limit, marked as unbounded.
        high: Upper bound, like `low`.
        shape: Extent of each dimension. None: that of the arrays; `(1,)` for two numbers.
        dtype: Element type.
        seed: Seed of the sampler.

    Raises:
        SpaceError: If a bound is NaN, out of the dtype's range or of another shape, or low > high.
    """

    kind = "box"

    low_bounds: Bounds
    high_bounds: Bounds

    def __init__(
        self,
        low: Any,
        high: Any,
        shape: Iterable[int] | None = None,
        dtype: DTypeLike = "float32",
        seed: int | None = None,
    ) -> None:
        self._dtype = read_dtype(dtype)
        self._shape = _infer_shape(low, high) if shape is None else read_shape(shape)
        low_bounds = read_bounds(low, "low", self._shape, self._dtype)
        high_bounds = read_bounds(high, "high", self._shape, self._dtype)
        _check_order(low_bounds, high_bounds, self._dtype)
        self._define(low_bounds=low_bounds, high_bounds=high_bounds)
        self._whole_range = _is_whole_range(low_bounds, high_bounds, self._dtype)
        super().__init__(seed)

    @cached_property
    def low(self) -> Tensor:
        """Lower bound of every element."""
        return Tensor(self.low_bounds.expand(self.size), self._dtype, self._shape)

    @cached_property
    def high(self) -> Tensor:
        """Upper bound of every element."""
        return Tensor(self.high_bounds.expand(self.size), self._dtype, self._shape)

    def sample(self) -> Tensor:
        """Draw every element independently.

        Floats are uniform between two bounds, exponential beside one bound and normal without any.
        Integers are uniform, both bounds included.
        """
        data = sample_box(self._random, self._dtype, self.size, self.low_bounds, self.high_bounds)
        return Tensor(data, self._dtype, self._shape)

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` has the shape and a type that casts safely, and is in bounds.

        Numbers and nested lists are read as arrays of the space's own dtype.
        """
        view = None if is_number(value) else array_view(value)
        if view is not None:
            if can_cast(view.dtype, self._dtype):
                return view.shape == self._shape and self._keeps_bounds(view)
            if is_array(value):
                return False
        nested = read_nested(value)
        if nested is None or nested.shape != self._shape:
            return False
        cast_items = cast_numbers(nested.items, self._dtype)
        return cast_items is not None and self._within(cast_items)

    def _keeps_bounds(self, view: ArrayView) -> bool:
        if self._whole_range and not view.dtype.is_float:
            return True
        values = view.elements()
        if self._dtype.is_float and view.dtype.is_integer:
            values = [float(x) for x in values]
        return self._within(values)

    def _within(self, values: Sequence[float]) -> bool:
        low, high = self.low_bounds, self.high_bounds
        if not values or (self._whole_range and not self._dtype.is_float):
            return True
        if low.uniform and high.uniform and not math.isnan(sum(values)):
            if self._whole_range:
                return True
            # Without NaN, min and max are well defined.
            at_least, at_most = (self._dtype.unpack(b.data)[0] for b in (low, high))
            return at_least <= min(values) and max(values) <= at_most
        return all(map(le, low.values(self._dtype), values)) and all(
            map(le, values, high.values(self._dtype))
        )

    def _own_elements(self) -> int:
        sides = (self.low_bounds, self.high_bounds)
        return sum(len(side.data) // self._dtype.itemsize for side in sides if not side.uniform)

    def _definition(self) -> tuple[object, ...]:
        return self._shape, self._dtype.name, self.low_bounds, self.high_bounds

    def __getstate__(self) -> dict[str, Any]:
        # Expanded bounds are cheap to compute and large to send, so they are not pickled.
        return {k: v for k, v in self.__dict__.items() if k not in ("low", "high")}

    def __repr__(self) -> str:
        low = _bounds_text(self.low_bounds, self._dtype, self.size)
        high = _bounds_text(self.high_bounds, self._dtype, self.size)
        return f"Box({low}, {high}, {self._shape}, {self._dtype})"


def read_shape(shape: Iterable[int]) -> tuple[int, ...]:
    """Return the extents that were passed to a constructor.

    Raises:
        SpaceError: If they are not integers of at least 0.
    """
    if not isinstance(cast("object", shape), Iterable):
        raise SpaceError(f"expected shape to be a sequence of integers, got {shape!r}")
    extents = tuple(read_int(extent, "each extent of shape") for extent in shape)
    if any(not 0 <= extent < 2**63 for extent in extents):
        raise SpaceError(f"expected a shape of extents of at least 0, got {extents}")
    return extents


def _infer_shape(low: Any, high: Any) -> tuple[int, ...]:
    if isinstance(low, Bounds) or isinstance(high, Bounds):
        raise SpaceError("expected a shape with Bounds, which have none")
    shapes = [shape for shape in (bound_shape(low), bound_shape(high)) if shape is not None]
    if not shapes:
        return (1,)
    if shapes[0] != shapes[-1]:
        raise SpaceError(f"expected low and high of one shape, got {shapes[0]} and {shapes[1]}")
    return shapes[0]


def _check_order(low: Bounds, high: Bounds, dtype: DType) -> None:
    if not low.data:
        return
    if low.uniform and high.uniform:
        pairs = zip(dtype.unpack(low.data), dtype.unpack(high.data), strict=True)
    else:
        pairs = zip(low.values(dtype), high.values(dtype), strict=False)
    for i, (low_bound, high_bound) in enumerate(pairs):
        if low_bound > high_bound:
            raise SpaceError(f"expected low <= high, got {low_bound} > {high_bound} at element {i}")


def _is_whole_range(low: Bounds, high: Bounds, dtype: DType) -> bool:
    """Return whether the bounds exclude nothing that the dtype can hold, except NaN."""
    if not (low.uniform and high.uniform):
        return False
    limits: tuple[float, float] = (-math.inf, math.inf) if dtype.is_float else dtype.limits
    return (dtype.unpack(low.data)[0], dtype.unpack(high.data)[0]) == limits


def _bounds_text(bounds: Bounds, dtype: DType, size: int) -> str:
    if bounds.uniform:
        return str(dtype.unpack(bounds.data)[0])
    if size <= 8:
        return str(list(dtype.unpack(bounds.data)))
    step = dtype.itemsize
    first, last = dtype.unpack(bounds.data[: 2 * step]), dtype.unpack(bounds.data[-step:])
    return f"[{first[0]}, {first[1]}, ..., {last[0]}]"
