"""`Bounds`: one side of a Box, exact to the bit and stored as compactly as possible."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import repeat
from operator import ne
from typing import Any, Literal

from rlmesh.dtypes import DType
from rlmesh.errors import SpaceError
from rlmesh.spaces._arrays import (
    Nested,
    array_view,
    elements,
    is_number,
    plain_number,
    read_nested,
)

__all__ = ["Bounds", "Side", "bound_shape", "read_bounds"]

Side = Literal["low", "high"]


@dataclass(frozen=True)
class Bounds:
    """The lower or upper bounds of a Box, in its dtype.

    Attributes:
        data: One element (uniform), or all of them in C order; little-endian.
        uniform: Whether `data` is one element, which is the bound of every element.
        unbounded: For an integer dtype, a mask of the elements without a bound on this side; their
            bound in `data` is the dtype's limit. Empty: none; one byte 1: all; else one byte for
            each element. Samplers may use the mask; equality ignores it.
    """

    data: bytes
    uniform: bool
    unbounded: bytes = field(default=b"", compare=False)

    @classmethod
    def of(cls, data: bytes, itemsize: int) -> Bounds:
        """Return the canonical form: uniform if and only if all elements have the same bits.

        Args:
            data: All elements; no element at all is not uniform.
            itemsize: Size of one element in bytes.
        """
        first = data[:itemsize]
        if data and data == first * (len(data) // itemsize):
            return cls(first, True)
        return cls(data, False)

    def canonical(self, itemsize: int, size: int) -> Bounds:
        """Return the canonical form of the bounds of `size` elements."""
        if not size:
            return Bounds(b"", False)
        form = self if self.uniform else Bounds.of(self.data, itemsize)
        return form.marked(self.unbounded) if self.unbounded else form

    def marked(self, mask: bytes) -> Bounds:
        """Return the same bounds with elements marked as unbounded.

        Args:
            mask: One byte for each element, or one byte for all.
        """
        if 1 not in mask:
            return replace(self, unbounded=b"")
        return replace(self, unbounded=mask if 0 in mask else b"\1")

    def expand(self, size: int) -> bytes:
        """Return the bytes of all elements of a box of `size` elements."""
        return self.data * size if self.uniform else self.data

    def values(self, dtype: DType) -> Any:
        """Return the bounds as an iterable of numbers, endless if they are uniform."""
        if self.uniform:
            return repeat(dtype.unpack(self.data)[0])
        return elements(dtype, self.data)


def bound_shape(value: object) -> tuple[int, ...] | None:
    """Return the shape of an array or nested list passed as a bound; None if it has none."""
    if is_number(value) or isinstance(value, Bounds):
        return None
    given = array_view(value) or read_nested(value)
    return None if given is None else given.shape


def read_bounds(value: Any, side: Side, shape: tuple[int, ...], dtype: DType) -> Bounds:
    """Return the canonical bounds that were passed to a constructor.

    Raises:
        SpaceError: If `value` is not numbers, of another shape, out of the dtype's range, or NaN.
    """
    size = math.prod(shape)
    if isinstance(value, Bounds):
        return _checked(value, side, size, dtype)
    if is_number(value):
        number = plain_number(value)
        one = dtype.pack([_bound(number, side, dtype)])
        mask = _mask([number], dtype)
        return Bounds(one, True, mask).canonical(dtype.itemsize, size)
    given = array_view(value) or read_nested(value)
    if given is None:
        raise SpaceError(f"expected numbers for {side}, got {type(value).__name__}")
    if given.shape != shape:
        raise SpaceError(f"expected {side} of shape {shape}, got shape {given.shape}")
    if isinstance(given, Nested):
        bounds = Bounds.of(_convert(given.items, side, dtype), dtype.itemsize)
        return bounds.marked(_mask(given.items, dtype))
    own = Bounds.of(given.data().tobytes(), given.dtype.itemsize)
    if given.dtype == dtype:
        _refuse_nan(own.data, side, dtype)
        return own
        # Of a uniform array only one element has to be converted.
    data = _convert(elements(given.dtype, own.data), side, dtype)
    bounds = Bounds(data, True) if own.uniform else Bounds.of(data, dtype.itemsize)
    return bounds.marked(_mask(elements(given.dtype, own.data), dtype))


def _mask(items: Iterable[float], dtype: DType) -> bytes:
    """Return a mask of the bounds that are infinite although the dtype has no infinity."""
    if dtype.is_float or dtype.kind == "b":
        return b""
    return bytes(isinstance(x, float) and math.isinf(x) for x in items)


def _convert(items: Iterable[float], side: Side, dtype: DType) -> bytes:
    return dtype.pack([_bound(x, side, dtype) for x in items])


def _checked(bounds: Bounds, side: Side, size: int, dtype: DType) -> Bounds:
    expected = dtype.itemsize * (1 if bounds.uniform else size)
    if len(bounds.data) != expected:
        message = f"expected {expected} bytes of {dtype} for {side}, got {len(bounds.data)}"
        raise SpaceError(message, rule="S-5")
    _refuse_nan(bounds.data, side, dtype)
    if bounds.unbounded:
        _check_marks(bounds, side, size, dtype)
    return bounds.canonical(dtype.itemsize, size)


def _check_marks(bounds: Bounds, side: Side, size: int, dtype: DType) -> None:
    mask = bounds.unbounded
    if not dtype.is_integer:
        message = f"expected no unbounded marks for {side} of {dtype}"
        raise SpaceError(message, rule="S-16")
    if mask != b"\1" and (len(mask) != size or mask.translate(None, b"\0\1")):
        message = f"expected one byte 1 or {size} of 0 and 1 for unbounded of {side}"
        raise SpaceError(message, rule="S-16")
    if not size:
        return
    limit = dtype.limits[side == "high"]
    # One byte 1 marks every value. Otherwise a uniform bound is repeated to pair with each mark.
    marks = repeat(1) if mask == b"\1" else mask
    values = dtype.unpack(bounds.data) * (size if bounds.uniform and mask != b"\1" else 1)
    if any(mark and value != limit for mark, value in zip(marks, values)):
        raise SpaceError(f"expected {limit} as the {side} that is unbounded", rule="S-16")


def _refuse_nan(data: bytes, side: Side, dtype: DType) -> None:
    if not dtype.is_float:
        return
    values = elements(dtype, data)
    if any(map(ne, values, values)):
        raise SpaceError(f"expected numbers for {side}, got NaN")


def _bound(value: float, side: Side, dtype: DType) -> float:
    """Return one bound as a number that `dtype` can hold."""
    if value != value:
        raise SpaceError(f"expected numbers for {side}, got NaN")
    if dtype.is_float:
        return _float_bound(value, side, dtype)
    low, high = dtype.limits
    if math.isinf(value):
        # As in Gymnasium, an unbounded integer is bounded by the limit of its type.
        limit = low if side == "low" else high
        if (value < 0) == (side == "low"):
            return limit
        raise SpaceError(f"expected {side} within {dtype} ({low} to {high}), got {value}")
    if not low <= value <= high:
        raise SpaceError(f"expected {side} within {dtype} ({low} to {high}), got {value}")
    return bool(value) if dtype.kind == "b" else int(value)


def _float_bound(value: float, side: Side, dtype: DType) -> float:
    try:
        number = float(value)
        packed = dtype.unpack(dtype.pack([number]))[0]
    except OverflowError:
        number, packed = 0.0, math.inf
    if math.isinf(packed) and not math.isinf(number):
        raise SpaceError(f"expected {side} within {dtype}, got {value}")
    return number
