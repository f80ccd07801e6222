"""`Patience`: whether to look for the next frame a while before sleeping until it comes."""

from __future__ import annotations

import os
import select
import socket
from time import perf_counter_ns

__all__ = ["Patience"]

LOOK_NS = 200_000
"""How long it looks where the look before was not in vain: about twice what sleeping costs."""

PROBE_NS = 500_000
"""How long where it was: the peer may have to be woken itself before it can answer."""

SHORT_NS = 500_000
"""A wait that was shorter, wake-ups included, is likely followed by one that looking would end."""

MOST_SKIPPED = 256
"""How many waits at most it lets pass after looking in vain."""

_ABLE = hasattr(select, "poll") and hasattr(os, "sched_getaffinity")


class Patience:
    """Waits for a socket's next bytes: awake where they will come at once, else not at all.

    A process that sleeps until bytes come is woken tens of microseconds later, which is more than a
    short step takes. Looking is bounded by about what it can save ("competitive spinning": Karlin,
    Li, Manasse, Owicki, 1991), is only done where the wait before was short, and after each failure
    half as often. Where this process has one core only, the peer needs it.

    Args:
        waited: The socket.
    """

    def __init__(self, waited: socket.socket) -> None:
        self._allowed = _ABLE and len(os.sched_getaffinity(0)) > 1
        if self._allowed:
            poll = select.poll()
            poll.register(waited, select.POLLIN)
            self._poll = poll.poll
        self._short = False
        self._flowing = False
        self._skipped = 0
        self._to_skip = 0

    def look(self) -> bool:
        """Look for bytes, if that is worthwhile; whether there are some."""
        if not self._short or not self._allowed:
            return False
        if self._skipped < self._to_skip:
            self._skipped += 1
            return False
        poll = self._poll
        end = perf_counter_ns() + (LOOK_NS if self._flowing else PROBE_NS)
        while not poll(0):
            os.sched_yield()
            if perf_counter_ns() > end:
                self._skipped = 0
                self._to_skip = min(2 * self._to_skip + 1, MOST_SKIPPED)
                return False
        if self._flowing:
            self._to_skip = 0
        self._flowing = True
        return True

    def slept(self, nanoseconds: int) -> None:
        """It had to sleep until bytes came."""
        self._short = nanoseconds < SHORT_NS
        self._flowing = False
