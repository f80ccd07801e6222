"""`new_telemetry`: what a server records, if the program has set up telemetry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from rlmesh._messages import env as m
from rlmesh._session.session_manager import SessionManager
from rlmesh._telemetry import meter, tracer
from rlmesh.backends import Buffer

if TYPE_CHECKING:
    from rlmesh._server.telemetry import ServerTelemetry

__all__ = ["Telemetry", "new_telemetry"]


class Telemetry(Protocol):
    """What a server records; see `rlmesh._server.telemetry.ServerTelemetry`."""

    def begin(self, address: str, manager: SessionManager, host: object) -> None:
        """Report from now on, because the server has an address."""
        ...


def new_telemetry(
    title: str, new_reader: Callable[[], Callable[[Buffer], tuple[int, m.Reply]]]
) -> ServerTelemetry | None:
    """Return what a new server records; None: nothing.

    Args:
        title: Name of what is served.
        new_reader: Returns a reader of frames of replies.
    """
    spans, metrics = tracer(), meter()
    if spans is None and metrics is None:
        return None
    from rlmesh._server.telemetry import ServerTelemetry  # Most servers record nothing.

    return ServerTelemetry(title, new_reader, spans, metrics)
