"""A message in pieces, which a transport may send without putting it together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Union

from rlmesh.backends import Buffer

__all__ = ["Frame", "FrameAllocator", "FrameParts", "copy_parts", "join_parts"]


class FrameParts:
    """The pieces of a message; `bytes` puts them together.

    They are what they were made of, not copies: it holds until that changes.

    Args:
        parts: The pieces, in order.
        size: Bytes of them all.
    """

    __slots__ = ("_size", "parts")

    def __init__(self, parts: Sequence[Buffer], size: int) -> None:
        self.parts = parts
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.parts)


Frame = Union[Buffer, FrameParts]
"""A message, of `len` bytes, which `bytes` copies."""

FrameAllocator = Callable[[Sequence[Buffer], int], Frame]
"""Makes a message of its pieces and their size in all, where a transport wants it."""


def join_parts(parts: Sequence[Buffer], size: int) -> bytes:
    """A message in a place of its own; see `FrameAllocator`."""
    return b"".join(parts)


def copy_parts(parts: Sequence[Buffer], memory: memoryview, start: int = 0) -> None:
    """Copy pieces to memory one after another, from a byte on, over whatever is there."""
    for part in parts:
        end = start + len(part)
        memory[start:end] = part
        start = end
