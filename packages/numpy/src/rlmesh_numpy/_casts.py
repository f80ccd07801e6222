"""Casts to the element type of a leaf, as the contract allows them (F-6): each number rounded once.

NumPy rounds twice on the way to bfloat16 (by way of float32), and numbers of a list once before
they are a leaf's; both are undone here.
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

_EXACT = 2**53  # up to here float64 holds every integer
_INFINITE = 0x7F7F_8000  # bits of the smallest float32 that rounds to an infinite bfloat16


def native(array: Array) -> Array:
    """The array in the byte order of this machine, bit for bit; itself where it is already."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def has_rounded(array: Array) -> bool:
    """Whether the numbers of a list may not be what `numpy.asarray` has made of them.

    It turns integers into floats beside a float, or beside one of another sign, and into objects
    where they are larger than its own.
    """
    if array.dtype.kind != "f" or array.dtype.itemsize < 8:
        return bool(array.dtype == object)
    return bool((np.abs(array) >= _EXACT).any())


def cast_loss(array: Array, target: np.dtype[Any]) -> str | None:
    """What a cast to `target` would lose beyond float precision, in words; None: nothing."""
    if array.dtype == target:
        return None
    if target.name == "bfloat16":
        return bfloat16_loss(array)
    if not _is_numeric(array):
        return f"elements of type {array.dtype}"
    if not array.size:
        return None
    with np.errstate(all="ignore"):  # A NaN in a comparison is no news.
        return _float_loss(array, target) if target.kind == "f" else _integer_loss(array, target)


def bfloat16_loss(array: Array) -> str | None:
    """As `cast_loss`, for a cast to bfloat16, which NumPy may not have."""
    if not _is_numeric(array):
        return f"elements of type {array.dtype}"
    with np.errstate(all="ignore"):
        bits = float32_of_bfloat16(array).view(np.uint32) & 0x7FFF_FFFF
        overflown = (bits >= _INFINITE) & np.isfinite(array)
    return _first(array, overflown, "bfloat16")


def _is_numeric(array: Array) -> bool:
    """Whether its elements are numbers that the contract has."""
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
        array = array.astype(np.float32)  # int() of a bfloat16 ends at those of 64 bits.
    low, high = (0, 1) if target.kind == "b" else (np.iinfo(target).min, np.iinfo(target).max)
    for extreme in (array.min(), array.max()):
        if not low <= int(extreme) <= high:
            return f"{extreme}, which does not fit {target}"
    return None


def cast(array: Array, target: np.dtype[Any]) -> Array:
    """The array in `target`, where `cast_loss` has found nothing; itself where it is already."""
    with np.errstate(all="ignore"):
        if target.name == "bfloat16" and array.dtype != target:
            array = float32_of_bfloat16(array)
        return array.astype(target, copy=False)


def float32_of_bfloat16(array: Array) -> Array:
    """Numbers as float32 that round to the same bfloat16 as the numbers themselves.

    A number between two float32 becomes the one whose last bit is 1 ("round to odd"), so that the
    next rounding still sees on which side of the middle between two bfloat16 it was.
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
    """Integers as float64, rounded to odd (at the 24th bit, which is more than enough)."""
    if array.dtype.itemsize < 8:
        return array.astype(np.float64)
    large = array > _EXACT
    if array.dtype.kind == "i":
        large |= array < -_EXACT
    shift, mask = (array.dtype.type(x) for x in (24, 0xFF_FFFF))  # NumPy 1 mixes no signs.
    low = (array & mask) != 0
    odd: Array = ((array >> shift) | low).astype(np.float64) * 2.0**24
    return np.where(large, odd, array.astype(np.float64))


def float32_of_bits(data: Buffer) -> Array:
    """The elements of bfloat16 bytes as float32, of which they are the upper half."""
    wide: Array = np.frombuffer(data, "<u2").astype("<u4") << 16
    return wide.view("<f4")
