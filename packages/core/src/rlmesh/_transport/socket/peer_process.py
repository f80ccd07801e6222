"""`PeerProcess`: whether the process at the other end of a Unix socket is there, and runs.

A connection outlives its process if a child has inherited it, and a process that is stopped
closes nothing. gRPC's pings show both; here the kernel reports it.
"""

from __future__ import annotations

import time

__all__ = ["PeerProcess"]

STOPPED_SECONDS = 20.0
"""How long a process may be stopped before it counts as lost; as long as gRPC's pings take."""

_STATE, _STARTED = 0, 19
"""Fields of /proc/PID/stat after the command: proc(5), 3 and 22."""


class PeerProcess:
    """A process of this host, known by its number and its start.

    Args:
        number: Its process number; 0: it is of another namespace, and nothing is known of it.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        facts = _facts(number)
        self._started = facts[_STARTED] if facts else ""
        self._stopped_at: float | None = None

    def has_ended(self) -> bool:
        """Return whether it is known to have ended."""
        return bool(self._started) and self._is_over(_facts(self._number))

    def _is_over(self, facts: list[str]) -> bool:
        return not facts or facts[_STARTED] != self._started or facts[_STATE] in "ZX"

    def gone(self) -> str:
        """Return why the process will send nothing more; empty if it may."""
        facts = _facts(self._number) if self._started else None
        if facts is None:
            return ""
        if self._is_over(facts):
            return "the peer's process has ended"
        if facts[_STATE] not in "Tt":
            self._stopped_at = None
            return ""
        now = time.monotonic()
        if self._stopped_at is None:
            self._stopped_at = now
        if now - self._stopped_at < STOPPED_SECONDS:
            return ""
        return f"the peer's process has been stopped for {STOPPED_SECONDS:g} s"


def _facts(number: int) -> list[str]:
    """Return the fields of a process in /proc, from its state on; empty if there is none."""
    try:
        with open(f"/proc/{number}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except OSError:
        return []
