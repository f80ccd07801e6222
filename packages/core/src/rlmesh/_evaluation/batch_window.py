"""`BatchWindow`: the time for which a batch waits for observations that are about to arrive."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rlmesh._evaluation.endpoint_state import EndpointState

__all__ = ["BatchWindow"]

_CHEAP = 2e-4
"""Duration of a forward pass in seconds below which waiting does not pay."""

_QUICK = 1e-3
"""Duration of a forward pass in seconds below which one thread serves model and endpoints."""

_SMOOTHING = 0.2
"""Weight of the latest pass in the running average of the duration of a pass."""


class BatchWindow:
    """The decision when a forward pass begins.

    A pass costs about the same for one observation as for many. Therefore it waits for observations
    that are likely to arrive within the duration of one pass, and no longer.

    Args:
        is_batched: Whether several observations are one pass.
        max_size: Largest number of observations of a pass; None: no limit.
    """

    def __init__(self, is_batched: bool, max_size: int | None) -> None:
        self._is_batched = is_batched
        self.max_size = (max_size or 2**31) if is_batched else 1
        self._usual = 0.0
        self._free = 0.0

    @property
    def is_quick(self) -> bool:
        """Whether a pass is so short that no thread needs to read observations meanwhile."""
        return self._usual < _QUICK

    def passed(self, seconds: float) -> None:
        """Record the end of a forward pass."""
        self._free = time.perf_counter()
        usual = self._usual or seconds
        self._usual = usual + _SMOOTHING * (seconds - usual)

    def patience(self, count: int, since: float, states: Iterable[EndpointState]) -> float:
        """Return the seconds to wait for more observations; 0: none.

        Args:
            count: Number of observations that are ready.
            since: Time at which the first one became ready, by `time.perf_counter`.
            states: The endpoints.
        """
        if self._usual < _CHEAP or count >= self.max_size:
            return 0.0
        last = max(since, self._free) + self._usual
        if not any(state.expected <= last for state in states):
            return 0.0
        return max(last - time.perf_counter(), 0.0)
