"""How a client opens its session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlmesh.specs import Reconnect

__all__ = ["ConnectOptions"]


@dataclass(frozen=True)
class ConnectOptions:
    """How a client opens its session.

    Attributes:
        timeout: Seconds that a handshake may take.
        wait: Seconds to stand in line where every place is taken.
        on_reconnect: Told of each connection that was lost and resumed.
    """

    timeout: float
    wait: float = 0.0
    on_reconnect: Callable[[Reconnect], object] | None = None
