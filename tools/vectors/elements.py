"""Element types, and conversion of numbers to and from bytes, one element at a time."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Union

__all__ = [
    "ELEMENTS",
    "FLOATS",
    "INTEGERS",
    "NAMES",
    "Bits",
    "Element",
    "Number",
    "count",
    "limits",
    "pack",
    "show",
    "unpack",
]


@dataclass(frozen=True)
class Bits:
    """An element of a float type specified by its bits, such as a NaN with a payload."""

    value: int


Number = Union[int, float, Bits]


@dataclass(frozen=True)
class Element:
    """An element type.

    Attributes:
        name: NumPy's name of the type, or "bfloat16".
        number: Number of the type in the enum DType.
        size: Size of one element in bytes.
        code: `struct` character of one element.
        bits: `struct` character of one element's bits as an unsigned integer.
    """

    name: str
    number: int
    size: int
    code: str
    bits: str

    @property
    def is_float(self) -> bool:
        """Whether the type is a float."""
        return self.name in FLOATS


FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")

ELEMENTS: dict[str, Element] = {
    "bool": Element("bool", 1, 1, "B", "B"),
    "int8": Element("int8", 2, 1, "b", "B"),
    "int16": Element("int16", 3, 2, "h", "H"),
    "int32": Element("int32", 4, 4, "i", "I"),
    "int64": Element("int64", 5, 8, "q", "Q"),
    "uint8": Element("uint8", 6, 1, "B", "B"),
    "uint16": Element("uint16", 7, 2, "H", "H"),
    "uint32": Element("uint32", 8, 4, "I", "I"),
    "uint64": Element("uint64", 9, 8, "Q", "Q"),
    "float16": Element("float16", 10, 2, "e", "H"),
    "bfloat16": Element("bfloat16", 11, 2, "H", "H"),
    "float32": Element("float32", 12, 4, "f", "I"),
    "float64": Element("float64", 13, 8, "d", "Q"),
}
NAMES: dict[int, str] = {element.number: element.name for element in ELEMENTS.values()}


def limits(name: str) -> tuple[int, int]:
    """Return the smallest and largest value of the bool or an integer type."""
    if name == "bool":
        return 0, 1
    width = 8 * ELEMENTS[name].size
    if name.startswith("u"):
        return 0, 2**width - 1
    return -(2 ** (width - 1)), 2 ** (width - 1) - 1


def count(shape: Iterable[int]) -> int:
    """Return the number of elements of a shape."""
    product = 1
    for extent in shape:
        product *= extent
    return product


def pack(name: str, items: Iterable[Number]) -> bytes:
    """Encode elements one after another, little-endian.

    Raises:
        ValueError: If the type cannot hold a number exactly (NaN is passed as `Bits`).
    """
    element = ELEMENTS[name]
    data = b""
    for item in items:
        if isinstance(item, Bits):
            data += struct.pack("<" + element.bits, item.value)
        elif name == "bfloat16":
            bits = struct.unpack("<I", struct.pack("<f", item))[0]
            data += struct.pack("<H", bits >> 16)
        else:
            data += struct.pack("<" + element.code, item)
        if not isinstance(item, Bits) and unpack(name, data[-element.size :]) != [item]:
            raise ValueError(f"{item!r} is not exactly a {name}; give its bits")
    return data


def unpack(name: str, data: bytes) -> list[float]:
    """Decode whole elements: ints for bool and integer types, else floats."""
    element = ELEMENTS[name]
    items: list[float] = []
    for at in range(0, len(data), element.size):
        part = data[at : at + element.size]
        if name == "bfloat16":
            items.append(struct.unpack("<f", b"\x00\x00" + part)[0])
        else:
            items.append(struct.unpack("<" + element.code, part)[0])
    return items


def show(name: str, data: bytes) -> list[str]:
    """Return elements as decimal text that reads back exactly (except NaN payloads)."""
    return [repr(float(x)) if ELEMENTS[name].is_float else str(x) for x in unpack(name, data)]
