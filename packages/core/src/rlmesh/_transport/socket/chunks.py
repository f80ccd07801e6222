"""Very large frames: how they are cut into chunks that go through a small part of a segment.

CONTRACT.md, B-14. While the writer copies a chunk in, the reader copies the one before out, from a
cache that both share; and what the reader copies it into is the value's own memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rlmesh.backends import Buffer

__all__ = ["IN_CHUNKS", "Chunking", "chunking", "chunks"]

IN_CHUNKS = 0xFFFF_FFFF
"""Instead of a page: the frame comes in chunks."""

_LARGE_BYTES = 16 * 1024 * 1024


class Chunking(NamedTuple):
    """How a frame is cut.

    Attributes:
        size: Bytes of a chunk, but the last.
        slots: How many chunks the segment has room for at once.
    """

    size: int
    slots: int

    def offset(self, index: int) -> int:
        """Return the position of a chunk, in bytes from the beginning of the segment."""
        return index % self.slots * self.size


def chunking(size: int) -> Chunking:
    """Return how a frame of `size` bytes is cut."""
    return Chunking(1024 * 1024, 4) if size >= _LARGE_BYTES else Chunking(256 * 1024, 8)


def chunks(parts: Sequence[Buffer], size: int) -> Iterator[list[memoryview]]:
    """Yield the chunks of a frame, of `size` bytes each but the last, as pieces of its parts."""
    chunk: list[memoryview] = []
    room = size
    for part in parts:
        rest = memoryview(part)
        while rest:
            taken, rest = rest[:room], rest[room:]
            chunk.append(taken)
            room -= len(taken)
            if not room:
                yield chunk
                chunk, room = [], size
    if chunk:
        yield chunk
