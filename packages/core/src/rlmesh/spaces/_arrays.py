"""Reads arrays of any library, and nested lists of numbers, without importing an array library.

The rules are NumPy's, so that `contains` agrees with Gymnasium's: which types cast safely into
which, and which number a list element becomes in a given type.
"""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from rlmesh.dtypes import DTYPES, DType
from rlmesh.dtypes import dtype as as_dtype
from rlmesh.tensor import Tensor

__all__ = [
    "ArrayView",
    "Nested",
    "array_view",
    "can_cast",
    "cast_numbers",
    "elements",
    "is_array",
    "is_number",
    "plain_number",
    "read_nested",
]

_FORMAT_KINDS = {
    "?": "b",
    **dict.fromkeys("bhilqn", "i"),
    **dict.fromkeys("BHILQN", "u"),
    **dict.fromkeys("efd", "f"),
}
_BY_SIZE = {(d.kind, d.itemsize): d for d in DTYPES.values() if d.name != "bfloat16"}
_MAX_NESTING = 64  # NumPy's limit on dimensions


@dataclass(frozen=True)
class ArrayView:
    """A view of another library's array, before any copy.

    Attributes:
        dtype: Element type.
        shape: Extent of each dimension.
        source: A buffer of the elements, of any strides.
        swapped: Whether the source's elements are big-endian.
    """

    dtype: DType
    shape: tuple[int, ...]
    source: memoryview
    swapped: bool = False

    def data(self) -> memoryview:
        """Return the bytes of the elements: C order, little-endian; a view if possible."""
        if not self.source.nbytes:
            return memoryview(b"")
        if self.swapped:
            raw = bytearray(self.source.tobytes())
            step = self.dtype.itemsize
            for i in range(step // 2):
                raw[i::step], raw[step - 1 - i :: step] = raw[step - 1 - i :: step], raw[i::step]
            return memoryview(raw)
        if self.source.c_contiguous:
            try:
                return self.source.cast("B")
            except TypeError:
                pass  # a format with a byte order ("<f", from ctypes) cannot be cast
        return memoryview(self.source.tobytes())

    def elements(self) -> Sequence[float]:
        """Return the elements as Python numbers, in C order."""
        return elements(self.dtype, self.data())


@dataclass(frozen=True)
class Nested:
    """Nested lists of numbers, flattened.

    Attributes:
        shape: Extent of each level.
        items: The numbers in C order, as Python's bool, int and float.
        dtype: The type that NumPy would give the array; None if RLMesh has no such type.
    """

    shape: tuple[int, ...]
    items: list[float]
    dtype: DType | None


def elements(dtype: DType, data: bytes | memoryview) -> Sequence[float]:
    """Return little-endian bytes as Python numbers, converted lazily if the type allows it."""
    if sys.byteorder == "little" and not (dtype.is_float and dtype.itemsize == 2):
        view = data if isinstance(data, memoryview) else memoryview(data)
        return cast("Sequence[float]", view.cast(cast("Any", dtype.code)))
    return dtype.unpack(data)


def is_number(value: object) -> bool:
    """Return whether `value` is one number of Python or NumPy (not a 0-dimensional array)."""
    if isinstance(value, (int, float, numbers.Real)):
        return True
    # NumPy registers its numbers with `numbers`, but not its bool.
    return type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_")


def plain_number(value: Any) -> float:
    """Return a number of any library as Python's bool, int or float; integers stay exact."""
    if isinstance(value, numbers.Integral):
        return value if isinstance(value, bool) else int(value)
    return float(value) if isinstance(value, numbers.Real) else bool(value)


def is_array(value: object) -> bool:
    """Return whether Gymnasium would see a NumPy array; a Tensor counts as one."""
    return hasattr(value, "__array_interface__") and not is_number(value)


def array_view(value: Any) -> ArrayView | None:
    """Return a view of an array or NumPy scalar; None for anything that holds no numbers.

    The buffer protocol, the array interface and `__array__` (PyTorch, JAX) are read.
    """
    if isinstance(value, Tensor):
        return ArrayView(value.dtype, value.shape, value.buffer)
    if isinstance(value, (str, bytes, int, float, list, tuple, dict)):
        return _scalar_view(value) if hasattr(value, "__array_interface__") else None
    try:
        view = memoryview(value)
    except (TypeError, ValueError, BufferError):
        # NumPy exports no buffer for types that it does not know, such as bfloat16.
        if hasattr(value, "__array_interface__"):
            return _interface_view(value)
        return _converted_view(value)
    order = view.format[0] if view.format[:1] in ("<", ">", "=", "@", "!") else "@"
    code = view.format[1:] if view.format[:1] == order else view.format
    element = _BY_SIZE.get((_FORMAT_KINDS.get(code, ""), view.itemsize))
    if code == "2x":  # NumPy's opaque 2-byte items, which is how NumPy sees a bfloat16 Tensor
        element = DTYPES["bfloat16"]
    if element is None:
        return None
    big = order in ">!" or (order in "=@" and sys.byteorder == "big")
    shape = tuple(view.shape or ())
    return ArrayView(element, shape, view, big and view.itemsize > 1)


def _scalar_view(value: Any) -> ArrayView | None:
    """Return a view of a NumPy scalar that is also a Python number (float64)."""
    try:
        return ArrayView(as_dtype(value.dtype), (), memoryview(value.tobytes()))
    except (AttributeError, TypeError):
        return None


def _interface_view(value: Any) -> ArrayView | None:
    try:
        shape = tuple(value.__array_interface__["shape"])
        element = as_dtype(value.dtype)
        return ArrayView(element, shape, memoryview(value.tobytes()))
    except (AttributeError, KeyError, TypeError):
        return None


def _converted_view(value: Any) -> ArrayView | None:
    convert = getattr(value, "__array__", None)
    if convert is None or isinstance(value, type):
        return None
    try:
        array = convert()
    except Exception:  # The conversion may raise anything, for example for a tensor on a GPU.
        return None
    return array_view(array) if hasattr(array, "__array_interface__") else None


def can_cast(source: DType, target: DType) -> bool:
    """Return whether every value of `source` fits `target`, by the rules of `numpy.can_cast`."""
    if source == target or source.kind == "b":
        return True
    if target.kind == "b":
        return False
    if target.kind == "f":
        return _can_cast_to_float(source, target)
    if source.kind == "f" or (source.kind == "i" and target.kind == "u"):
        return False
    if source.kind == target.kind:
        return source.itemsize <= target.itemsize
    return source.itemsize < target.itemsize


def _can_cast_to_float(source: DType, target: DType) -> bool:
    if source.kind == "f":
        return source.itemsize < target.itemsize
    if target.itemsize == 8:
        return True  # NumPy treats 64-bit integers as safe too, although a float64 rounds them.
    return source.itemsize < target.itemsize


def read_nested(value: Any, depth: int = 0) -> Nested | None:
    """Flatten nested sequences of numbers and arrays; None if ragged or not numbers."""
    if is_number(value):
        return _read_scalar(value)
    view = array_view(value)
    if view is not None:
        return Nested(view.shape, list(view.elements()), view.dtype)
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or depth >= _MAX_NESTING:
        return None
    parts: list[Nested] = []
    items: Sequence[Any] = value
    for item in items:
        part = read_nested(item, depth + 1)
        if part is None or (parts and part.shape != parts[0].shape):
            return None
        parts.append(part)
    if not parts:
        return Nested((0,), [], DTYPES["float64"])
    flat = list(chain.from_iterable(part.items for part in parts))
    return Nested((len(parts), *parts[0].shape), flat, _promote([p.dtype for p in parts]))


def _read_scalar(value: Any) -> Nested:
    number = plain_number(value)
    if hasattr(value, "__array_interface__"):
        view = array_view(value)
        return Nested((), [number], view.dtype if view else None)
    name: str | None = "bool" if isinstance(number, bool) else "float64"
    if isinstance(number, int) and not isinstance(number, bool):
        signed = -(2**63) <= number < 2**63
        name = "int64" if signed else "uint64" if 0 <= number < 2**64 else None
    return Nested((), [number], DTYPES[name] if name else None)


def _promote(dtypes: list[DType | None]) -> DType | None:
    """Return the type of an array of elements of these types, as far as integer casts need it."""
    result = dtypes[0]
    for other in dtypes[1:]:
        if result is None or other is None:
            return None
        if can_cast(other, result):
            continue
        if can_cast(result, other):
            result = other
        elif result.is_integer and other.is_integer:
            size = 2 * max(result.itemsize, other.itemsize)
            result = _BY_SIZE.get(("i", size), DTYPES["float64"])
        else:
            result = DTYPES["float64"]
    return result


def cast_numbers(items: Sequence[float], dtype: DType) -> Sequence[float] | None:
    """Return the numbers as `numpy.asarray(items, dtype)` makes them; None if that would raise."""
    try:
        if dtype.kind == "b":
            return [bool(x) for x in items]
        if dtype.is_integer:
            low, high = dtype.limits
            whole = [int(x) for x in items]
            return whole if all(low <= x <= high for x in whole) else None
        return [_round_float(float(x), dtype) for x in items]
    except (OverflowError, ValueError):
        return None


def _round_float(value: float, dtype: DType) -> float:
    if dtype.itemsize == 8:
        return value
    try:
        return dtype.unpack(dtype.pack([value]))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
