"""One environment's sessions: order, exactly-once answers and lost connections (§5, §6)."""

import hmac
import secrets
import time
from typing import Any, Optional, Tuple

from rlmesh_thin.connection import Lost
from rlmesh_thin.faults import MALFORMED, OUT_OF_SEQUENCE, SHUTTING_DOWN, Fault
from rlmesh_thin.messages import error_frame, read_request
from rlmesh_thin.wire import Unreadable

__all__ = ["GRACE_SECONDS", "Instance", "Session", "farewell"]

GRACE_SECONDS = 30.0
"""How long a session outlives its connection, in seconds."""

UNASKED_SECONDS = 2.0
"""How long at most a session without a request outlives its connection, in seconds."""

STOP_SECONDS = 1.0
"""Max seconds until an instance notices a stop that it was not woken for."""


def farewell() -> Any:
    """Return the frame that ends the connections of a host that shuts down (K-9)."""
    return error_frame(0, Fault(SHUTTING_DOWN, "the server is shutting down"), True)


class Session:
    """One client's use of an instance, over one connection after another.

    Args:
        name: The client's name for itself.
        grace: Seconds for which the session outlives a connection; 0: it does not.
    """

    def __init__(self, name: str, grace: float) -> None:
        self.id = secrets.token_hex(8)
        self.key = secrets.token_bytes(16) if grace else b""
        self.name = name
        self.grace = grace
        self.since = time.monotonic()
        self.received = 0
        self.kept: Any = b""
        self.running = False
        self.connection: Any = None
        self.ready = False
        self.lost_at = 0.0

    @property
    def patience(self) -> float:
        """Seconds that the session waits for its client; few if the client has asked nothing yet.

        Such a client may not have learnt of its session (R-13), and must not hold an instance long.
        """
        return self.grace if self.received else min(self.grace, UNASKED_SECONDS)

    def proves(self, key: bytes) -> bool:
        """Return whether a key is the session's own, in constant time (R-5)."""
        return hmac.compare_digest(self.key, key) and bool(self.key)


class Instance:
    """One environment, and the session that holds it.

    Args:
        servicer: Answers requests; see `rlmesh_thin.servicer.Servicer`.
        lock: Lock of the host, which guards `session` and what is in it.
        changed: Condition of that lock, which is notified if any of it changes.
        stopping: Returns whether the host shuts down.
    """

    def __init__(self, servicer: Any, lock: Any, changed: Any, stopping: Any) -> None:
        self.servicer = servicer
        self.session: Optional[Session] = None
        self.current: Any = None  # The connection that this thread answers and closes.
        self._changed = changed
        self._lock = lock
        self._stopping = stopping

    def run(self) -> None:
        """Answer requests of one connection after another, on this thread, until the host stops."""
        while True:
            connection = self._next_connection()
            if connection is None:
                return
            try:
                self._answer_all(connection)
            except (Lost, OSError):
                pass
            self._detach(connection)
            if self._stopping():
                connection.try_to_send(farewell())
            connection.linger()
            connection.close()

    def _next_connection(self) -> Any:
        """Wait for a connection; return None if the host stops."""
        with self._changed:
            while not self._stopping():
                session, left = self.session, None
                if session is not None and session.connection is None:
                    left = session.lost_at + session.patience - time.monotonic()
                    if left <= 0:
                        self.end()
                        continue
                elif session is not None and session.ready:
                    self.current = session.connection
                    return self.current
                # Not for ever: the handler of a signal may have stopped the host since the check.
                self._changed.wait(STOP_SECONDS if left is None else min(left, STOP_SECONDS))
        return None

    def end(self) -> None:
        """End the session; only while holding the condition."""
        self.session = None
        self._changed.notify_all()

    def _detach(self, connection: Any) -> None:
        with self._changed:
            session = self.session
            if session is not None and session.connection is connection:
                session.connection = None
                session.lost_at = time.monotonic()
                self._changed.notify_all()

    def _answer_all(self, connection: Any) -> None:
        last = False
        while not last and not self._stopping():
            answer, last = self.exchange(connection, connection.receive())
            if answer:
                connection.send(answer)

    def exchange(self, connection: Any, frame: bytes) -> Tuple[Any, bool]:
        """Return the answer to one frame of a connection, and whether the connection ends then.

        The answer is empty if another connection has taken the session over (R-8).
        """
        try:
            request = read_request(frame)
        except Unreadable as error:
            return error_frame(0, Fault(MALFORMED, "Q-8: %s" % error), True), True
        sequence = request.sequence
        with self._lock:
            session = self.session
            if session is None or session.connection is not connection:
                return b"", True
            if sequence == session.received and sequence:
                return session.kept, False
            if sequence != session.received + 1:
                text = "Q-5: expected sequence %d, or %d again, got %d"
                text %= (session.received + 1, session.received, sequence)
                return error_frame(sequence, Fault(OUT_OF_SEQUENCE, text)), False
            session.received, session.running = sequence, True
        answer, last = self.servicer.answer(request, frame)
        with self._lock:
            session.kept, session.running = answer, False
            current = session.connection is connection
            if last:
                self.end()
        return (answer, last) if current else (b"", True)
