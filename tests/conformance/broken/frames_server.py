"""Listens for frames, and reads and writes them: the framing and the greeting of a right server."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from typing import Any

from google.protobuf.message import DecodeError
from rlmesh_proto.session.v1 import error_pb2, frames_pb2

__all__ = ["MAX_BYTES", "Connection", "FramesServer", "failure"]

MAX_BYTES = 1 << 24
"""Largest message that the server accepts, in bytes."""


def failure(code: str, message: str, **fields: Any) -> Any:
    """Return a Failure."""
    number = error_pb2.ErrorCode.Value(f"ERROR_CODE_{code}")
    return error_pb2.Failure(code=number, message=message, **fields)


class Connection:
    """One connection of a client."""

    def __init__(self, peer: socket.socket, server: FramesServer) -> None:
        self._peer = peer
        self._server = server
        self._writing = threading.Lock()
        self.session: Any = None

    def exactly(self, size: int) -> bytes:
        """Return so many bytes; raise ConnectionError at the end."""
        data = b""
        while len(data) < size:
            more = self._peer.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def receive(self, most: int = MAX_BYTES) -> bytes:
        """Return the next frame that is no pulse."""
        while True:
            (size,) = struct.unpack("<I", self.exactly(4))
            self._server.check_length(size, most)
            if size:
                return self.exactly(size)
            self._server.on_pulse(self)

    def send(self, message: Any) -> None:
        """Send a message, unless the client is gone."""
        data = message if isinstance(message, bytes) else message.SerializeToString()
        with self._writing, contextlib.suppress(OSError):
            self._peer.sendall(struct.pack("<I", len(data)) + data)

    def refuse(self, reason: Any, sequence: int = 0) -> None:
        """Send an error that ends the connection, and end it."""
        reason.session_closed = True
        self.send(self._server.response(sequence=sequence, error=reason))
        self.end()

    def end(self) -> None:
        """End the connection, after what the client has sent is read."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_WR)
            self._peer.settimeout(0.3)
            while self._peer.recv(1 << 16):
                pass
        self.cut()

    def cut(self) -> None:
        """End the connection at once."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)

    def has_more(self, within_s: float) -> bool:
        """Wait until the client has sent more, or the time is over; whether it has."""
        return bool(select.select([self._peer], [], [], within_s)[0])

    def has_ended(self) -> bool:
        """Whether the client has ended the connection."""
        try:
            self._peer.setblocking(False)
            return not self._peer.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            with contextlib.suppress(OSError):
                self._peer.setblocking(True)


class FramesServer:
    """A server on a free port of loopback.

    Attributes:
        rule: The rule that a broken server breaks.
        token: Bearer token; empty: none.
    """

    rule = ""
    token = ""
    service = ""
    request: Any
    response: Any

    def __enter__(self) -> FramesServer:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"frames://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, name="broken-accept", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        # The listener alone would not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(
                target=self._serve, args=(peer,), name="broken-peer", daemon=True
            ).start()

    def _serve(self, peer: socket.socket) -> None:
        connection = Connection(peer, self)
        with peer, contextlib.suppress(OSError, ValueError):
            try:
                if self.greet(connection):
                    self.first_request(connection)
            finally:
                self.lost(connection)

    def check_length(self, size: int, most: int) -> None:
        """Refuse a frame that is too long (B-12)."""
        if size > most:
            raise ValueError("too long")

    def on_pulse(self, connection: Connection) -> None:
        """Ignore an empty frame (B-13)."""

    def greet(self, connection: Connection) -> bool:
        """Read FramesHello (B-16); return whether the client is admitted."""
        try:
            data = connection.receive(8192)
            hello = frames_pb2.FramesHello.FromString(data)
        except (DecodeError, ValueError):
            connection.refuse(failure("MALFORMED", "expected a FramesHello"))
            return False
        if self.token and not self.admits(hello.token):
            connection.refuse(failure("UNAUTHENTICATED", self.refusal(hello.token)))
            return False
        if hello.service != self.service:
            connection.refuse(self.other_service())
            return False
        return True

    def admits(self, token: str) -> bool:
        """Return whether a token is right (Y-1)."""
        return token == self.token

    def refusal(self, token: str) -> str:
        """Return the text for a wrong token."""
        return "a token is needed"

    def other_service(self) -> Any:
        """Return the error for another service."""
        words = f"only {self.service} is served here"
        return failure("UNSUPPORTED", words, path="service", choices=[self.service])

    def first_request(self, connection: Connection) -> None:
        """Serve a client that is admitted, until its connection ends."""
        raise NotImplementedError

    def lost(self, connection: Connection) -> None:
        """Note that a connection has ended."""
