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
        return self._receive_large(data, size)

    def _receive_large(self, begun: bytes, size: int) -> bytes:
        if size > MAX_MESSAGE_BYTES:
            raise FramesEnded(f"a message of {size} bytes is over the limit of {MAX_MESSAGE_BYTES}")
        frame = bytearray(size)
        have = len(begun) - _HEADER.size
        frame[:have] = begun[_HEADER.size :]
        with memoryview(frame) as view:
            while have < size:
                got = self._socket.recv_into(view[have:], size - have, socket.MSG_WAITALL)
                if not got:
                    raise FramesEnded("the peer has closed the connection in a message")
                have += got
        return bytes(frame)

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


def peer_is_same_user(connected: socket.socket) -> bool:
    """Whether the kernel says that the other end belongs to this process's user."""
    told = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    return bool(user == os.geteuid())
