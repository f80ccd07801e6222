"""`Pulse`: sends empty frames over TCP, which show peers that this process runs.

A kernel acknowledges for a process that is stopped, and a box between two hosts for one that is
gone, so that neither TCP's keepalive nor its acknowledgements prove that the peer runs. An empty
frame does (CONTRACT.md, B-13).
"""

from __future__ import annotations

import os
import select
import socket
import threading
import weakref
from typing import Protocol

__all__ = ["PULSE", "PULSE_SECONDS", "SILENT_SECONDS", "Pulse", "has_room_to_send"]

PULSE_SECONDS = 5.0
"""How often an empty frame is sent while nothing else is."""

SILENT_SECONDS = 20.0
"""After how long without a byte a peer counts as lost."""


class _Pulsing(Protocol):
    """A connection that sends empty frames."""

    def pulse(self) -> None:
        """Send an empty frame, unless the connection is in use; never waits."""
        ...


def has_room_to_send(connected: socket.socket) -> bool:
    """Return whether a few bytes can be sent without waiting."""
    if not hasattr(select, "poll"):
        return bool(select.select((), (connected,), (), 0)[1])
    poll = select.poll()
    poll.register(connected, select.POLLOUT)
    return bool(poll.poll(0))


class Pulse:
    """Calls `pulse` of connections, on one thread that lasts as long as there are any."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # Weak, so that a client that is dropped without `close` ends its connection.
        self._connections: weakref.WeakSet[_Pulsing] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def add(self, connection: _Pulsing) -> None:
        """Begin with a connection."""
        with self._changed:
            self._connections.add(connection)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="rlmesh-pulse", daemon=True)
                thread.start()  # It raises if the system has no thread just now.
                self._thread = thread

    def remove(self, connection: _Pulsing) -> None:
        """End with a connection; the last one ends the thread."""
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()

    def forget(self) -> None:
        """Drop all connections, which belong to the process that this one was forked from."""
        self.__init__()  # type: ignore[misc]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._connections, PULSE_SECONDS)
                if not self._connections:
                    self._thread = None
                    return
                connections = list(self._connections)
            while connections:  # No reference is left that would keep a closed connection.
                connections.pop().pulse()


PULSE = Pulse()
"""That of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PULSE.forget)
