"""Memory for large values that a caller owns, used again once nobody refers to it.

A loop that lets go of an observation when it has the next one needs two of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rlmesh._reusable_buffer import ReusableBuffer, is_given
from rlmesh.backends import Buffer, Leaf

__all__ = ["RECYCLED_BYTES", "owned_copy"]

RECYCLED_BYTES = 65_536
"""Values from this size on; smaller ones get memory that the process has already."""

_KEY = "numpy.memory"

_CACHE_LINE = 64
"""Bytes. A copy to memory that starts on one is a tenth quicker: no write touches two of them."""


def owned_copy(data: Buffer, leaf: Leaf) -> npt.NDArray[np.uint8]:
    """A copy of `data` that nobody else refers to, or `data` itself where that holds for it.

    Arrays made on it hold a reference, and so do views of them; where all are gone, it is used for
    a later value of the leaf.
    """
    if is_given(data):
        given = np.frombuffer(data, np.uint8)
        if not given.__array_interface__["data"][0] % leaf.dtype.itemsize:
            return given
    kept: ReusableBuffer[npt.NDArray[np.uint8]] = leaf.cache.get(_KEY) or leaf.cache.setdefault(
        _KEY, ReusableBuffer()
    )
    size = len(data)
    memory = kept.unused(size, size)
    if memory is None:
        memory = kept.keep(_aligned(size))
    memory.data[:] = data
    return memory


def _aligned(size: int) -> npt.NDArray[np.uint8]:
    """New memory that starts on a cache line."""
    whole = np.empty(size + _CACHE_LINE, np.uint8)
    start = -whole.__array_interface__["data"][0] % _CACHE_LINE
    # By a memoryview, because arrays on a slice of `whole` would refer to `whole` and not to it.
    return np.frombuffer(whole.data[start : start + size], np.uint8)
