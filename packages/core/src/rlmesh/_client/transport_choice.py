"""`TransportChoice`: the transports that may carry the frames of a client's sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rlmesh._session.client_session import ClientSession, Move
from rlmesh._transport.address import Address
from rlmesh._transport.grpc.client import GrpcConnection
from rlmesh._transport.socket.transports import TRANSPORTS, FrameTransport
from rlmesh.errors import UnsupportedError
from rlmesh.options import TLS
from rlmesh.specs import Capability, TransportKind

__all__ = ["Transport", "TransportChoice"]

Transport = Literal["auto", "grpc", "frames"]

AUTO: Transport = "frames"
"""Transport that "auto" tries; the tests run with each value."""


class TransportChoice:
    """The transports to a server: gRPC, on which sessions begin, and those that they may move to.

    Args:
        transport: Transport that the user has chosen.
        where: Address of the server.
        token: Bearer token; empty: none.
        tls: Certificates.

    Attributes:
        where: Address of the server.
        can: Capabilities that the client announces.
        moves: Function that connects, for each kind of transport that the session may move to; the
            preferred kind first.

    Raises:
        ValueError: If `transport` is not the name of a transport.
    """

    def __init__(self, transport: Transport, where: Address, token: str, tls: TLS | None) -> None:
        if transport not in ("auto", "grpc", "frames"):
            raise ValueError(f"transport={transport!r} is not 'auto', 'grpc' or 'frames'")
        self._asked = transport
        self._token = token
        self._tls = tls
        self.where = where
        tried = () if (AUTO if transport == "auto" else transport) == "grpc" else TRANSPORTS
        tried = tuple(row for row in tried if row.is_tried(transport, where))
        self.can = frozenset({Capability.RESUME, *(row.capability for row in tried)})
        self.moves: Mapping[TransportKind, Move] = {row.kind: self._move(row) for row in tried}

    def _move(self, row: FrameTransport) -> Move:
        return lambda offered: row.dial(self.where, offered, self._token, self._tls)

    def connect(self, service: str) -> GrpcConnection:
        """Return a new connection to a gRPC service; raise OSError if it cannot read a certificate.

        Args:
            service: Full name of the service.
        """
        return GrpcConnection(self.where, service, self._token, self._tls)

    def check(self, session: ClientSession) -> None:
        """Raise if a session is not on the transport that the user has chosen.

        Raises:
            UnsupportedError: If frames were chosen and the session is on gRPC.
        """
        if self._asked != "frames" or session.transport == "frames":
            return
        if session.not_moved:
            raise UnsupportedError(f"frames were asked for, and {session.not_moved}")
        raise UnsupportedError(
            f"{self.where} is not reached over frames: they need Linux, the same host and user, "
            f"a server that offers them (ServeOptions.frames, grace_period) and half of the file "
            f"descriptors free on both ends (ulimit -n), or a server with a port for them "
            f"(ServeOptions.frames_port)"
        )
