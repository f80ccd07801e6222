"""`SpinWait`: the decision to poll for the next frame before sleeping until it arrives."""

from __future__ import annotations

import os
import select
import socket
from time import perf_counter_ns

__all__ = ["SpinWait"]

SPIN_NS = 200_000
"""Duration of a spin after a success, in nanoseconds: about twice the cost of sleeping."""

PROBE_NS = 500_000
"""Duration of a spin after a failure: the peer may have to wake up before it can answer."""

SHORT_NS = 500_000
"""Wait, wake-ups included, below which a spin would probably end the next wait, in nanoseconds."""

LONG_NS = 5_000_000
"""Wait above which a spin gains too little, even if the next wait is as long, in nanoseconds."""

LEAD_NS = 200_000
"""Nanoseconds to be awake before the expected end, because timers and wake-ups are late."""

MAX_SKIPPED = 256
"""Max number of waits without a spin after a spin that failed."""

PREEMPTED_NS = 1_000_000
"""Duration of one turn of a spin above which another process had the core for a time slice. A turn
takes one or two microseconds, or as long as the peer's work if the peer runs on the same core."""

LOST_SHARE = 8
"""If preempted for more than 1/8 of the time, treat the CPU as oversubscribed."""

MIN_PREEMPTED, MAX_PREEMPTED = 32, 4096
"""Min and max number of waits without a spin while other processes need the cores."""

_ABLE = hasattr(select, "poll") and hasattr(os, "sched_getaffinity")

_SELECTABLE = 1024
"""First descriptor that `select` cannot take, the only call with a timeout in microseconds."""


class SpinWait:
    """A wait for a socket's next bytes that spins first if they will probably arrive at once.

    A process that sleeps until bytes arrive is woken tens of microseconds later, which is more than
    a short step takes. The time of a spin is bounded by about what it can save ("competitive
    spinning": Karlin, Li, Manasse, Owicki, 1991), and spins become half as frequent after each
    failure. A spin starts at once if the wait before was short; if the waits before were longer,
    but alike, it sleeps until shortly before the expected end. If this process has only one core,
    the peer needs the core; and if other processes need the cores, a process that sleeps gets its
    core back sooner.

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
        """Record that the process has lost its core for a while; act if it happens often."""
        often = lost * LOST_SHARE > now - self._lost_at
        self._lost_at = now
        self._preempted_waits = (
            min(max(MIN_PREEMPTED, 2 * self._preempted_waits), MAX_PREEMPTED) if often else 0
        )
        self._pass(self._preempted_waits)

    def _pass(self, waits: int) -> None:
        """Do not spin in the next waits."""
        self._skipped = 0
        self._to_skip = waits

    def record_wait(self, nanoseconds: int) -> None:
        """Record that the process slept until bytes arrived."""
        self._note(nanoseconds + self._passed)
        self._passed = 0
        self._flowing = False

    def _note(self, nanoseconds: int) -> None:
        """Record how long a wait took, unless the first look ended it."""
        self._short = nanoseconds < SHORT_NS
        alike = abs(nanoseconds - self._last) < SPIN_NS
        long = SHORT_NS <= nanoseconds < LONG_NS
        self._expected = min(nanoseconds, self._last) if alike and long and self._waited else 0
        self._last = nanoseconds
