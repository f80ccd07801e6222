"""`Clock`: source of time and timers for sessions, which tests replace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "ScheduledCall", "SystemClock"]


class ScheduledCall(Protocol):
    """A call that is due at a later time."""

    def cancel(self) -> None:
        """Cancel the call, unless it has begun."""
        ...


class Clock(Protocol):
    """Monotonic time in seconds."""

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        ...

    def call_later(
        self, seconds: float, function: Callable[[], object], name: str
    ) -> ScheduledCall:
        """Call a function after some seconds, on a thread of its own.

        Args:
            seconds: Seconds from now.
            function: The function; what it raises is reported by `threading.excepthook`.
            name: Name of the thread.
        """
        ...


class SystemClock:
    """The clock of the system; see `Clock`."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        time.sleep(seconds)

    def call_later(
        self, seconds: float, function: Callable[[], object], name: str
    ) -> ScheduledCall:
        """Start a timer; see `Clock.call_later`."""
        timer = threading.Timer(seconds, function)
        timer.daemon = True
        timer.name = name
        timer.start()
        return timer


SYSTEM_CLOCK = SystemClock()
"""Clock of every session outside of tests."""
