"""Elements of dtypes as bytes and back, by the table of S-3."""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ["ITEM_BYTES", "element_of", "elements_of", "is_float", "range_of"]

_FORMATS: dict[int, str] = dict(zip((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13), "BbhiqBHIQefd"))
ITEM_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 2, 8: 4, 9: 8, 10: 2, 11: 2, 12: 4, 13: 8}
"""Bytes of an element of each dtype, by its number."""
_BFLOAT16 = 11


def is_float(dtype: int) -> bool:
    """Return whether a dtype is a float."""
    return dtype >= 10


def element_of(dtype: int, data: bytes) -> float:
    """Return an element as a number."""
    if dtype == _BFLOAT16:
        return float(struct.unpack("<f", b"\0\0" + data)[0])
    return struct.unpack(f"<{_FORMATS[dtype]}", data)[0]  # type: ignore[no-any-return]


def elements_of(dtype: int, numbers: Sequence[float]) -> bytes:
    """Return numbers as elements; those of bfloat16 are cut, not rounded."""
    if dtype == _BFLOAT16:
        return b"".join(struct.pack("<f", number)[2:] for number in numbers)
    return struct.pack(f"<{len(numbers)}{_FORMATS[dtype]}", *numbers)


def range_of(dtype: int) -> tuple[int, int]:
    """Return the smallest and the largest integer of a dtype of integers."""
    bits = 8 * ITEM_BYTES[dtype]
    return (0, 2**bits - 1) if dtype >= 6 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
