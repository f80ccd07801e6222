"""`IdleWatch`: ends sessions that get no requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from rlmesh._session.server_session import ServerSession

__all__ = ["IdleWatch"]


class IdleWatch:
    """Ends idle sessions from its own thread, which runs only while sessions are open.

    Args:
        timeout: Seconds without a request after which a session is idle; 0: never.
        sessions: Returns the open sessions.
        expire: Ends a session, unless a call is running or was answered after the given time.
    """

    def __init__(
        self,
        timeout: float,
        sessions: Callable[[], Iterable[ServerSession]],
        expire: Callable[[ServerSession, float], object],
    ) -> None:
        self._timeout = timeout
        self._sessions = sessions
        self._expire = expire
        self._lock = threading.Lock()
        self._running = False
        self._stopped = threading.Event()

    def opened(self) -> None:
        """Start the thread for a new session, if it is not running."""
        if self._timeout <= 0:
            return
        with self._lock:
            if not self._running:
                # Not before it has started: the system may have no thread just now.
                threading.Thread(target=self._watch, name="rlmesh-idle", daemon=True).start()
                self._running = True

    def _watch(self) -> None:
        while True:
            with self._lock:
                sessions = list(self._sessions())
                if not sessions:
                    self._running = False
                    return
            limit = time.monotonic() - self._timeout
            for session in sessions:
                if session.answered_at <= limit:
                    self._expire(session, limit)
            oldest = min(session.answered_at for session in sessions)
            if self._stopped.wait(max(oldest - limit, self._timeout / 10, 0.01)):
                return

    def stop(self) -> None:
        """Stop the thread."""
        self._stopped.set()
