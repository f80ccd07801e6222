"""`FirstRequests`: a limit to the memory of all first requests that are being received.

The first request to a model has the contract of an environment, so that it may be as large as any
message, and a connection needs no session for it. Without a limit to their sum, as many
connections as a server takes could each fill the memory of a message.
"""

from __future__ import annotations

import threading
from typing import Protocol

from rlmesh._transport.limits import MAX_MESSAGE_BYTES

__all__ = ["MAX_FIRST_BYTES", "FirstRequests"]

MAX_FIRST_BYTES = 2 * MAX_MESSAGE_BYTES
"""Max sum of the sizes of first requests that are received or answered at once, in bytes: one of
the largest size leaves room for others."""


class _Cuttable(Protocol):
    def cut(self) -> None:
        """End the connection, from any thread."""
        ...


class FirstRequests:
    """The first requests that have come so far; the largest one is given up for others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._receiving: dict[_Cuttable, int] = {}
        self._answering: dict[_Cuttable, int] = {}
        self._sum = 0

    def begin(self, connection: _Cuttable) -> None:
        """Count the first request of a connection from now on."""
        with self._lock:
            self._receiving[connection] = 0

    def grow(self, connection: _Cuttable, size: int) -> bool:
        """Count more bytes of a request; return False if it was given up.

        Args:
            connection: The connection; it is ended if its request is the largest one of too many.
            size: Number of bytes that have come.
        """
        with self._lock:
            if connection not in self._receiving:
                return False
            self._receiving[connection] += size
            self._sum += size
            while self._sum > MAX_FIRST_BYTES and self._receiving:
                largest = max(self._receiving, key=self._receiving.__getitem__)
                self._sum -= self._receiving.pop(largest)
                largest.cut()
            return connection in self._receiving

    def received(self, connection: _Cuttable) -> None:
        """Count a request as one that is being answered, which is not given up."""
        with self._lock:
            size = self._receiving.pop(connection, None)
            if size is not None:
                self._answering[connection] = size

    def end(self, connection: _Cuttable) -> None:
        """Count the request of a connection no longer."""
        with self._lock:
            self._sum -= self._receiving.pop(connection, 0) + self._answering.pop(connection, 0)
