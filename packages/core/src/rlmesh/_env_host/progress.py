"""`report_progress`: what an environment reports of a call that takes long (N-17)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rlmesh.specs import Progress

__all__ = ["report_progress", "reporting_to"]

_PAUSE_SECONDS = 0.1
"""Minimum time between two reports that are sent, in seconds."""


_ROUNDING = 1e-6
"""Distance by which a share may lie outside of 0 to 1, because it was summed up."""


class _Calls(threading.local):
    """The served call that runs on each thread.

    Attributes:
        report: Function that sends a report to the call's client; None: no call, or no client that
            wants reports.
        sent_at: When the last report of the thread was sent (monotonic seconds).
    """

    report: Callable[[Progress], object] | None = None
    sent_at = float("-inf")


_calls = _Calls()


def _forget() -> None:
    """Drop the call that ran in the thread that forked; its client belongs to the parent."""
    _calls.report = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def report_progress(message: str = "", fraction: float | None = None) -> None:
    """Report the progress of a call that takes long to the client that waits for it.

    An environment calls this in its `reset`, or in another call that takes long, on the thread that
    it was called on; reports of a single `step` are dropped, because steps are many and short. The
    client's `on_progress` receives the report. If the environment is not served, or the
    client has no `on_progress`, this does nothing. Of reports within a tenth of a second only the
    first is sent.

    Args:
        message: What is being done ("loading the scene"); cut after 256 bytes.
        fraction: Share that is done, from 0 to 1; None: not known.

    Raises:
        TypeError: If `message` is not a text.
        ValueError: If `fraction` is not a number from 0 to 1.
    """
    if not isinstance(message, str):
        raise TypeError(f"expected a text as message, got {type(message).__name__}")
    share = None if fraction is None else float(fraction)
    if share is not None and not -_ROUNDING <= share <= 1.0 + _ROUNDING:
        raise ValueError(f"fraction={fraction!r}; expected a number from 0 to 1, or None")
    share = None if share is None else min(max(share, 0.0), 1.0)
    report, now = _calls.report, time.monotonic()
    if report is not None and now - _calls.sent_at >= _PAUSE_SECONDS:
        _calls.sent_at = now
        report(Progress(share, message))


@contextmanager
def reporting_to(report: Callable[[Progress], object]) -> Generator[None, None, None]:
    """Send the reports of the call that runs inside, on this thread, to `report`."""
    _calls.report = report
    try:
        yield
    finally:
        _calls.report = None
