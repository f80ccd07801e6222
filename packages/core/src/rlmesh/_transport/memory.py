"""`MemoryTransport`: sessions in one process without sockets, for tests."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rlmesh._arrival import Arrival
from rlmesh._buffers import Frame, join_parts
from rlmesh.backends import Buffer
from rlmesh.errors import ConnectError, ConnectionLostError

__all__ = ["MemoryConnection", "MemoryTransport"]

ADDRESS = "memory://"


class _ServerEnd(Protocol):
    """The server's end of a connection, a `ServerConnection`."""

    def shares_memory(self) -> bool:
        """Return False: each end has its own copy."""
        return False

    def exchange(self, frame: Buffer) -> Any:
        """Return the answer to one frame."""
        ...

    def lost(self) -> None:
        """End the connection."""
        ...


class MemoryTransport:
    """Connects clients to the server of this process.

    Args:
        connect: Makes the server's end of a connection, given the peer's name, a function that cuts
            the connection and one that returns whether the client is still connected.

    Attributes:
        connections: Every connection that was made, in order.
        listening: Whether clients may connect.
    """

    def __init__(self, connect: Callable[..., _ServerEnd]) -> None:
        self._connect = connect
        self.connections: list[MemoryConnection] = []
        self.listening = True

    def connect(self) -> MemoryConnection:
        """Return a new connection of a client.

        Raises:
            ConnectError: If the server does not listen.
        """
        if not self.listening:
            raise ConnectError("nobody listens", address=ADDRESS)
        connection = MemoryConnection(self, self._connect)
        self.connections.append(connection)
        return connection


class MemoryConnection:
    """A connection to a server of this process; see `ClientConnection`.

    Each request is answered in the caller's thread. A test can cut the connection before the next
    request is applied, after it is applied and before its answer arrives, or at once.

    Args:
        transport: The transport.
        connect: Makes the server's end.

    Attributes:
        requests: Number of frames that were sent.
    """

    address = ADDRESS
    transport = "memory"
    descriptor = -1

    def __init__(self, transport: MemoryTransport, connect: Callable[..., _ServerEnd]) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._open = True
        self._cut_before = self._cut_after = False
        self.requests = 0
        self._frames: deque[bytes] = deque()
        self._begun: bytes | None = None
        self._server = connect(
            "memory",
            self.cut,
            lambda: self._open,
            send=lambda frame: self._frames.append(bytes(frame)),
        )

    def allocate(self, parts: Sequence[Buffer], size: int) -> bytes:
        """Return the parts of a frame as one."""
        return join_parts(parts, size)

    def shares_memory(self) -> bool:
        """Return False: each end has its own copy."""
        return False

    def exchange(self, frame: Frame, timeout: float | None = None) -> Buffer:
        """Return the server's answer to a frame.

        Raises:
            ConnectionLostError: If the connection is cut before the answer arrives.
        """
        self._check_open()
        self._frames.clear()
        if self._cut_before:
            self.cut()
            self._check_open()
        self.requests += 1
        answer = self._server.exchange(bytes(frame))
        if self._cut_after:
            self.cut()
        self._check_open()
        if answer.last:
            self._end()
        if answer.frame is None:
            raise ConnectionLostError("the server has closed the connection", address=ADDRESS)
        self._frames.append(bytes(answer.frame))
        return self._frames.popleft()

    def begin(self, frame: Frame) -> MemoryConnection:
        """Keep a frame until the answer is looked for, so that a test can act in between."""
        self._begun = bytes(frame)
        return self

    def look(self) -> Arrival:
        """Send the frame that was begun, and return that its answer is here."""
        if self._begun is not None:
            begun, self._begun = self._begun, None
            self._frames.append(bytes(self.exchange(begun)))
        return Arrival.WHOLE

    def receive(self, timeout: float | None = None) -> Buffer:
        """Return the next frame, after a report of progress or a frame that was begun."""
        self.look()
        self._check_open()
        return self._frames.popleft()

    def server_has_ended(self) -> bool:
        """Return whether the transport takes no connections."""
        return not self._transport.listening

    def cut_before_next(self) -> None:
        """Lose the next request before the server gets it."""
        self._cut_before = True

    def cut_after_next(self) -> None:
        """Lose the answer to the next request, which the server applies."""
        self._cut_after = True

    def cut(self) -> None:
        """Break the connection."""
        self._end()

    def close(self) -> None:
        """Break the connection; may be called again."""
        self._end()

    def _check_open(self) -> None:
        if not self._open:
            raise ConnectionLostError("the connection is cut", address=ADDRESS)

    def _end(self) -> None:
        with self._lock:
            was_open, self._open = self._open, False
        if was_open:
            self._server.lost()
