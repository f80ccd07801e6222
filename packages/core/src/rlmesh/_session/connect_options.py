"""How a client opens its session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlmesh.specs import Progress, Reconnect

__all__ = ["ConnectOptions"]


@dataclass(frozen=True)
class ConnectOptions:
    """How a client opens its session.

    Attributes:
        timeout: Seconds that a handshake may take.
        wait: Seconds to wait for a free slot if the server has none.
        on_reconnect: Called after each time that the session was resumed on a new connection.
        on_progress: Called with each report of the progress of a call; None: none are wanted.
        traceparent: Trace context of the caller, for the server's log (H-13); empty: none.
    """

    timeout: float
    wait: float = 0.0
    on_reconnect: Callable[[Reconnect], object] | None = None
    traceparent: str = ""
    on_progress: Callable[[Progress], object] | None = None
