"""Memory for large values: what a message came in may be a value's, and is used again after it.

The kernel clears every page that it hands to a process, which costs more than the copy of a large
value into it.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Sequence
from typing import Any

from rlmesh.backends import Buffer

__all__ = ["Received", "ReceivedMemory", "is_given", "unreferenced"]

_COUNTS = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether `sys.getrefcount` tells the truth."""

_KEPT = 2
"""How much is kept: what a caller holds while it waits for the next."""


class Received(mmap.mmap):
    """Memory that one message came in. Whoever decodes it may keep, and write, its parts."""


def is_given(data: Buffer) -> bool:
    """Whether a slab is a part of a message that belongs to whoever decodes it."""
    return type(data) is memoryview and type(data.obj) is Received


class ReceivedMemory:
    """Hands out memory for messages, and uses again what no value has kept."""

    def __init__(self) -> None:
        self._kept: list[Received] = []

    def take(self, size: int) -> memoryview:
        """Memory of `size` bytes that nobody refers to."""
        for index in unreferenced(self._kept):
            if size <= len(self._kept[index]) < 2 * size:
                return memoryview(self._kept[index])[:size]
        memory = Received(-1, size + mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        self._kept.append(memory)
        del self._kept[:-_KEPT]
        return memoryview(memory)[:size]


def unreferenced(kept: Sequence[Any]) -> list[int]:
    """The indices of those that nobody but the sequence refers to."""
    if not _COUNTS:
        return []
    return [index for index, count in enumerate(_references(kept)) if count == _OURS]


def _references(kept: Sequence[Any]) -> list[int]:
    return [sys.getrefcount(memory) for memory in kept]


(_OURS,) = _references([bytearray()])
"""References to memory that only the list knows; how many that are is the interpreter's matter."""
