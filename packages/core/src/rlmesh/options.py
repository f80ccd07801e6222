"""Options of servers, as one typed object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["ServeOptions"]


@dataclass(frozen=True)
class ServeOptions:
    """How an endpoint serves.

    Attributes:
        validation: What to do with an observation outside its space (bounds of a Box, NaN, length
            and characters of a Text): "off", "warn" (a Python warning and
            `info["rlmesh.validation"]`, once a path) or "strict" (an `EnvError`).
        expose_tracebacks: Whether clients see tracebacks of the environment's exceptions. None:
            only on loopback and Unix sockets.
        remote_shutdown: Whether clients may stop the server.
        drain_timeout: Seconds that open sessions have when the server stops.
        grace_period: Seconds that a session whose connection broke keeps its environment, and may
            be resumed by its client; 0: not at all.
    """

    validation: Literal["off", "warn", "strict"] = "warn"
    expose_tracebacks: bool | None = None
    remote_shutdown: bool = False
    drain_timeout: float = 0.2
    grace_period: float = 30.0
