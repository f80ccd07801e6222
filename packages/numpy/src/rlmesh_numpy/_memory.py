"""Memory for large values that a caller owns, used again once nobody refers to it.

The kernel clears every page that it hands to a process, which costs more than the copy of a large
value into it. A loop that lets go of an observation when it has the next one needs two of them.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt

from rlmesh.backends import Buffer, Leaf

__all__ = ["RECYCLED_BYTES", "owned_copy"]

RECYCLED_BYTES = 65_536
"""Values from this size on; smaller ones get memory that the process has already."""

_KEPT = 2
"""How much is kept for a leaf: what a caller holds while it waits for the next."""

_KEY = "numpy.memory"

_COUNTS = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether `sys.getrefcount` tells the truth."""


def owned_copy(data: Buffer, leaf: Leaf) -> npt.NDArray[np.uint8]:
    """A copy of `data` that nobody else refers to.

    Arrays made on it hold a reference, and so do views of them; where all are gone, it is used for
    a later value of the leaf.
    """
    kept: list[npt.NDArray[np.uint8]] = leaf.cache.setdefault(_KEY, [])
    memory = _unused(kept, len(data)) if _COUNTS else None
    if memory is None:
        memory = np.empty(len(data), np.uint8)
        kept.append(memory)
        del kept[:-_KEPT]
    memory.data[:] = data
    return memory


def _unused(kept: list[npt.NDArray[np.uint8]], size: int) -> npt.NDArray[np.uint8] | None:
    for index, count in enumerate(_references(kept)):
        if count == _OURS and kept[index].nbytes == size:
            return kept[index]
    return None


def _references(kept: list[npt.NDArray[np.uint8]]) -> list[int]:
    return [sys.getrefcount(memory) for memory in kept]


(_OURS,) = _references([np.empty(0, np.uint8)])
"""References to memory that only the list knows; how many that are is the interpreter's matter."""
