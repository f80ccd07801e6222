"""`ClientConnection`: what a client's session needs of a connection, and how to drop one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import Protocol

from rlmesh._arrival import Arrival
from rlmesh._buffers import Frame
from rlmesh.backends import Buffer

__all__ = ["ClientConnection", "PendingAnswer", "drop"]

_DROP_SECONDS = 1.0
"""Seconds to wait for the close of a connection that an interrupt may have broken."""


class PendingAnswer(Protocol):
    """An answer that its reader looks for, among others, instead of waiting for it."""

    @property
    def descriptor(self) -> int:
        """File descriptor that can be read from when more of the answer arrives."""
        ...

    def look(self) -> Arrival:
        """Read what has arrived, without waiting, and return how much of the answer is here.

        Raises:
            TransportError: If the connection fails.
        """
        ...


class ClientConnection(Protocol):
    """A connection that carries frames."""

    address: str
    """The peer's address."""

    transport: str
    """What carries the frames: "grpc" or "frames"."""

    def allocate(self, parts: Sequence[Buffer], size: int) -> Frame:
        """Return a frame of `size` bytes made from parts, in the memory that `exchange` prefers."""
        ...

    def shares_memory(self) -> bool:
        """Return whether `allocate` gives memory that is shared with the server."""
        ...

    def exchange(self, frame: Frame, timeout: float | None = None) -> Buffer:
        """Send a frame and return the answer, which is valid until the next exchange.

        Raises:
            TransportError: If the connection fails.
        """
        ...

    def receive(self, timeout: float | None = None) -> Buffer:
        """Return the next frame of the server, after one that was not the answer; see `exchange`.

        Raises:
            TransportError: If the connection fails.
        """
        ...

    def begin(self, frame: Frame) -> PendingAnswer | None:
        """Send a frame, and return the answer to come, which `receive` returns once it is here.

        Returns:
            None, with nothing sent, if the frame has to be exchanged.

        Raises:
            TransportError: If the connection fails.
        """
        ...

    def server_has_ended(self) -> bool:
        """Return whether the server's process is known to have ended; also after `close`."""
        ...

    def cut(self) -> None:
        """End the connection while another thread is in `exchange`, which then raises."""
        ...

    def close(self) -> None:
        """Drop the connection, while no thread is in `exchange`."""
        ...


def drop(connection: ClientConnection) -> None:
    """Close a connection after its call was interrupted.

    An exception that a signal raises inside gRPC may leave gRPC's locks held, so that closing
    fails, or blocks for ever. A separate thread spares the caller both, and is not interrupted.
    """
    closing = threading.Thread(target=_close, args=(connection,), name="rlmesh-drop", daemon=True)
    try:
        closing.start()
    except RuntimeError:  # The interpreter is shutting down, which ends the connection too.
        return
    closing.join(_DROP_SECONDS)


def _close(connection: ClientConnection) -> None:
    with contextlib.suppress(Exception):
        connection.close()
