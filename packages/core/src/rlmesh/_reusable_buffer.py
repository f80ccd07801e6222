"""Memory for large values: what a message came in may be a value's, and is used again after it.

The kernel clears every page that it hands to a process, which costs more than the copy of a large
value into it.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Sequence, Sized
from typing import Generic, TypeVar

from rlmesh._buffers import copy_parts
from rlmesh.backends import Buffer

__all__ = [
    "JoinedBuffer",
    "ReceiveBuffers",
    "ReceivedBuffer",
    "ReusableBuffer",
    "is_given",
    "joined",
]

_Memory = TypeVar("_Memory", bound=Sized)

_COUNTS = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether `sys.getrefcount` tells the truth."""

_KEPT = 2
"""How much is kept: what a caller holds while it waits for the next."""


class ReceivedBuffer(mmap.mmap):
    """Memory that one message came in. Whoever decodes it may keep, and write, its parts."""


class JoinedBuffer(bytearray):
    """Memory that slabs were joined in. Whoever decodes it may keep, and write, it."""


def is_given(data: Buffer) -> bool:
    """Whether a slab is a part of memory that belongs to whoever decodes it."""
    return type(data) is memoryview and type(data.obj) in _GIVEN


_GIVEN = (ReceivedBuffer, JoinedBuffer)


def joined(parts: Sequence[Buffer]) -> memoryview:
    """The parts, one after another, in memory that belongs to whoever decodes it."""
    whole = memoryview(JoinedBuffer(sum(map(len, parts))))
    copy_parts(parts, whole)
    return whole


class ReusableBuffer(Generic[_Memory]):
    """The memory that was handed out last, for use again once nobody else refers to it.

    It is one thread's: two could be handed the same before either refers to it.
    """

    def __init__(self) -> None:
        self._kept: list[_Memory] = []

    def unused(self, least: int, most: int) -> _Memory | None:
        """Memory of `least` to `most` bytes that nobody refers to."""
        kept = self._kept
        for index in range(len(kept)) if _COUNTS else ():
            if _references(kept, index) == _OURS and least <= len(kept[index]) <= most:
                return kept[index]
        return None

    def keep(self, memory: _Memory) -> _Memory:
        """Keep what is handed out now, in place of the oldest."""
        self._kept.append(memory)
        del self._kept[:-_KEPT]
        return memory


def _references(kept: Sequence[object], index: int) -> int:
    return sys.getrefcount(kept[index])


_OURS = _references([bytearray()], 0)
"""References to memory that only the list knows; how many that are is the interpreter's matter."""


class ReceiveBuffers:
    """Hands out memory for messages, and uses again what no value has kept."""

    def __init__(self) -> None:
        self._kept: ReusableBuffer[ReceivedBuffer] = ReusableBuffer()

    def take(self, size: int) -> memoryview:
        """Memory of `size` bytes that nobody refers to."""
        memory = self._kept.unused(size, 2 * size)
        if memory is None:
            memory = ReceivedBuffer(-1, size + mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            if hasattr(mmap, "MADV_HUGEPAGE"):
                memory.madvise(mmap.MADV_HUGEPAGE)
            self._kept.keep(memory)
        return memoryview(memory)[:size]
