"""`Losses`: the losses of one session's connection, of which few are logged, and their summary."""

from __future__ import annotations

import logging

from rlmesh._session.clock import Clock

__all__ = ["Losses"]

_QUIET_SECONDS = 60.0
"""Seconds after a logged loss in which further losses are only counted."""


class Losses:
    """Counts the losses of a connection; decides which of them are logged.

    A connection that breaks again and again would otherwise be all that a log contains. Losses that
    are not logged as `level` are logged as DEBUG.

    Args:
        clock: Source of time.
        level: Level of losses that are logged.

    Attributes:
        count: Number of losses.
        seconds: Seconds from each loss to its last resumption, of losses that were followed by one.
    """

    def __init__(self, clock: Clock, level: int) -> None:
        self.count = 0
        self.seconds = 0.0
        self._clock = clock
        self._level = level
        self._logged_at: float | None = None
        self._is_logged = True
        self._unlogged = 0
        self._unlogged_before = 0
        self._counted = 0.0

    def level_of_loss(self) -> int:
        """Count a loss, and return the level that it is logged with."""
        self.count += 1
        self._counted = 0.0
        now = self._clock.monotonic()
        self._is_logged = self._logged_at is None or now - self._logged_at >= _QUIET_SECONDS
        if self._is_logged:
            self._logged_at = now
            self._unlogged_before, self._unlogged = self._unlogged, 0
        else:
            self._unlogged_before, self._unlogged = 0, self._unlogged + 1
        return self._level if self._is_logged else logging.DEBUG

    def level_of_return(self, seconds: float) -> int:
        """Count the seconds of a loss, and return the level that its end is logged with.

        Args:
            seconds: Seconds since the loss. A connection that breaks again before it has carried an
                answer is no further loss: the seconds up to its next resumption include those that
                are counted already.
        """
        longer = max(seconds, self._counted)
        self.seconds += longer - self._counted
        self._counted = longer
        return self._level if self._is_logged else logging.DEBUG

    @property
    def since_logged(self) -> str:
        """Words about the losses between this one and the last that was logged; empty: none."""
        return f" (and {self._unlogged_before} times since the last line)" * bool(
            self._unlogged_before
        )

    @property
    def has_unlogged(self) -> bool:
        """Whether there are losses that were only counted."""
        return self._unlogged > 0

    @property
    def summary(self) -> str:
        """Words about all losses; empty if there was none."""
        if not self.count:
            return ""
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"; its connection was lost {times}, for {self.seconds:.1f} s in all"
