"""`Places`: how many sessions a server has room for, and who gets the next place."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from rlmesh._session.sessions import Stream

__all__ = ["Places"]

_LOOK_SECONDS = 0.25
"""How often one who stands in line looks whether its client is still there."""

_LONGEST_LINE = 512
"""Max number of clients in line; each holds a thread, and sessions need some."""

_PATIENCE_SECONDS = 1.0
"""How long a stream keeps the place that was lent to it with a thread, but opens no session."""


class Places:
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
        self._loans: deque[_Loan] = deque()
        self._line: deque[object] = deque()
        self._stopping = False

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    def lend(self, stream: Stream, offer: Callable[[Stream], bool]) -> bool:
        """Offer a new client's stream to one who may lend it a thread, if it would have a place.

        Returns:
            Whether it was lent one; else it has no place yet, and may `take` one.
        """
        loan = _Loan(stream, self._over)
        with self._changed:
            if self._stopping or self._line or not self._is_free():
                return False
            self._loans.append(loan)
        lent = False
        try:
            lent = offer(loan)
        finally:
            if not lent:
                self._over(loan)
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
        return self._taken + len(self._loans) < self._capacity

    def _redeem(self) -> bool:
        """Take the place that came with the caller's thread, if it was lent one."""
        caller = threading.get_ident()
        loan = next((loan for loan in self._loans if loan.thread == caller), None)
        if loan is None or self._stopping:
            return False
        self._loans.remove(loan)
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
            patience = 2 * _PATIENCE_SECONDS if self._loans else 0.0
            left = begun + max(wait, patience) - now
            if left <= 0 or not alive():
                return False
            self._reclaim(now)
            self._changed.wait(min(left, _LOOK_SECONDS))
        return False

    def _reclaim(self, now: float) -> None:
        """End the stream that has opened no session for longest; its place is free after it."""
        if self._loans and now - self._loans[0].since > _PATIENCE_SECONDS:
            loan = self._loans.popleft()
            loan.since = now
            self._loans.append(loan)
            loan.cancel()

    def _over(self, loan: _Loan) -> None:
        with self._changed:
            if loan in self._loans:
                self._loans.remove(loan)
                self._changed.notify_all()


class _Loan:
    """A stream with a thread, and a place that it has not taken yet; see `Stream`.

    Attributes:
        since: When it was lent them, or last asked to give them back (monotonic seconds).
        thread: Which one it is, once it runs.
    """

    def __init__(self, stream: Stream, over: Callable[[_Loan], None]) -> None:
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
