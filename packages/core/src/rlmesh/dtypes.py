"""Element types of leaves: every NumPy bool, int, uint and float type, and bfloat16.

A `DType` defines how its elements are encoded (little-endian, `itemsize` bytes) and how Python's
`struct` reads them. It depends on no array library.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Union

__all__ = ["DTYPES", "DType", "DTypeLike", "dtype"]

DTypeLike = Union["DType", str, type, object]
"""A `DType`, its name, a Python type (`bool`, `int`, `float`), or anything with such a `name`."""

_PYTHON_TYPES: dict[object, str] = {bool: "bool", int: "int64", float: "float64"}


@dataclass(frozen=True)
class DType:
    """The type of one element.

    Attributes:
        name: NumPy's name of the type ("float32"), or "bfloat16".
        kind: "b" (bool), "i" (signed), "u" (unsigned) or "f" (float).
        itemsize: Size of one element on the wire, in bytes.
        code: `struct` character of one element; for bfloat16, that of its raw 16 bits.
    """

    name: str
    kind: str
    itemsize: int
    code: str

    @property
    def is_integer(self) -> bool:
        """Whether the type is a signed or unsigned integer."""
        return self.kind in "iu"

    @property
    def is_float(self) -> bool:
        """Whether the type is a float, bfloat16 included."""
        return self.kind == "f"

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value of a bool or integer type.

        Raises:
            TypeError: For a float type.
        """
        if self.kind == "f":
            raise TypeError(f"{self.name} has no integer limits")
        if self.kind == "b":
            return 0, 1
        bits = 8 * self.itemsize
        return (0, 2**bits - 1) if self.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    @property
    def typestr(self) -> str:
        """NumPy's array-interface type string; opaque 2-byte items ("<V2") for bfloat16."""
        if self.name == "bfloat16":
            return "<V2"
        order = "|" if self.itemsize == 1 else "<"
        return f"{order}{self.kind}{self.itemsize}"

    def pack(self, values: Iterable[float]) -> bytes:
        """Encode numbers one after another, little-endian.

        Raises:
            OverflowError: If an integer does not fit the type, or a float is beyond its range.
            TypeError: If an element is not a number of the type's kind.
        """
        items: Sequence[float] = list(values)
        if self.name == "bfloat16":
            return struct.pack(f"<{len(items)}H", *(_to_bfloat16(float(x)) for x in items))
        try:
            return struct.pack(f"<{len(items)}{self.code}", *items)
        except struct.error as error:
            if any(not isinstance(x, (int, float)) for x in items):
                raise TypeError(f"not a number for {self.name}: {error}") from None
            raise OverflowError(f"out of range for {self.name}: {error}") from None

    def unpack(self, data: bytes | memoryview) -> tuple[float, ...]:
        """Decode the elements in `data`, which holds whole ones, as bools, ints or floats."""
        count = len(data) // self.itemsize
        raw: tuple[int, ...] = struct.unpack(f"<{count}{self.code}", data)
        if self.name == "bfloat16":
            # A bfloat16 is the upper half of a float32.
            return tuple(_float32_of(bits << 16) for bits in raw)
        return raw

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[object, ...]:
        # A type that was pickled or copied is the same object again, because codecs and backends
        # compare types by identity for speed.
        if DTYPES.get(self.name) is self:
            return dtype, (self.name,)
        return DType, (self.name, self.kind, self.itemsize, self.code)


def _to_bfloat16(value: float) -> int:
    """Round to the nearest bfloat16, ties to even, and return its 16 bits.

    Raises:
        OverflowError: If a finite value rounds to infinity.
    """
    bits: int = struct.unpack("<I", struct.pack("<f", value))[0]
    if math.isnan(value):
        # The quiet bit is set, because without its lower half a NaN could become an infinity.
        return (bits >> 16) | 0x40
    near = _float32_of(bits)
    if near != value:
        # Rounding twice must not lose on which side of the middle the value was. Of the two float32
        # around it, the one with the last bit 1 keeps that side through the second rounding.
        bits = (bits - (abs(near) > abs(value))) | 1
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF
    if rounded & 0x7FFF == 0x7F80 and not math.isinf(value):
        raise OverflowError(f"{value} is beyond the range of bfloat16")
    return rounded


def _float32_of(bits: int) -> float:
    value: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return value


DTYPES: dict[str, DType] = {
    d.name: d
    for d in (
        DType("bool", "b", 1, "?"),
        DType("int8", "i", 1, "b"),
        DType("int16", "i", 2, "h"),
        DType("int32", "i", 4, "i"),
        DType("int64", "i", 8, "q"),
        DType("uint8", "u", 1, "B"),
        DType("uint16", "u", 2, "H"),
        DType("uint32", "u", 4, "I"),
        DType("uint64", "u", 8, "Q"),
        DType("float16", "f", 2, "e"),
        DType("bfloat16", "f", 2, "H"),
        DType("float32", "f", 4, "f"),
        DType("float64", "f", 8, "d"),
    )
}
"""Every element type by name."""


def dtype(spec: DTypeLike) -> DType:
    """Return the `DType` that `spec` names.

    Args:
        spec: A `DType`, a name, `bool`, `int` (int64), `float` (float64), a NumPy dtype or scalar
            type, or any object with the `name` or `__name__` of a `DType`.

    Raises:
        TypeError: If no element type has that name.
    """
    if isinstance(spec, DType):
        return spec
    name = _PYTHON_TYPES.get(spec) if isinstance(spec, type) else None
    if name is None:
        name = spec if isinstance(spec, str) else getattr(spec, "name", None)
    if not isinstance(name, str):
        name = getattr(spec, "__name__", None)
    name = {"bool_": "bool"}.get(str(name), str(name))
    try:
        return DTYPES[name]
    except KeyError:
        choices = ", ".join(DTYPES)
        raise TypeError(f"no element type {spec!r}; expected one of: {choices}") from None
