"""Reads numbers in any form as elements of a dtype, without an array library.

The forms are Python numbers, nested lists and tuples, `Tensor`, PyTorch's tensors, and everything
with the buffer protocol or NumPy's array interface.
"""

from __future__ import annotations

import math
import struct
import sys
from typing import Any, cast

from rlmesh.dtypes import DTYPES, DType
from rlmesh.tensor import Tensor

__all__ = ["ElementError", "elements_of", "is_masked", "is_nothing", "numbers_of"]

_BY_CODE: dict[str, DType] = {d.code: d for d in DTYPES.values() if d.name != "bfloat16"}
# "l" and "n" are the C types that 64-bit platforms use for int64.
_ALIASES = {"l": f"int{8 * struct.calcsize('l')}", "L": f"uint{8 * struct.calcsize('L')}"}


class ElementError(ValueError):
    """The value cannot become elements of the dtype and shape; the message describes the value."""


def numbers_of(value: object) -> tuple[DType, tuple[int, ...], bytes] | None:
    """Return dtype, shape and little-endian bytes of an array of numbers; None for anything else.

    Arrays are recognised by NumPy's array interface, the buffer protocol, or PyTorch's type.
    """
    if is_masked(value):
        return None
    name = getattr(getattr(value, "dtype", None), "name", None)
    shape = getattr(value, "shape", None)
    tobytes = getattr(value, "tobytes", None)
    if isinstance(name, str) and name in DTYPES and isinstance(shape, tuple) and callable(tobytes):
        element = DTYPES[name]
        data = bytes(cast(Any, tobytes()))
        if getattr(value.dtype, "byteorder", "=") == ">":  # type: ignore[attr-defined]
            data = _swapped(data, element.itemsize)
        return element, tuple(int(n) for n in shape), data
    if isinstance(value, (bytes, bytearray)):
        return None
    if isinstance(name, str) and name not in DTYPES:  # An array of dates has a buffer too.
        return None
    if hasattr(value, "detach"):
        return _numbers_of_tensor(value)
    try:
        view = memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        return None
    code = view.format.lstrip("@=<") if view.itemsize > 1 else view.format.lstrip("@=<>!")
    found = _BY_CODE.get(code) or DTYPES.get(_ALIASES.get(code, ""))
    return None if found is None else (found, view.shape or (), view.tobytes())


def is_masked(value: object) -> bool:
    """Return whether a value is a masked array with masked elements, which have no number."""
    mask: Any = getattr(value, "mask", None)  # The quick look, which most values fail.
    if mask is None or not any(c.__name__ == "MaskedArray" for c in type(value).__mro__):
        return False
    return bool(mask.any())


def _numbers_of_tensor(value: Any) -> tuple[DType, tuple[int, ...], bytes] | None:
    """Return the numbers of a PyTorch tensor on any device; None if `value` is not such a tensor.

    A tensor has neither the buffer protocol nor the array interface.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        return None
    found = DTYPES.get(str(value.dtype).partition(".")[2])
    if found is None:
        return None
    flat = value.detach().cpu().resolve_neg().contiguous().reshape(-1)
    data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return found, tuple(value.shape), data


def _swapped(data: bytes, itemsize: int) -> bytes:
    swapped = bytearray(len(data))
    for i in range(itemsize):
        swapped[i::itemsize] = data[itemsize - 1 - i :: itemsize]
    return bytes(swapped)


def elements_of(value: object, dtype: DType, shape: tuple[int, ...]) -> Tensor:
    """Return `value` as a Tensor of exactly `dtype` and `shape`.

    Raises:
        ElementError: If the shape differs, or a cast loses more than float precision.
    """
    found = numbers_of(value)
    if found is not None:
        source, extents, data = found
        if extents != shape:
            raise ElementError(f"{source} of shape {extents}")
        if source is dtype:
            return Tensor(data, dtype, shape)
        flat: list[Any] = list(source.unpack(data))
    else:
        joined = _joined(value, dtype)
        if joined is not None and joined[0] == shape:
            return Tensor(joined[1], dtype, shape)
        extents, flat = _flat(value)
        if extents != shape and not is_nothing(extents, shape):
            raise ElementError(f"{type(value).__name__} of shape {extents}")
    return Tensor(_cast(flat, dtype), dtype, shape)


def _joined(value: object, dtype: DType) -> tuple[tuple[int, ...], bytes] | None:
    """Return shape and bytes of a list of arrays of `dtype`; None for anything else.

    The bytes are joined as they are, because NaNs converted to numbers lose their payloads.
    """
    if not isinstance(value, (list, tuple)):
        found = numbers_of(value)
        return found[1:] if found is not None and found[0] is dtype else None
    parts: list[bytes] = []
    inner: tuple[int, ...] | None = None
    for item in value:
        part = _joined(item, dtype)
        if part is None or part[0] != (inner or part[0]):
            return None
        inner = part[0]
        parts.append(part[1])
    return None if inner is None else ((len(parts), *inner), b"".join(parts))


def is_nothing(extents: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Return whether lists of these extents are an array of `shape`, which has no elements.

    Nested lists show no extents after an extent of 0: those of (2, 0, 3) show (2, 0). An empty list
    is accepted for every such shape.
    """
    return 0 in shape and extents in ((0,), shape[: shape.index(0) + 1])


def _flat(value: object) -> tuple[tuple[int, ...], list[Any]]:
    if isinstance(value, (list, tuple)):
        parts = [_flat(v) for v in value]
        shapes = sorted({shape for shape, _ in parts})
        if len(shapes) > 1:
            raise ElementError(f"a ragged {type(value).__name__} (elements of shapes {shapes})")
        inner = shapes[0] if shapes else ()
        return (len(value), *inner), [x for _, flat in parts for x in flat]
    if isinstance(value, (bool, int, float)):
        return (), [value]
    found = numbers_of(value)
    if found is None:
        raise ElementError(f"a value of type {type(value).__name__}")
    element, shape, data = found
    return shape, list(element.unpack(data))


def _cast(numbers: list[Any], dtype: DType) -> bytes:
    if dtype.is_float:
        try:
            to_float = float if dtype.itemsize == 8 else _odd_float
            return dtype.pack([to_float(x) for x in numbers])
        except OverflowError:
            raise ElementError(f"a number beyond the range of {dtype}") from None
    low, high = dtype.limits
    exact: list[Any] = []
    for x in numbers:
        if isinstance(x, float) and not x.is_integer():
            raise ElementError(f"{x}, which is not a whole number")
        if not low <= x <= high:
            raise ElementError(f"{x}, which does not fit {dtype}")
        exact.append(int(x))
    return dtype.pack(exact)


def _odd_float(number: Any) -> float:
    """Return a number as a float64 that rounds to a smaller type as the number itself does.

    An integer of more than 53 bits has two neighbouring floats; the one with the last bit 1 keeps
    the side of the middle that the integer is on.
    """
    size = number.bit_length() - 53 if isinstance(number, int) else 0
    if size <= 0:
        return float(number)
    return math.ldexp((number >> size) | (number & ((1 << size) - 1) != 0), size)
