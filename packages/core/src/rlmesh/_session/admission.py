"""`AdmissionQueue`: how many sessions a server has room for, and who gets the next place."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from rlmesh._session.server_session import Stream

__all__ = ["AdmissionQueue"]

_LOOK_SECONDS = 0.25
"""How often one who stands in line looks whether its client is still there."""

_LONGEST_LINE = 512
"""Max number of clients in line; each holds a thread, and sessions need some."""

_PATIENCE_SECONDS = 1.0
"""How long a stream keeps the place that was lent to it with a thread, but opens no session."""


class AdmissionQueue:
    """Gives places in the order in which they are asked for.

    A stream that is lent an environment's thread is there until it ends, and nobody else can call
    that environment meanwhile. So it never stands in line there: a thread is lent with a place, and
    only where one is free and nobody waits for it.

    Args:
        capacity: How many places there are.
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
        """How many stand in line."""
        return len(self._line)

    def reserve(self, stream: Stream, offer: Callable[[Stream], bool]) -> bool:
        """Offer a new client's stream to one who may lend it a thread, if it would have a place.

        Returns:
            Whether it was lent one; else it has no place yet, and may `take` one.
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
        """Take a place for a new session: at once if it was lent, or after a while in line.

        Args:
            wait: Seconds to stand in line at most.
            alive: Whether the client is still there.

        Returns:
            Whether there is one; not where the line is full.
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
        """A place that was taken is free."""
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Give none any more, to those in line neither."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _is_free(self) -> bool:
        return self._taken + len(self._reservations) < self._capacity

    def _redeem(self) -> bool:
        """Take the place that came with the caller's thread, if it was lent one."""
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
            # Even one who would not wait learns whether a place that was lent is used.
            patience = 2 * _PATIENCE_SECONDS if self._reservations else 0.0
            left = begun + max(wait, patience) - now
            if left <= 0 or not alive():
                return False
            self._reclaim(now)
            self._changed.wait(min(left, _LOOK_SECONDS))
        return False

    def _reclaim(self, now: float) -> None:
        """End the stream that has opened no session for longest; its place is free after it."""
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
    """A stream with a thread, and a place that it has not taken yet; see `Stream`.

    Attributes:
        since: When it was lent them, or last asked to give them back (monotonic seconds).
        thread: Which one it is, once it runs.
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
