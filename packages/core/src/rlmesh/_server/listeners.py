"""The listeners beside a server's address, and the capabilities that follow from them."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from rlmesh._session.server_connection import ServerConnection
from rlmesh._session.session_manager import SessionManager
from rlmesh._transport.address import Address
from rlmesh._transport.socket.doorkeeper import Doorkeeper
from rlmesh._transport.socket.server import FramesServer
from rlmesh._transport.socket.transports import ENTRANCES, TRANSPORTS, Entrance, FrameTransport
from rlmesh.options import TLS, ServeOptions
from rlmesh.specs import Capability, TransportOffer

__all__ = ["Beside", "listen_beside", "served_transports", "transport_capabilities"]


class Beside(NamedTuple):
    """Listeners beside that of a server's address, which do not accept connections yet.

    Attributes:
        servers: The listeners.
        offers: Transports that sessions may move to.
        websocket_address: Address of the WebSocket; None: there is none.
    """

    servers: list[FramesServer]
    offers: list[tuple[Capability, TransportOffer]]
    websocket_address: str | None


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


def listen_beside(
    options: ServeOptions,
    where: Address,
    service: str,
    token: str,
    tls: TLS | None,
    manager: SessionManager,
) -> Beside:
    """Bind the listeners that the options name, to which sessions may move or where they begin.

    Args:
        options: Options of the server.
        where: Address of the server, resolved.
        service: Full name of its service.
        token: Bearer token that clients must show; empty: none.
        tls: Certificates; None: plain text.
        manager: Manager of the sessions.

    Raises:
        AddressError: If a port cannot be bound.
        ImportError: If a listener needs a library that is not installed.
        OSError: If a certificate cannot be read, or the system has no such socket. Listeners that
            were bound before are closed.
    """
    beside = Beside([], [], None)

    def listen(row: Entrance, *, resumes: bool) -> str:
        refused = manager.report_wrong_token
        doorkeeper = Doorkeeper(service, token, resumes=resumes, refused=refused)
        listener, admit, address = row.listen(options, where, doorkeeper, tls)
        connect = partial(ServerConnection, manager, resumes=resumes, describes=not resumes)
        beside.servers.append(FramesServer(listener, admit, connect, manager.farewell))
        return address

    try:
        for row in served_transports(options):
            offer = TransportOffer(row.kind, listen(row, resumes=True))
            beside.offers.append((row.capability, offer))
        for entrance in ENTRANCES:
            if entrance.is_served(options):
                beside = beside._replace(websocket_address=listen(entrance, resumes=False))
    except BaseException:
        for server in beside.servers:
            server.stop(0)
        raise
    return beside
