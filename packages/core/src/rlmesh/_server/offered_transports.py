"""The transports that a server offers, and the capabilities that follow from them."""

from __future__ import annotations

from rlmesh._transport.socket.transports import TRANSPORTS, FrameTransport
from rlmesh.options import ServeOptions
from rlmesh.specs import Capability

__all__ = ["served_transports", "transport_capabilities"]


def served_transports(options: ServeOptions) -> list[FrameTransport]:
    """Return the transports that sessions of a server may move to; they move by resuming."""
    return [row for row in TRANSPORTS if options.grace_period > 0 and row.is_served(options)]


def transport_capabilities(options: ServeOptions) -> set[Capability]:
    """Return the capabilities by which sessions outlive their connections, and change them."""
    if not options.grace_period > 0:
        return set()
    can = {Capability.RESUME, *(row.capability for row in served_transports(options))}
    if Capability.FRAMES_UNIX in can:
        can.add(Capability.ALIGNED_SLABS)
    return can
