"""`SpinWait`: whether to look for the next frame a while before sleeping until it comes."""

from __future__ import annotations

import os
import select
import socket
from time import perf_counter_ns

__all__ = ["SpinWait"]

SPIN_NS = 200_000
"""How long it looks where the look before was not in vain: about twice what sleeping costs."""

PROBE_NS = 500_000
"""How long where it was: the peer may have to be woken itself before it can answer."""

SHORT_NS = 500_000
"""A wait that was shorter, wake-ups included, is likely followed by one that looking would end."""

LONG_NS = 5_000_000
"""A wait that was longer, even if the next one is as long, gains too little from looking."""

LEAD_NS = 200_000
"""How long before the end that it expects it wants to be awake: the timer and waking are late."""

MAX_SKIPPED = 256
"""How many waits at most it lets pass after looking in vain."""

PREEMPTED_NS = 1_000_000
"""A turn of looking takes one or two microseconds, or as long as the peer's work where that runs on
the same core; in one that took longer, somebody else had the core for a time slice."""

LOST_SHARE = 8
"""Whoever loses the core for more than this part of the time is in a crowd."""

MIN_PREEMPTED, MAX_PREEMPTED = 32, 4096
"""How many waits it lets pass where others want the core: a look loses it for a time slice."""

_ABLE = hasattr(select, "poll") and hasattr(os, "sched_getaffinity")

_SELECTABLE = 1024
"""Descriptors from here on are not for `select`, the only call whose time is in microseconds."""


class SpinWait:
    """Waits for a socket's next bytes: awake where they will come at once, else not at all.

    A process that sleeps until bytes come is woken tens of microseconds later, which is more than a
    short step takes. Looking is bounded by about what it can save ("competitive spinning": Karlin,
    Li, Manasse, Owicki, 1991), and after each failure half as often. It is done at once where the
    wait before was short; where the waits before were longer, but alike, it sleeps until shortly
    before the next one should end. Where this process has one core only, the peer needs it; and
    where other processes want the cores, one who sleeps gets its own back sooner.

    Args:
        waited: The socket.
    """

    def __init__(self, waited: socket.socket) -> None:
        self._allowed = _ABLE and len(os.sched_getaffinity(0)) > 1
        if self._allowed:
            poll = select.poll()
            poll.register(waited, select.POLLIN)
            self._poll = poll.poll
        descriptor = waited.fileno()
        self._waited = (descriptor,) if descriptor < _SELECTABLE else ()
        self._short = False
        self._flowing = False
        self._last = 0
        self._expected = 0
        self._passed = 0
        self._skipped = 0
        self._to_skip = 0
        self._preempted_waits = 0
        self._lost_at = 0

    def spin(self) -> bool:
        """Look for bytes, if that is worthwhile; whether there are some."""
        if not (self._short or self._expected) or not self._allowed:
            return False
        if self._skipped < self._to_skip:
            self._skipped += 1
            return False
        if not self._short:
            return self._spin_later()
        if not self._spin_until(perf_counter_ns() + (SPIN_NS if self._flowing else PROBE_NS)):
            return False
        if self._flowing:
            self._to_skip = 0
        self._flowing = True
        return True

    def _spin_later(self) -> bool:
        begun = perf_counter_ns()
        asleep = (self._expected - LEAD_NS) / 1e9
        came = bool(select.select(self._waited, (), (), asleep)[0])
        if not came:
            if not self._spin_until(perf_counter_ns() + 2 * LEAD_NS):
                self._passed = perf_counter_ns() - begun
                return False
            self._to_skip = 0
        self._note(perf_counter_ns() - begun)
        return True

    def _spin_until(self, end: int) -> bool:
        poll = self._poll
        turn = perf_counter_ns()
        while not poll(0):
            os.sched_yield()
            begun, turn = turn, perf_counter_ns()
            if turn - begun > PREEMPTED_NS:
                self._preempted(turn, turn - begun)
                return False
            if turn > end:
                self._pass(min(2 * self._to_skip + 1, MAX_SKIPPED))
                return False
        return True

    def _preempted(self, now: int, lost: int) -> None:
        """It has lost its core for a while, which happens to everybody once in a while."""
        often = lost * LOST_SHARE > now - self._lost_at
        self._lost_at = now
        self._preempted_waits = (
            min(max(MIN_PREEMPTED, 2 * self._preempted_waits), MAX_PREEMPTED) if often else 0
        )
        self._pass(self._preempted_waits)

    def _pass(self, waits: int) -> None:
        """Let so many waits pass."""
        self._skipped = 0
        self._to_skip = waits

    def record_wait(self, nanoseconds: int) -> None:
        """It had to sleep until bytes came."""
        self._note(nanoseconds + self._passed)
        self._passed = 0
        self._flowing = False

    def _note(self, nanoseconds: int) -> None:
        """How long a wait took; waits that a look at once has ended are not noted."""
        self._short = nanoseconds < SHORT_NS
        alike = abs(nanoseconds - self._last) < SPIN_NS
        long = SHORT_NS <= nanoseconds < LONG_NS
        self._expected = min(nanoseconds, self._last) if alike and long and self._waited else 0
        self._last = nanoseconds
