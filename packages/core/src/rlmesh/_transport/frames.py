"""Frames on a Unix socket: each after its length, four bytes, little-endian (CONTRACT.md, B-12).

Large ones are in memory that both ends share, and the socket tells where (B-14).
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
import sys
from collections.abc import Sequence
from time import perf_counter_ns

from rlmesh._transport.grpc_options import MAX_MESSAGE_BYTES
from rlmesh._transport.patience import Patience
from rlmesh._transport.shared_memory import (
    SHARED_BYTES,
    OwnSegment,
    PeerSegment,
    Placed,
    SegmentRefused,
)
from rlmesh.backends import Buffer
from rlmesh.errors import LimitError

__all__ = ["SUPPORTED", "FrameSocket", "FramesEnded", "peer_is_same_user"]

SUPPORTED = sys.platform == "linux"
"""Whether this system has the abstract namespace and tells a peer's credentials."""

_HEADER = struct.Struct("<I")
_REFERENCE = struct.Struct("<II")
_SHARED = 1 << 31
"""Added to the length of a frame in shared memory; the page where it begins follows."""

_CREDENTIALS = struct.Struct("3i")
_DESCRIPTORS = socket.CMSG_SPACE(4) if hasattr(socket, "CMSG_SPACE") else 0
_AT_ONCE = 65_536


class FramesEnded(Exception):
    """The peer has closed the connection, or broken the rules of it."""


class FrameSocket:
    """Sends and receives frames on a connected, blocking socket.

    A peer sends its next frame only once it has the answer to the one before, or a last one more;
    so what comes at once is one frame, or two.

    Args:
        connected: The socket, which this owns from now on.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(None)
        self._socket = connected
        self._patience = Patience(connected)
        self._rest = b""
        self._large = False
        self._own: OwnSegment | None = None
        self._peer: PeerSegment | None = None
        self._placed: Placed | None = None

    # The first exchange, in which each end hands the other its segment.

    def offer(self, frame: Buffer) -> Buffer:
        """Send a client's first frame, with a segment, and return the answer to it.

        Frames are shared from then on if the server has handed over one, too.

        Raises:
            FramesEnded: As `receive`.
            OSError: As `receive`.
        """
        self._hand_over_own(frame)
        answer = self.receive_first()
        if self._peer is None:
            self._own = None
        return answer

    def _hand_over_own(self, frame: Buffer) -> None:
        with contextlib.suppress(OSError):
            self._own = OwnSegment()
        self._hand_over(frame)

    def receive_first(self) -> Buffer:
        """The first frame, and the segment that comes with it; see `receive`."""
        data, told, _, _ = self._socket.recvmsg(_AT_ONCE, _DESCRIPTORS)
        descriptors = array.array("i")
        for level, kind, numbers in told:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(numbers[: len(numbers) // 4 * 4])
        try:
            if descriptors:
                self._peer = PeerSegment(descriptors[0])
        except SegmentRefused as error:
            raise FramesEnded(str(error)) from None
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if not data:
            raise FramesEnded("the peer has closed the connection")
        self._rest = data
        return self.receive()

    def answer_first(self, frame: Buffer) -> None:
        """Send a server's first frame, with a segment if the client has handed over one."""
        if self._peer is not None:
            try:
                self._own = OwnSegment()
            except OSError:
                self._peer = None
        self._hand_over(frame)

    def _hand_over(self, frame: Buffer) -> None:
        own = self._own
        if own is None:
            self.send(frame)
            return
        header = _HEADER.pack(_checked(len(frame)))
        with memoryview(header + frame) as data:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [own.descriptor]))]
            sent = self._socket.sendmsg([data], rights)
            self._socket.sendall(data[sent:])
        own.handed_over()

    # Every other one.

    def place(self, parts: Sequence[Buffer], size: int) -> Buffer:
        """A frame made of pieces, of `size` bytes in all, where `send` finds it.

        Returns:
            The frame. In shared memory it stays as it is until the next but one is placed (see
            `OwnSegment`).

        Raises:
            LimitError: If it is too large for the peer.
        """
        if self._own is None or size < SHARED_BYTES:
            return b"".join(parts)
        if size > MAX_MESSAGE_BYTES:
            raise _too_large(size)
        placed = self._placed = self._own.write(parts, size)
        return placed.view

    def send(self, frame: Buffer) -> None:
        """Send a frame.

        Raises:
            LimitError: If it is too large for the peer.
            OSError: If the connection is over.
        """
        size = len(frame)
        if size < SHARED_BYTES:
            self._socket.sendall(_HEADER.pack(size) + frame)
            return
        if size > MAX_MESSAGE_BYTES:
            raise _too_large(size)
        if self._own is not None:
            placed = self._placed
            if placed is None or placed.view is not frame:
                placed = self._placed = self._own.write((frame,), size)
            self._socket.sendall(_REFERENCE.pack(size | _SHARED, placed.page))
            return
        header = _HEADER.pack(size)
        sent = self._socket.sendmsg([header, frame])
        if sent < len(header) + size:
            # The kernel took a part; sendall has the rest, in one call.
            self._socket.sendall(memoryview(frame)[sent - len(header) :])

    def receive(self) -> Buffer:
        """The next frame; one in shared memory is a view that holds until the next is asked for.

        Raises:
            FramesEnded: If there is none, or one that is too large or not where it should be.
            OSError: If the connection breaks.
        """
        if self._large and not self._rest:
            return self._receive_in_place()
        data = self._rest or self._wait()
        while len(data) < _HEADER.size:
            data += self._more()
        (size,) = _HEADER.unpack_from(data)
        end = _HEADER.size + size
        if len(data) == end:
            self._rest = b""
            return data[_HEADER.size :]
        if size & _SHARED:
            return self._shared(data)
        if len(data) > end:
            self._rest = data[end:]
            return data[_HEADER.size : end]
        self._rest = b""
        self._large = True  # The next one, probably, too.
        begun = data[_HEADER.size :]
        return begun + self._exactly(_checked(size) - len(begun))

    def _wait(self) -> bytes:
        """Whatever comes next."""
        if self._patience.look():
            return self._socket.recv(_AT_ONCE)
        begun = perf_counter_ns()
        data = self._socket.recv(_AT_ONCE)
        self._patience.slept(perf_counter_ns() - begun)
        return data

    def _shared(self, data: bytes) -> memoryview:
        """The frame that a reference stands for."""
        while len(data) < _REFERENCE.size:
            data += self._more()
        self._rest = data[_REFERENCE.size :]
        size, page = _REFERENCE.unpack_from(data)
        if self._peer is None:
            raise FramesEnded("the peer refers to memory that is not shared")
        try:
            return self._peer.read(page, _checked(size & ~_SHARED))
        except SegmentRefused as error:
            raise FramesEnded(str(error)) from None

    def _receive_in_place(self) -> bytes:
        """The next frame, where it is likely large: one call more, and no copy."""
        (size,) = _HEADER.unpack(self._exactly(_HEADER.size))
        self._large = size >= SHARED_BYTES
        return self._exactly(_checked(size))

    def _exactly(self, size: int) -> bytes:
        data = self._socket.recv(size, socket.MSG_WAITALL) if size else b""
        while len(data) < size:
            more = self._socket.recv(size - len(data), socket.MSG_WAITALL)
            if not more:
                raise FramesEnded("the peer has closed the connection")
            data += more
        return data

    def _more(self) -> bytes:
        more = self._socket.recv(_AT_ONCE)
        if not more:
            raise FramesEnded("the peer has closed the connection")
        return more

    def limit(self, seconds: float | None) -> None:
        """How long a `send` or `receive` may take from now on; None: as long as it takes."""
        self._socket.settimeout(seconds)

    def cut(self) -> None:
        """End the connection, from any thread; what waits for a frame learns that."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection and free the socket."""
        self.cut()
        self._socket.close()

    def __del__(self) -> None:
        """A client that was never closed ends its connection all the same, as gRPC's do."""
        self._socket.close()


def _checked(size: int) -> int:
    """A length within the limit."""
    if size > MAX_MESSAGE_BYTES:
        raise FramesEnded(str(_too_large(size)))
    return size


def _too_large(size: int) -> LimitError:
    return LimitError(f"a message of {size} bytes is over the limit of {MAX_MESSAGE_BYTES}")


def peer_is_same_user(connected: socket.socket) -> bool:
    """Whether the kernel says that the other end belongs to this process's user."""
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    return bool(user == os.geteuid())
