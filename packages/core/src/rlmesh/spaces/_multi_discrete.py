"""`MultiDiscrete`: arrays of integers, each of a finite range of its own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from operator import add, le
from typing import Any

from rlmesh.dtypes import DType, DTypeLike
from rlmesh.errors import SpaceError
from rlmesh.spaces._arrays import array_view, can_cast, elements, is_array, read_nested
from rlmesh.spaces._base import NumericSpace, check_elements, read_dtype
from rlmesh.spaces._sampling import sample_integers
from rlmesh.tensor import Tensor

__all__ = ["MultiDiscrete"]


class MultiDiscrete(NumericSpace[Tensor]):
    """Arrays of integers with `start <= x < start + nvec`, element by element.

    Attributes:
        nvec: Number of choices of each element.
        start: Smallest choice of each element.

    Args:
        nvec: Number of choices of each element, at least 1: nested lists or an array.
        dtype: Integer type of the values.
        seed: Seed of the sampler.
        start: Smallest choice of each element, in the shape of `nvec`. None: all 0.

    Raises:
        SpaceError: If a count is less than 1, a choice does not fit the dtype, or shapes differ.
    """

    kind = "multi_discrete"

    nvec: Tensor
    start: Tensor

    def __init__(
        self,
        nvec: Any,
        dtype: DTypeLike = "int64",
        seed: int | None = None,
        start: Any = None,
    ) -> None:
        self._dtype = read_dtype(dtype, integer=True)
        counts = _read_integers(nvec, "nvec", self._dtype)
        check_elements(math.prod(counts.shape))
        if start is None:
            first = Tensor(bytes(counts.nbytes), self._dtype, counts.shape)
        else:
            first = _read_integers(start, "start", self._dtype)
        self._shape = counts.shape
        if first.shape != self._shape:
            raise SpaceError(f"expected start of shape {self._shape}, got shape {first.shape}")
        self._define(nvec=counts, start=first)
        if min(self._numbers(counts), default=1) < 1:
            raise SpaceError("expected nvec of at least 1")
        if max(self._last(), default=0) > self._dtype.limits[1]:
            raise SpaceError(f"expected start + nvec - 1 within {self._dtype}")
        super().__init__(seed)

    def sample(self) -> Tensor:
        """Draw each element; all choices of an element are equally likely."""
        pairs = zip(self._numbers(self.start), self._last(), strict=True)
        drawn = sample_integers(self._random, pairs)
        return Tensor(self._dtype.pack(drawn), self._dtype, self._shape)

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` is an array or nested lists of the shape, each element in range.

        Its type must cast safely to the dtype; a list of integers counts as int64, as in NumPy.
        """
        if is_array(value):
            view = array_view(value)
            if view is None or view.shape != self._shape or not can_cast(view.dtype, self._dtype):
                return False
            return self._within(view.elements())
        if not isinstance(value, Sequence):
            return False
        nested = read_nested(value)
        if nested is None or nested.shape != self._shape or nested.dtype is None:
            return False
        return can_cast(nested.dtype, self._dtype) and self._within(nested.items)

    def _within(self, values: Sequence[float]) -> bool:
        return all(map(le, self._numbers(self.start), values)) and all(
            map(le, values, self._last())
        )

    def _own_elements(self) -> int:
        return self.size

    def _last(self) -> Iterator[float]:
        """Return the largest choice of each element."""
        return (x - 1 for x in map(add, self._numbers(self.start), self._numbers(self.nvec)))

    def _numbers(self, tensor: Tensor) -> Sequence[float]:
        return elements(self._dtype, tensor.buffer)

    def _definition(self) -> tuple[object, ...]:
        return self._dtype.name, self.nvec, self.start

    def __repr__(self) -> str:
        start = f", start={_text(self.start)}" if any(self.start.buffer) else ""
        dtype = f", dtype={self._dtype}" if self._dtype.name != "int64" else ""
        return f"MultiDiscrete({_text(self.nvec)}{start}{dtype})"


def _text(tensor: Tensor) -> str:
    return str(tensor.tolist() if 0 < tensor.size <= 32 else tensor)


def _read_integers(value: Any, name: str, dtype: DType) -> Tensor:
    if isinstance(value, Tensor) and value.dtype == dtype:
        return Tensor(value.tobytes(), dtype, value.shape)  # Without a number for each element.
    nested = read_nested(value)
    if nested is None:
        raise SpaceError(f"expected {name} to be an array of integers, got {value!r}")
    low, high = dtype.limits
    for item in nested.items:
        # NaN is not equal to itself, and compares false with both limits.
        if item not in (low, high) and (item != item or not low < item < high):
            raise SpaceError(f"expected {name} within {dtype} ({low} to {high}), got {item}")
        if item != int(item):
            raise SpaceError(f"expected {name} to be an array of integers, got {item}")
    return Tensor(dtype.pack([int(x) for x in nested.items]), dtype, nested.shape)
