"""`AdmissionQueue`: limits how many sessions a server has, and admits clients in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from rlmesh._session.server_session import Stream

__all__ = ["AdmissionQueue"]

_LOOK_SECONDS = 0.25
"""Seconds between two checks of whether a waiting client is still connected."""

_LONGEST_LINE = 512
"""Max number of clients in line; each holds a thread, and sessions need some."""

_PATIENCE_SECONDS = 1.0
"""Seconds that a stream may hold a reserved slot and a thread without opening a session."""


class AdmissionQueue:
    """Slots for sessions, which clients take in the order in which they request them.

    A stream that is lent an environment's thread stays there until it ends, and meanwhile nothing
    else can call that environment. Such a stream therefore never waits on the thread: the thread is
    lent together with a slot, and only if a slot is free and no client waits for one.

    Args:
        capacity: Number of slots.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._changed = threading.Condition()
        self._taken = 0
        self._reservations: deque[Reservation] = deque()
        self._line: deque[object] = deque()
        self._stopping = False

    @property
    def waiting(self) -> int:
        """Number of clients that wait for a slot."""
        return len(self._line)

    def reserve(self, stream: Stream, offer: Callable[[Stream], bool]) -> bool:
        """Reserve a slot and a thread for a new client's stream, if a slot is free.

        Args:
            stream: The client's stream.
            offer: Returns whether a thread was lent to the stream.

        Returns:
            Whether a thread was lent, with a reserved slot; if not, `take` requests a slot.
        """
        reservation = Reservation(stream, self._over)
        with self._changed:
            if self._stopping or self._line or not self._is_free():
                return False
            self._reservations.append(reservation)
        lent = False
        try:
            lent = offer(reservation)
        finally:
            if not lent:
                self._over(reservation)
        return lent

    def take(self, wait: float, alive: Callable[[], bool]) -> bool:
        """Take a slot for a new session: at once if one is reserved, else in turn.

        Args:
            wait: Maximum number of seconds to wait.
            alive: Returns whether the client is still connected.

        Returns:
            Whether a slot was taken; False if the line is full.
        """
        with self._changed:
            if self._redeem():
                return True
            if len(self._line) >= _LONGEST_LINE:
                return False
            ticket = object()
            self._line.append(ticket)
            try:
                return self._stand(ticket, wait, alive)
            finally:
                self._line.remove(ticket)
                self._changed.notify_all()

    def give_back(self) -> None:
        """Free a slot that was taken."""
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Admit no further session, and refuse the clients that wait."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _is_free(self) -> bool:
        return self._taken + len(self._reservations) < self._capacity

    def _redeem(self) -> bool:
        """Take the slot that is reserved for the calling thread's stream, if there is one."""
        caller = threading.get_ident()
        reservation = next(
            (reservation for reservation in self._reservations if reservation.thread == caller),
            None,
        )
        if reservation is None or self._stopping:
            return False
        self._reservations.remove(reservation)
        self._taken += 1
        return True

    def _stand(self, ticket: object, wait: float, alive: Callable[[], bool]) -> bool:
        begun = time.monotonic()
        while not self._stopping:
            if self._line[0] is ticket and self._is_free():
                self._taken += 1
                return True
            now = time.monotonic()
            # Even a client that does not want to wait does so until it is known whether a reserved
            # slot is used.
            patience = 2 * _PATIENCE_SECONDS if self._reservations else 0.0
            left = begun + max(wait, patience) - now
            if left <= 0 or not alive():
                return False
            self._reclaim(now)
            self._changed.wait(min(left, _LOOK_SECONDS))
        return False

    def _reclaim(self, now: float) -> None:
        """Cancel the stream of the oldest reservation, if it has expired; that frees its slot."""
        if self._reservations and now - self._reservations[0].since > _PATIENCE_SECONDS:
            reservation = self._reservations.popleft()
            reservation.since = now
            self._reservations.append(reservation)
            reservation.cancel()

    def _over(self, reservation: Reservation) -> None:
        with self._changed:
            if reservation in self._reservations:
                self._reservations.remove(reservation)
                self._changed.notify_all()


class Reservation:
    """A stream that was lent a thread, and a slot that its session has not taken yet; see `Stream`.

    Attributes:
        since: When the thread was lent, or the stream was last cancelled (monotonic seconds).
        thread: Identifier of the thread; 0 until the stream runs.
    """

    def __init__(self, stream: Stream, over: Callable[[Reservation], None]) -> None:
        self.since = time.monotonic()
        self.thread = 0
        self._stream = stream
        self._over = over
        self._ended = False

    @property
    def ending(self) -> bool:
        return self._ended or self._stream.ending

    def run(self) -> None:
        self.thread = threading.get_ident()
        try:
            self._stream.run()
        finally:
            self._ended = True
            self._over(self)

    def cancel(self) -> None:
        self._stream.cancel()
