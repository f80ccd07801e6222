"""Casts to the element type of a leaf. F-6: a number is rounded once, and loses only precision.

NumPy rounds twice on the way to bfloat16 (by way of float32), and rounds the numbers of a list
before they are cast to the leaf's type; both are avoided here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rlmesh.backends import Buffer
from rlmesh_numpy._dtypes import dtype_of

__all__ = [
    "bfloat16_loss",
    "cast",
    "cast_loss",
    "float32_of_bfloat16",
    "float32_of_bits",
    "has_rounded",
    "native",
]

Array = npt.NDArray[Any]

_EXACT = 2**53  # float64 holds every integer up to this one.
_INFINITE = 0x7F7F_8000  # Bits of the smallest float32 that rounds to an infinite bfloat16.


def native(array: Array) -> Array:
    """Return the array in the byte order of this machine, unchanged if it has that already."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def has_rounded(array: Array) -> bool:
    """Return whether `numpy.asarray` may have changed the numbers of a list.

    It converts integers to floats if the list also has floats, or has negative integers beside
    integers beyond int64, and to objects if they are too large for its own types.
    """
    if array.dtype.kind != "f" or array.dtype.itemsize < 8:
        return bool(array.dtype == object)
    return bool((np.abs(array) >= _EXACT).any())


def cast_loss(array: Array, target: np.dtype[Any]) -> str | None:
    """Describe what a cast to `target` loses beyond float precision; None if it loses nothing."""
    if array.dtype == target:
        return None
    if target.name == "bfloat16":
        return bfloat16_loss(array)
    if not _is_numeric(array):
        return f"elements of type {array.dtype}"
    if not array.size:
        return None
    with np.errstate(all="ignore"):  # A NaN in a comparison needs no warning.
        return _float_loss(array, target) if target.kind == "f" else _integer_loss(array, target)


def bfloat16_loss(array: Array) -> str | None:
    """Describe what a cast to bfloat16 loses, like `cast_loss`; NumPy may lack the dtype."""
    if not _is_numeric(array):
        return f"elements of type {array.dtype}"
    with np.errstate(all="ignore"):
        bits = float32_of_bfloat16(array).view(np.uint32) & 0x7FFF_FFFF
        overflown = (bits >= _INFINITE) & np.isfinite(array)
    return _first(array, overflown, "bfloat16")


def _is_numeric(array: Array) -> bool:
    """Return whether the elements are numbers of a type that the contract has."""
    return array.dtype.kind in "biuf" or dtype_of(array.dtype) is not None


def _float_loss(array: Array, target: np.dtype[Any]) -> str | None:
    if array.dtype.kind in "biu" and (array.dtype.kind == "b" or target.itemsize >= 4):
        return None
    overflown = np.isinf(array.astype(target)) & np.isfinite(array)
    return _first(array, overflown, target.name)


def _first(array: Array, overflown: Array, name: str) -> str | None:
    if not overflown.any():
        return None
    return f"{array[overflown].reshape(-1)[0]}, which is beyond the range of {name}"


def _integer_loss(array: Array, target: np.dtype[Any]) -> str | None:
    if array.dtype.kind not in "biu":
        whole = np.isfinite(array) & (array == np.floor(array))
        if not whole.all():
            return f"{array[~whole].reshape(-1)[0]}, which is not a whole number"
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)  # int() of a bfloat16 is limited to 64 bits.
    low, high = (0, 1) if target.kind == "b" else (np.iinfo(target).min, np.iinfo(target).max)
    for extreme in (array.min(), array.max()):
        if not low <= int(extreme) <= high:
            return f"{extreme}, which does not fit {target}"
    return None


def cast(array: Array, target: np.dtype[Any]) -> Array:
    """Return the array in `target`, after `cast_loss` found nothing; unchanged if it fits."""
    with np.errstate(all="ignore"):
        if target.name == "bfloat16" and array.dtype != target:
            array = float32_of_bfloat16(array)
        return array.astype(target, copy=False)


def float32_of_bfloat16(array: Array) -> Array:
    """Return numbers as float32 that round to the same bfloat16 as the numbers themselves.

    A number between two float32 becomes the one with the last bit 1 ("round to odd"). It keeps the
    side of the middle between two bfloat16 that the number was on, for the next rounding.
    """
    with np.errstate(all="ignore"):
        if array.dtype.itemsize < 4 or array.dtype == np.float32:
            return array.astype(np.float32)
        wide = _odd_float64(array) if array.dtype.kind in "iu" else array
        near = wide.astype(np.float32)
        back = near.astype(wide.dtype)
        too_far = np.abs(back) > np.abs(wide)
        inexact = (back != wide) & np.isfinite(wide)
    odd: Array = ((near.view(np.uint32) - too_far) | inexact).astype(np.uint32)
    return odd.view(np.float32)


def _odd_float64(array: Array) -> Array:
    """Return integers as float64, rounded to odd (at the 24th bit, which is precise enough)."""
    if array.dtype.itemsize < 8:
        return array.astype(np.float64)
    large = array > _EXACT
    if array.dtype.kind == "i":
        large |= array < -_EXACT
    shift, mask = (array.dtype.type(x) for x in (24, 0xFF_FFFF))  # NumPy 1 cannot mix signs.
    low = (array & mask) != 0
    odd: Array = ((array >> shift) | low).astype(np.float64) * 2.0**24
    return np.where(large, odd, array.astype(np.float64))


def float32_of_bits(data: Buffer) -> Array:
    """Return bfloat16 bytes as float32, of which they are the upper half."""
    wide: Array = np.frombuffer(data, "<u2").astype("<u4") << 16
    return wide.view("<f4")
