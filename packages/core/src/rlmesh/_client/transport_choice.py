"""`TransportChoice`: the transports that may carry the frames of a client's sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from rlmesh._session.client_connection import ClientConnection
from rlmesh._session.client_session import ClientSession
from rlmesh._session.session_link import Move
from rlmesh._transport.socket.client import to_server
from rlmesh._transport.socket.transports import TRANSPORTS, FrameTransport
from rlmesh._transport.target import Target
from rlmesh.errors import UnsupportedError
from rlmesh.specs import Capability, TransportKind

__all__ = ["Transport", "TransportChoice"]

Transport = Literal["auto", "grpc", "frames"]

AUTO: Transport = "frames"
"""Transport that "auto" tries; the tests run with each value."""


class FirstConnection(ClientConnection, Protocol):
    """A connection to a server's own address, on which a session or a description begins."""

    def describe(self, request: bytes, timeout: float) -> bytes:
        """Return the serialised DescribeResponse to a serialised DescribeRequest."""
        ...


class TransportChoice:
    """The transports to a server: that of its address, and those that sessions may move to.

    Args:
        transport: Transport that the user has chosen.
        target: The service.

    Attributes:
        where: Address of the server.
        can: Capabilities that the client announces.
        moves: Function that connects, for each kind of transport that the session may move to; the
            preferred kind first.

    Raises:
        ValueError: If `transport` is not the name of a transport, or is gRPC and the address is one
            of frames alone.
    """

    def __init__(self, transport: Transport, target: Target) -> None:
        where = target.where
        if transport not in ("auto", "grpc", "frames"):
            raise ValueError(f"transport={transport!r} is not 'auto', 'grpc' or 'frames'")
        if transport == "grpc" and where.is_frames:
            raise ValueError(f"transport='grpc' and {where}, which has frames alone")
        self._asked = transport
        self._target = target
        self.where = where
        tried = () if (AUTO if transport == "auto" else transport) == "grpc" else TRANSPORTS
        tried = tuple(row for row in tried if row.is_tried(transport, where))
        self.can = frozenset({Capability.RESUME, *(row.capability for row in tried)})
        self.moves: Mapping[TransportKind, Move] = {row.kind: self._move(row) for row in tried}

    def _move(self, row: FrameTransport) -> Move:
        return lambda offered: row.dial(self._target, offered)

    def connect(self) -> FirstConnection:
        """Return a new connection to the server's own address.

        Raises:
            OSError: If a certificate cannot be read.
            ConnectError: If a server of frames alone cannot be reached.
        """
        target = self._target
        if target.where.is_frames:
            return to_server(target)
        # Here, because a client of frames alone works without grpcio.
        from rlmesh._transport.grpc.client import GrpcConnection

        return GrpcConnection(target.where, target.service, target.token, target.tls)

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
