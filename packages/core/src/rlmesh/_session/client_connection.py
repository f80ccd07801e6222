"""`ClientConnection`: what a client's session needs of a connection, and how it gets rid of one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import Protocol

from rlmesh._buffers import Frame
from rlmesh.backends import Buffer

__all__ = ["ClientConnection", "drop"]

_DROP_SECONDS = 1.0
"""How long it is waited for that a connection closes which an interrupt may have broken."""


class ClientConnection(Protocol):
    """A connection that carries frames."""

    address: str
    """The peer's address."""

    transport: str
    """What carries them: "grpc" or "frames"."""

    def allocate(self, parts: Sequence[Buffer], size: int) -> Frame:
        """A frame made of pieces, of `size` bytes in all, where `exchange` wants it."""
        ...

    def exchange(self, frame: Frame, timeout: float | None = None) -> Buffer:
        """Send a frame and return the answer; raises a TransportError.

        The answer holds until the next exchange.
        """
        ...

    def nobody_listens(self) -> bool:
        """Whether nobody listens at the address, for sure."""
        ...

    def cut(self) -> None:
        """End the connection while another thread is in `exchange`, which then raises."""
        ...

    def close(self) -> None:
        """Drop the connection, while no thread is in `exchange`."""
        ...


def drop(connection: ClientConnection) -> None:
    """Close a connection whose call was interrupted.

    An exception that a signal raises inside of gRPC may leave its locks as they were just then, and
    closing would fail, or wait for ever. On a thread of its own it does neither to the caller, and
    is not interrupted.
    """
    closing = threading.Thread(target=_close, args=(connection,), name="rlmesh-drop", daemon=True)
    try:
        closing.start()
    except RuntimeError:  # The interpreter is about to end; so is the connection.
        return
    closing.join(_DROP_SECONDS)


def _close(connection: ClientConnection) -> None:
    with contextlib.suppress(Exception):
        connection.close()
