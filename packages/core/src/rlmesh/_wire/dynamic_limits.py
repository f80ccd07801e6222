"""The rules of self-describing values that reading and writing share (CONTRACT.md §14, §15)."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from rlmesh.dtypes import DType

__all__ = [
    "BrokenRule",
    "Parts",
    "check_data",
    "check_depth",
    "check_integer",
    "check_key",
    "check_numbers_shape",
    "check_objects_shape",
    "key_identity",
]

MAX_DEPTH = 24
"""Deepest nesting of a dynamic value."""

MAX_DIMENSIONS = 32
"""Most dimensions of an array, as NumPy 1 has it."""

MAX_ELEMENTS = 2**28
"""Most elements of an array of numbers."""

MAX_PARTS = 2**20
"""Most elements of one list, map or array of any values."""

MAX_VALUES = 2**22
"""Most values in one."""

MAX_KEY_BYTES = 2**16
"""Longest key of a map."""

MAX_INTEGER_BYTES = 2**16
"""Longest integer."""

MAX_EMPTY_LISTS = 2**16
"""Most empty lists that arrays without elements may become, since no bytes pay for them."""

_NAN = object()


class BrokenRule(Exception):
    """A value breaks a rule. Its path is composed as the error propagates: valid values need none.

    Attributes:
        reason: What is wrong, in words.
        rule: Id of the rule of CONTRACT.md.
        steps: Keys and indices from the value outwards.
    """

    def __init__(self, reason: str, rule: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.rule = rule
        self.steps: list[str | int] = []


class Parts:
    """Counts the parts of one value or map, so that a limit holds for all of it."""

    __slots__ = ("_empty", "_values")

    def __init__(self) -> None:
        self._values = 0
        self._empty = 0

    def count(self, more: int, noun: str) -> None:
        """Check the number of parts of one value and of all, before any part is read or written."""
        if more > MAX_PARTS:
            raise BrokenRule(f"{noun} has {more} parts; the limit is {MAX_PARTS}", "M-1")
        if self._values + more > MAX_VALUES:
            raise BrokenRule(f"there are more values than the limit of {MAX_VALUES}", "M-1")
        self._values += more

    def count_empty(self, shape: Sequence[int]) -> None:
        """Check the number of empty lists that an array of objects without elements becomes."""
        if 0 not in shape:
            return
        more = math.prod(shape[: shape.index(0)])
        if self._empty + more > MAX_EMPTY_LISTS:
            message = f"arrays without elements become more than {MAX_EMPTY_LISTS} lists"
            raise BrokenRule(message, "M-8")
        self._empty += more


def check_depth(depth: int) -> None:
    """Check the nesting depth of a value."""
    if depth > MAX_DEPTH:
        raise BrokenRule(f"a value is nested deeper than {MAX_DEPTH} levels", "D-7")


def check_integer(size: int) -> None:
    """Check the bytes of an integer."""
    if not 0 < size <= MAX_INTEGER_BYTES:
        rule = "M-1" if size else "D-2"
        raise BrokenRule(f"an integer has {size} bytes instead of 1 to {MAX_INTEGER_BYTES}", rule)


def check_key(key: object) -> None:
    """Check the length of a key."""
    if not isinstance(key, (str, bytes)) or len(key) <= MAX_KEY_BYTES // 4:
        return  # No character has more than four bytes.
    size = len(key.encode()) if isinstance(key, str) else len(key)
    if size > MAX_KEY_BYTES:
        message = f"the key of a map has {size} bytes; the limit is {MAX_KEY_BYTES}"
        raise BrokenRule(message, "M-1")


def key_identity(key: object) -> object:
    """Return the identity of a key; NaN needs one, because it is not equal to itself."""
    if isinstance(key, tuple):
        return tuple(map(key_identity, key))
    return (_NAN, struct.pack("<d", key)) if isinstance(key, float) and key != key else key


def check_numbers_shape(extents: Sequence[int], itemsize: int) -> None:
    """Check the shape of an array of numbers."""
    _check_shape(extents, MAX_ELEMENTS, itemsize)


def check_objects_shape(extents: Sequence[int], count: int) -> None:
    """Check the shape of an array of `count` values of any kind."""
    _check_shape(extents, MAX_PARTS, 1)
    if count != math.prod(extents):
        raise BrokenRule(f"an array of shape {tuple(extents)} has {count} elements", "D-5")


def _check_shape(extents: Sequence[int], max_count: int, itemsize: int) -> None:
    """Check that a shape is within the limits; an extent of 0 does not excuse the others."""
    count = math.prod(max(n, 1) for n in extents)
    if len(extents) > MAX_DIMENSIONS or count > max_count:
        message = f"{len(extents)} dimensions, {tuple(extents[:8])}"
        raise BrokenRule(
            f"a shape of {message}, is over the limit of {MAX_DIMENSIONS} dimensions and "
            f"{max_count} elements",
            "M-6" if count * itemsize >= 2**63 else "M-1",
        )


def check_data(data: bytes, element: DType, count: int, noun: str, rule: str = "D-5") -> None:
    """Check the bytes of `count` elements; `rule` is that of their number."""
    if len(data) != count * element.itemsize:
        message = f"{noun} has {len(data)} bytes instead of {count * element.itemsize}"
        raise BrokenRule(message, rule)
    if element.kind == "b" and data.translate(None, b"\0\1"):
        raise BrokenRule(f"{noun} has a bool that is neither 0 nor 1", "D-5")
