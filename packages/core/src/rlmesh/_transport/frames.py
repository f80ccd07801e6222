"""Frames on a Unix socket: each after its length, four bytes, little-endian (CONTRACT.md, B-12)."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys

from rlmesh._transport.grpc_options import MAX_MESSAGE_BYTES
from rlmesh.errors import LimitError

__all__ = ["SUPPORTED", "FrameSocket", "FramesEnded", "peer_is_same_user"]

SUPPORTED = sys.platform == "linux"
"""Whether this system has the abstract namespace and tells a peer's credentials."""

_HEADER = struct.Struct("<I")
_CREDENTIALS = struct.Struct("3i")
_AT_ONCE = 65_536
_WHOLE = 32_768
"""Up to this size a frame is joined with its length, which costs less than a second piece."""


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
        self._rest = b""
        self._large = False

    def send(self, frame: bytes) -> None:
        """Send a frame.

        Raises:
            LimitError: If it is too large for the peer.
            OSError: If the connection is over.
        """
        size = len(frame)
        if size > MAX_MESSAGE_BYTES:
            raise LimitError(f"a message of {size} bytes is over the limit of {MAX_MESSAGE_BYTES}")
        if size <= _WHOLE:
            self._socket.sendall(_HEADER.pack(size) + frame)
            return
        header = _HEADER.pack(size)
        sent = self._socket.sendmsg([header, frame])
        if sent < len(header) + size:
            # The kernel took a part; sendall has the rest, in one call.
            self._socket.sendall(memoryview(frame)[sent - len(header) :])

    def receive(self) -> bytes:
        """The next frame.

        Raises:
            FramesEnded: If there is none, or a length over the limit.
            OSError: If the connection breaks.
        """
        if self._large and not self._rest:
            return self._receive_in_place()
        data = self._rest or self._socket.recv(_AT_ONCE)
        while len(data) < _HEADER.size:
            data += self._more()
        (size,) = _HEADER.unpack_from(data)
        end = _HEADER.size + size
        if len(data) == end:
            self._rest = b""
            return data[_HEADER.size :]
        if len(data) > end:
            self._rest = data[end:]
            return data[_HEADER.size : end]
        self._rest = b""
        self._large = True  # The next one, probably, too.
        begun = data[_HEADER.size :]
        return begun + self._exactly(_checked(size) - len(begun))

    def _receive_in_place(self) -> bytes:
        """The next frame, where it is likely large: one call more, and no copy."""
        (size,) = _HEADER.unpack(self._exactly(_HEADER.size))
        self._large = size > _WHOLE
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
        raise FramesEnded(f"a message of {size} bytes is over the limit of {MAX_MESSAGE_BYTES}")
    return size


def peer_is_same_user(connected: socket.socket) -> bool:
    """Whether the kernel says that the other end belongs to this process's user."""
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    return bool(user == os.geteuid())
