"""Memory for large values, reused once no value refers to it.

A decoded value may keep the memory of the message that it arrived in. Memory is reused because the
kernel clears every page that it gives to a process, which costs more than copying a large value.
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
"""Whether `sys.getrefcount` is exact; it is not without the GIL."""

_KEPT = 2
"""Number of blocks kept: a caller holds one value while it waits for the next."""


class ReceivedBuffer(mmap.mmap):
    """Memory that one message arrived in. Its decoder may keep and write to its parts."""


class JoinedBuffer(bytearray):
    """Memory that slabs were joined in. Its decoder may keep it and write to it."""


def is_given(data: Buffer) -> bool:
    """Return whether a slab is part of memory that its decoder may keep."""
    return type(data) is memoryview and type(data.obj) in _GIVEN


_GIVEN = (ReceivedBuffer, JoinedBuffer)


def joined(parts: Sequence[Buffer]) -> memoryview:
    """Return the parts joined in memory that its decoder may keep."""
    whole = memoryview(JoinedBuffer(sum(map(len, parts))))
    copy_parts(parts, whole)
    return whole


class ReusableBuffer(Generic[_Memory]):
    """The most recent blocks of memory, for reuse once nothing else refers to them.

    For one thread only: two threads could get the same block before either refers to it.
    """

    def __init__(self) -> None:
        self._kept: list[_Memory] = []

    def unused(self, min_size: int, max_size: int) -> _Memory | None:
        """Return kept memory of `min_size` to `max_size` bytes that nothing refers to, or None."""
        kept = self._kept
        for index in range(len(kept)) if _COUNTS else ():
            if _references(kept, index) == _OURS and min_size <= len(kept[index]) <= max_size:
                return kept[index]
        return None

    def keep(self, memory: _Memory) -> _Memory:
        """Keep a block that is about to be used, in place of the oldest one."""
        self._kept.append(memory)
        del self._kept[:-_KEPT]
        return memory


def _references(kept: Sequence[object], index: int) -> int:
    return sys.getrefcount(kept[index])


_OURS = _references([bytearray()], 0)
"""References to memory that only the list holds, measured because it varies by interpreter."""


class ReceiveBuffers:
    """Allocator of memory for messages that reuses what no value has kept."""

    def __init__(self) -> None:
        self._kept: ReusableBuffer[ReceivedBuffer] = ReusableBuffer()

    def take(self, size: int) -> memoryview:
        """Return memory of `size` bytes that nothing refers to."""
        memory = self._kept.unused(size, 2 * size)
        if memory is None:
            memory = ReceivedBuffer(-1, size + mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            if hasattr(mmap, "MADV_HUGEPAGE"):
                memory.madvise(mmap.MADV_HUGEPAGE)
            self._kept.keep(memory)
        return memoryview(memory)[:size]
