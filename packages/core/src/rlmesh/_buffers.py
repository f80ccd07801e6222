"""A message in parts, which a transport may send without joining them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Union

from rlmesh.backends import Buffer

__all__ = ["Frame", "FrameAllocator", "FrameParts", "copy_parts", "join_parts"]


class FrameParts:
    """The parts of a message; `bytes` joins them.

    The parts are not copied, so that the message is valid only until their memory changes.

    Args:
        parts: The parts, in order.
        size: Total size of the parts in bytes.
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
"""A message of `len(frame)` bytes; `bytes(frame)` copies it."""

FrameAllocator = Callable[[Sequence[Buffer], int], Frame]
"""Function that makes a message from its parts and their total size, in memory of a transport."""


def join_parts(parts: Sequence[Buffer], size: int) -> bytes:
    """Return a message joined in new memory; see `FrameAllocator`."""
    return b"".join(parts)


def copy_parts(parts: Sequence[Buffer], memory: memoryview, start: int = 0) -> None:
    """Copy parts to memory one after another, from byte `start` on."""
    for part in parts:
        end = start + len(part)
        memory[start:end] = part
        start = end
