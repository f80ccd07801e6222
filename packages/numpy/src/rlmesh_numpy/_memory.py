"""Memory for large values that a caller owns, used again once nobody refers to it.

A loop that lets go of an observation when it has the next one needs two of them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rlmesh._memory import is_given, unreferenced
from rlmesh.backends import Buffer, Leaf

__all__ = ["RECYCLED_BYTES", "owned_copy"]

RECYCLED_BYTES = 65_536
"""Values from this size on; smaller ones get memory that the process has already."""

_KEPT = 2
"""How much is kept for a leaf: what a caller holds while it waits for the next."""

_KEY = "numpy.memory"


def owned_copy(data: Buffer, leaf: Leaf) -> npt.NDArray[np.uint8]:
    """A copy of `data` that nobody else refers to, or `data` itself where that holds for it.

    Arrays made on it hold a reference, and so do views of them; where all are gone, it is used for
    a later value of the leaf.
    """
    if is_given(data):
        given = np.frombuffer(data, np.uint8)
        if not given.__array_interface__["data"][0] % leaf.dtype.itemsize:
            return given
    kept: list[npt.NDArray[np.uint8]] = leaf.cache.setdefault(_KEY, [])
    memory = _unused(kept, len(data))
    if memory is None:
        memory = np.empty(len(data), np.uint8)
        kept.append(memory)
        del kept[:-_KEPT]
    memory.data[:] = data
    return memory


def _unused(kept: list[npt.NDArray[np.uint8]], size: int) -> npt.NDArray[np.uint8] | None:
    for index in unreferenced(kept):
        if kept[index].nbytes == size:
            return kept[index]
    return None
