"""Streams of messages, as bytes: over frames here, over gRPC in `grpc_streams`."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Protocol

from rlmesh._conformance.findings import Failed
from rlmesh._transport.limits import MAX_MESSAGE_BYTES

__all__ = ["Ended", "FramesStream", "Silent", "Stream"]


class Ended(Exception):
    """The other end has ended the stream.

    Attributes:
        status: gRPC status ("OK", "ABORTED"), or "closed" or "reset" over frames.
    """

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(f"the stream ended: {status}")


class Silent(Exception):
    """No message has come within the time."""


class Stream(Protocol):
    """A stream of messages in both directions."""

    def send(self, message: bytes) -> None:
        """Send a message; raise `Ended` if the stream is known to have ended."""
        ...

    def receive(self, timeout: float) -> bytes:
        """Return the next message; raise `Ended`, or `Silent` after `timeout` seconds."""
        ...

    def cut(self) -> None:
        """Lose the connection, without a farewell."""
        ...

    def half_close(self) -> None:
        """End this end's half of the stream."""
        ...


class FramesStream:
    """Messages on a socket, each after its length (B-12).

    Attributes:
        pulses: Number of empty frames that have come (B-13).
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._read = bytearray()
        self.pulses = 0

    def send(self, message: bytes) -> None:
        """Send a message after its length."""
        self.send_raw(struct.pack("<I", len(message)) + message)

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, with or without a length."""
        try:
            self._socket.settimeout(30.0)
            self._socket.sendall(data)
        except OSError as error:
            raise Ended(f"closed ({error})") from None

    def receive(self, timeout: float) -> bytes:
        """Return the next message that is no pulse; raise `Failed` if it is too long."""
        deadline = time.monotonic() + timeout
        while True:
            size = struct.unpack("<I", self._exactly(4, deadline))[0]
            if size > MAX_MESSAGE_BYTES:
                raise Failed(f"a message of at most {MAX_MESSAGE_BYTES} bytes", f"{size} bytes")
            if size:
                return self._exactly(size, deadline)
            self.pulses += 1
            if time.monotonic() > deadline:
                raise Silent

    def _exactly(self, size: int, deadline: float) -> bytes:
        while len(self._read) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Silent
            self._socket.settimeout(left)
            try:
                more = self._socket.recv(1 << 16)
            except TimeoutError:
                raise Silent from None
            except OSError:
                raise Ended("reset") from None
            if not more:
                raise Ended("closed inside a message" if self._read else "closed")
            self._read += more
        data = bytes(self._read[:size])
        del self._read[:size]
        return data

    def cut(self) -> None:
        """Reset the connection."""
        with contextlib.suppress(OSError):
            if self._socket.family != socket.AF_UNIX:
                linger = struct.pack("ii", 1, 0)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # A TLS socket would wait for the other end's farewell.
        with contextlib.suppress(OSError):
            self._socket.close()

    def half_close(self) -> None:
        """End this end's half of the connection."""
        with contextlib.suppress(OSError):
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.close()
            else:
                self._socket.shutdown(socket.SHUT_WR)


def connected_socket(
    family: int, place: str | tuple[str, int], timeout: float, wrap: Callable[..., socket.socket]
) -> socket.socket:
    """Return a connected socket, after TLS if `wrap` does that."""
    made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(timeout)
    try:
        made.connect(place)
        if family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wrap(made)
    except BaseException:
        made.close()
        raise
