"""`Waker`: wakes a thread that waits for file descriptors."""

from __future__ import annotations

import contextlib
import socket

__all__ = ["Waker"]


class Waker:
    """A descriptor that other threads make readable, for the thread that waits for it."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Make the descriptor readable, from any thread; may be called after `close`."""
        # A full socket is readable already, and for a closed one nothing waits.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def drain(self) -> None:
        """Make the descriptor unreadable until the next `wake`."""
        with contextlib.suppress(OSError):
            self._reader.recv(1 << 16)

    def close(self) -> None:
        """Free the descriptor."""
        self._reader.close()
        self._writer.close()
