"""The sessions of this process's clients, which end when the interpreter exits."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import weakref
from typing import Protocol

__all__ = ["OPEN_SESSIONS"]

_EXIT_SECONDS = 1.5
"""Seconds that all sessions together may delay the exit of the interpreter."""

_MAX_THREADS = 32


class _Session(Protocol):
    """See `rlmesh._session.client_session.ClientSession`."""

    def abandon(self) -> None:
        """End the session, because the process is about to exit."""
        ...


OPEN_SESSIONS: weakref.WeakSet[_Session] = weakref.WeakSet()


@atexit.register
def _abandon_all() -> None:
    """End all sessions, so that their environments are free without a grace period.

    Sessions end concurrently, because a server that does not answer delays each of its sessions.
    """
    sessions = list(OPEN_SESSIONS)
    threads = [
        threading.Thread(target=_abandon, args=(sessions,), name="rlmesh-exit", daemon=True)
        for _ in range(min(len(sessions), _MAX_THREADS))
    ]
    deadline = time.monotonic() + _EXIT_SECONDS
    try:
        for thread in threads:
            thread.start()
    except RuntimeError:  # Python 3.12.0 and 3.12.1 start no thread at exit.
        while sessions and time.monotonic() < deadline:
            sessions.pop().abandon()
        return
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))


def _abandon(sessions: list[_Session]) -> None:
    """End one session after another until the list is empty."""
    with contextlib.suppress(IndexError):  # Another thread may take the last one.
        while sessions:
            sessions.pop().abandon()
