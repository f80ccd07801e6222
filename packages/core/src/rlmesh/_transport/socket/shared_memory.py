"""Shared memory that large frames travel in: sealed, without a name, gone with its last user.

CONTRACT.md, B-14.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from rlmesh._buffers import copy_parts
from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from rlmesh.backends import Buffer

if sys.platform == "linux":
    import fcntl

__all__ = [
    "PAGE_BYTES",
    "SHARED_BYTES",
    "OwnSegment",
    "PeerSegment",
    "SegmentRefused",
    "WrittenFrame",
]

SHARED_BYTES = 16_384
"""Size in bytes from which a frame travels here; a smaller one costs less on the socket."""

PAGE_BYTES = 4096
"""Unit of the positions of frames, in bytes."""

_SLOTS = 2
"""The peer may read one frame while the next one is written."""

_ONE_SLOT_BYTES = 16 * 1024 * 1024
"""Size in bytes from which frames share one slot: two cost more memory than the wait is worth."""

_SIZE = _SLOTS * MAX_MESSAGE_BYTES
"""Addresses, not memory: of a segment the kernel holds the pages that have been written."""

_F_SEAL_FUTURE_WRITE = 0x10  # Linux 5.1; not in the fcntl module of all our Pythons.


class SegmentRefused(Exception):
    """A segment from a peer, or a position in it that the peer refers to, must not be read."""


class WrittenFrame(NamedTuple):
    """A frame in this end's segment.

    Attributes:
        view: Its bytes.
        page: First page of the frame.
    """

    view: memoryview
    page: int


class OwnSegment:
    """The memory in which one end of a connection writes its frames; the peer maps it read-only.

    A frame is valid until the next but one is written; a frame of 16 MiB or more until the next of
    that size is written.

    Attributes:
        descriptor: Descriptor for the peer; -1 after `handed_over`.

    Raises:
        OSError: If the system has no such memory.
    """

    def __init__(self) -> None:
        if sys.platform != "linux" or sys.maxsize < 2**32:
            raise OSError("shared memory needs 64-bit Linux")
        self.descriptor = os.memfd_create("rlmesh", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, _SIZE)
            self._memory = memoryview(mmap.mmap(self.descriptor, _SIZE))
            # Reading a page that was cut off would kill the reader.
            _seal(self.descriptor, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
            with contextlib.suppress(OSError):
                _seal(self.descriptor, _F_SEAL_FUTURE_WRITE)
            _seal(self.descriptor, fcntl.F_SEAL_SEAL)
        except BaseException:
            self.handed_over()
            raise
        self._slot = 0

    def handed_over(self) -> None:
        """Close the descriptor, because the peer has it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def write(self, parts: Sequence[Buffer], size: int) -> WrittenFrame:
        """Copy the pieces of a frame, of `size` bytes in all, one after another."""
        self._slot = 0 if size >= _ONE_SLOT_BYTES else (self._slot + 1) % _SLOTS
        start = self._slot * MAX_MESSAGE_BYTES
        self.put(start, parts)
        return WrittenFrame(self._memory[start : start + size], start // PAGE_BYTES)

    def put(self, offset: int, parts: Sequence[Buffer]) -> None:
        """Copy pieces to an offset in bytes, over whatever is there."""
        copy_parts(parts, self._memory, offset)

    def __del__(self) -> None:
        self.handed_over()


def _seal(descriptor: int, seals: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)


class PeerSegment:
    """The memory in which the other end of a connection writes its frames.

    Args:
        descriptor: Descriptor from the peer; the caller closes it.

    Raises:
        SegmentRefused: If it is no memory, or memory that could be truncated while it is read.
    """

    def __init__(self, descriptor: int) -> None:
        try:
            sealed = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK
            size = os.fstat(descriptor).st_size
        except OSError as error:
            raise SegmentRefused(f"the peer has handed over no segment: {error}") from None
        if not sealed or not 0 < size <= _SIZE:
            raise SegmentRefused(f"the peer's segment of {size} bytes is too large or not sealed")
        try:
            mapped = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
        except OSError as error:
            raise SegmentRefused(f"the peer's segment cannot be mapped: {error}") from None
        self._memory = memoryview(mapped)

    def read(self, page: int, size: int) -> memoryview:
        """Return the frame of `size` bytes at a page: a view, which the peer may write over later.

        Raises:
            SegmentRefused: If it is not in the segment.
        """
        start = page * PAGE_BYTES
        if start + size > len(self._memory):
            message = f"{size} bytes at {start} are outside of a segment of {len(self._memory)}"
            raise SegmentRefused(message)
        return self._memory[start : start + size]
