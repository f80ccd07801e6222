"""`BatchWindow`: how long a batch waits for the observations that are about to come."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rlmesh._evaluation.endpoint_state import EndpointState

__all__ = ["BatchWindow"]

_CHEAP = 2e-4
"""Seconds of a forward pass below which no waiting pays."""

_SMOOTHING = 0.2
"""Share of the latest pass in the usual duration of a pass."""


class BatchWindow:
    """Decides when a forward pass begins.

    A pass costs about the same for one observation as for many. So it waits for those that are
    likely to come before the time of one pass has gone by, and no longer.

    Args:
        is_batched: Whether several observations are one pass.
        most: Most observations of a pass; None: no limit.
    """

    def __init__(self, is_batched: bool, most: int | None) -> None:
        self._is_batched = is_batched
        self.most = (most or 2**31) if is_batched else 1
        self._usual = 0.0
        self._free = 0.0

    def passed(self, seconds: float) -> None:
        """A forward pass has ended."""
        self._free = time.perf_counter()
        usual = self._usual or seconds
        self._usual = usual + _SMOOTHING * (seconds - usual)

    def patience(self, count: int, since: float, states: Iterable[EndpointState]) -> float:
        """Seconds to wait for more; 0: none.

        Args:
            count: How many observations are ready.
            since: Since when the first one is, by `time.perf_counter`.
            states: The endpoints.
        """
        if self._usual < _CHEAP or count >= self.most:
            return 0.0
        last = max(since, self._free) + self._usual
        if not any(state.expected <= last for state in states):
            return 0.0
        return max(last - time.perf_counter(), 0.0)
